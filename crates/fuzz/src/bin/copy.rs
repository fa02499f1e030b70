//! The target `Copy`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Copy);

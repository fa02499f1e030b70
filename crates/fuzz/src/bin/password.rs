//! The target `Password`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Password);

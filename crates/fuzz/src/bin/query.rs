//! The target `Query`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Query);

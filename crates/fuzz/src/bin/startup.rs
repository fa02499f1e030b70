//! The target `Startup`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Startup);

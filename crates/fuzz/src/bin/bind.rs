//! The target `Bind`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Bind);

//! The target `Stream`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Stream);

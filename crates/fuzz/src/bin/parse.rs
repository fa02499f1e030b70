//! The target `Parse`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Parse);

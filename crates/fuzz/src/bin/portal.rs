//! The target `Portal`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(Portal);

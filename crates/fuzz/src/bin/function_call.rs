//! The target `FunctionCall`.
#![cfg_attr(fuzzing, no_main)]

fuzz::program!(FunctionCall);

//! The long tests, in a target and a module of their own: `--test long` runs them alone, and `--skip long::` every
//! other test.

mod long;

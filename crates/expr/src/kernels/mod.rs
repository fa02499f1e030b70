//! The loops over column slices, a file for each kind of operator.

pub(crate) mod arithmetic;
pub(crate) mod choose;
pub(crate) mod compare;
pub(crate) mod logic;
pub(crate) mod membership;
pub(crate) mod temporal;

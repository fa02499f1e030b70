//! The crate against simple models: rows against lists of values, batches against ordered maps.
//!
//! The generators draw from small, nasty domains (zero bytes, both zeros, NaN, extremes, NULL), so that equal
//! keys, equal rows and shared prefixes are common.

mod batches;
mod generate;
mod rows;

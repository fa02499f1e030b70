//! Z-sets as bytes: types, rows, keys, batches, and the algebra over them.
//!
//! A Z-set maps rows to integer weights. Here a row is two byte strings: K, whose byte order is the order of
//! the key columns and which carries the row's identity, and V, the other columns. A [`Batch`] is an immutable
//! Z-set sorted by K; everything else in this crate makes batches ([`BatchBuilder`], [`Layout`]), adds them up
//! ([`merge()`], [`Merger`]) or reads them ([`TraceCursor`], [`Layout::decode`]).
//!
//! Nothing here knows of files, threads or SQL. Kernels are plain functions over slices.

#[cfg(target_endian = "big")]
compile_error!("the regions of a batch are little-endian and are read in place");

pub mod batch;
pub mod builder;
pub mod cursor;
pub mod datum;
mod decode;
pub mod display;
mod encode;
pub mod error;
mod fences;
mod keycode;
pub mod layout;
pub mod merge;
mod order;
mod reader;
pub mod schema;
mod sort;
mod tournament;
pub mod types;
pub mod varint;
pub mod vector;
pub mod weights;

pub use batch::{Batch, Deltas};
pub use builder::BatchBuilder;
pub use cursor::{TraceCursor, weight_of};
pub use datum::Datum;
pub use error::ZsetError;
pub use layout::{Discriminator, Layout};
pub use merge::{Merger, merge};
pub use schema::{Schema, Secret};
pub use types::{CollectionId, ColumnType, Interval, Lane, Type};
pub use vector::{Data, Strings, Vector};

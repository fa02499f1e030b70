//! Types as PostgreSQL's clients know them. How values are written is `gnitz::wire`'s business, which COPY shares.

pub(crate) mod foreign;
pub(crate) mod oid;
pub(crate) mod value;

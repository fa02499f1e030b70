//! Generated TPC-H rows as Arrow record batches, and loading them in bulk.

use arrow::record_batch::RecordBatch;
use gnitz::{Error, Session};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

/// Rows a record batch of the generator holds, and so rows a commit of the load brings.
const ROWS_A_BATCH: usize = 65_536;

/// One of the eight tables.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Rows at scale 1; those of region and nation do not grow with the scale.
    rows: f64,
    generate: fn(f64) -> Box<dyn Iterator<Item = RecordBatch>>,
}

impl Table {
    /// About how many rows the table has at a scale, for a progress bar.
    pub fn rows(&self, scale: f64) -> u64 {
        if self.rows <= 25.0 { self.rows as u64 } else { (self.rows * scale) as u64 }
    }
}

macro_rules! generated {
    ($arrow:ident, $generator:ident) => {
        |scale| Box::new($arrow::new($generator::new(scale, 1, 1)).with_batch_size(ROWS_A_BATCH))
    };
}

/// The tables in an order in which parents come first.
pub const TABLES: &[Table] = &[
    Table { name: "region", rows: 5.0, generate: generated!(RegionArrow, RegionGenerator) },
    Table { name: "nation", rows: 25.0, generate: generated!(NationArrow, NationGenerator) },
    Table { name: "supplier", rows: 10_000.0, generate: generated!(SupplierArrow, SupplierGenerator) },
    Table { name: "customer", rows: 150_000.0, generate: generated!(CustomerArrow, CustomerGenerator) },
    Table { name: "part", rows: 200_000.0, generate: generated!(PartArrow, PartGenerator) },
    Table { name: "partsupp", rows: 800_000.0, generate: generated!(PartSuppArrow, PartSuppGenerator) },
    Table { name: "orders", rows: 1_500_000.0, generate: generated!(OrderArrow, OrderGenerator) },
    Table { name: "lineitem", rows: 6_001_215.0, generate: generated!(LineItemArrow, LineItemGenerator) },
];

/// Generates and loads one table, telling `progress` the rows of each commit; returns how many rows there were.
pub fn load(
    session: &Session,
    table: &Table,
    scale: f64,
    mut progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let mut rows = 0;
    let mut appender = session.appender(table.name)?;
    for batch in (table.generate)(scale) {
        appender.append_batch(&batch)?;
        appender.flush()?;
        rows += batch.num_rows() as u64;
        progress(batch.num_rows() as u64);
    }
    Ok(rows)
}

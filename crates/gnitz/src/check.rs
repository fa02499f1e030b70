//! `CHECK MATERIALIZED VIEW`: the view's query, run by the ad-hoc engine over its sources, against what is stored.
//!
//! The two share no operator code, so an empty answer means something. It is always empty unless Gnitz has a bug
//! or a file was changed behind its back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use sql::statement::{Statement, parse_one};
use sql::{Planner, TableKind, types};
use zset::{Batch, BatchBuilder, Vector};

use crate::error::{Error, Result};
use crate::outcome::QueryResult;
use crate::relation::Relation;
use crate::snapshot::Snapshot;

/// The rows in which the view differs from its query: the view's columns, then `weight`, how many more of the row
/// the view has (fewer, if negative).
pub(crate) fn check(
    planner: &Planner,
    snapshot: &Arc<Snapshot>,
    name: &str,
    cancel: &Arc<AtomicBool>,
) -> Result<QueryResult> {
    let relation = snapshot.relation(name).ok_or_else(|| Error::UndefinedTable { name: name.to_string() })?;
    let Some(view) = relation.view.as_ref().filter(|_| relation.has_rows()) else {
        return Err(Error::WrongKind { name: name.to_string(), expected: "a materialized view" });
    };
    debug_assert_eq!(relation.def.kind, TableKind::View);
    let Statement::Query(query) = parse_one(&view.query)? else {
        return Err(Error::Catalog { message: format!("the query of view {name} is not a query") });
    };
    let catalog = &snapshot.version().compiled.catalog;
    for &source in &view.sources {
        snapshot.verify(catalog.by_id(source).map(|relation| relation.name()))?;
    }
    let as_dyn: Arc<dyn sql::Snapshot> = Arc::<Snapshot>::clone(snapshot);
    let rows = planner.query(&as_dyn, &query, &[], 0, cancel)?;
    let mut expected = BatchBuilder::new();
    for batch in &rows.batches {
        let columns = relation.def.columns.iter().zip(batch.columns());
        let vectors = columns.map(|(column, array)| types::to_vector(array, column.ty.ty));
        let vectors = vectors.collect::<std::result::Result<Vec<Vector>, _>>()?;
        let vectors: Vec<&Vector> = vectors.iter().collect();
        relation.layout.encode(&vectors, batch.num_rows(), &vec![1; batch.num_rows()], &mut expected)?;
    }
    let mut runs = snapshot.stored(relation.id())?;
    runs.push(expected.finish()?.negate());
    differences(relation, &zset::merge(&runs)?)
}

fn differences(relation: &Relation, batch: &Batch) -> Result<QueryResult> {
    let rows = relation.record_batch(batch)?;
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("weight", DataType::Int64, false)));
    let schema = Arc::new(Schema::new(fields));
    let weights: ArrayRef = Arc::new(Int64Array::from(batch.weights().to_vec()));
    let columns = rows.columns().iter().cloned().chain([weights]).collect();
    let batch = types::record_batch(&schema, columns, batch.len())?;
    Ok(QueryResult { schema, batches: vec![batch] })
}

//! Tables that describe sequences.

use super::Builder;
use super::rows::Rows;
use crate::facts::{Relation, Sequence};
use crate::oid;
use crate::types::{self, pg_type_of};
use crate::value::Value;
use crate::world::{World, oid_of};

pub(super) fn builder(name: &str) -> Option<Builder> {
    Some(match name {
        "pg_sequence" => sequence,
        "pg_sequences" => sequences,
        _ => return None,
    })
}

pub(super) fn information_builder(name: &str) -> Option<Builder> {
    (name == "sequences").then_some(information as Builder)
}

fn all<'w>(world: &'w World<'_>) -> impl Iterator<Item = (&'w Relation, &'w Sequence)> {
    world.stored().filter_map(|relation| Some((relation, relation.sequence.as_ref()?)))
}

fn sequence(world: &World<'_>, rows: &mut Rows) {
    for (relation, sequence) in all(world) {
        rows.push([
            ("seqrelid", Value::oid(oid_of(relation))),
            ("seqtypid", Value::oid(pg_type_of(sequence.ty, None).0)),
            ("seqstart", Value::Int(sequence.start)),
            ("seqincrement", Value::Int(sequence.increment)),
            ("seqmax", Value::Int(sequence.max)),
            ("seqmin", Value::Int(sequence.min)),
            ("seqcache", Value::Int(1)),
            ("seqcycle", false.into()),
        ]);
    }
}

fn sequences(world: &World<'_>, rows: &mut Rows) {
    for (relation, sequence) in all(world) {
        rows.push([
            ("schemaname", relation.schema.as_str().into()),
            ("sequencename", relation.name.as_str().into()),
            ("sequenceowner", world.owner_name(relation).into()),
            ("data_type", Value::oid(pg_type_of(sequence.ty, None).0)),
            ("start_value", Value::Int(sequence.start)),
            ("min_value", Value::Int(sequence.min)),
            ("max_value", Value::Int(sequence.max)),
            ("increment_by", Value::Int(sequence.increment)),
            ("cycle", false.into()),
            ("cache_size", Value::Int(1)),
            ("last_value", sequence.last.map_or(Value::Null, Value::Int)),
        ]);
    }
}

/// Those of identity columns are parts of their columns, and not listed.
fn information(world: &World<'_>, rows: &mut Rows) {
    for (relation, sequence) in all(world).filter(|(_, sequence)| !sequence.identity) {
        let (ty, _) = pg_type_of(sequence.ty, None);
        let bits = match ty {
            oid::INT2 => 16,
            oid::INT4 => 32,
            _ => 64,
        };
        let number = |number: i64| Value::from(number.to_string());
        rows.push([
            ("sequence_catalog", world.facts.session().database.as_str().into()),
            ("sequence_schema", relation.schema.as_str().into()),
            ("sequence_name", relation.name.as_str().into()),
            ("data_type", types::sql_name(ty, None).unwrap_or_default().into()),
            ("numeric_precision", Value::Int(bits)),
            ("numeric_precision_radix", Value::Int(2)),
            ("numeric_scale", Value::Int(0)),
            ("start_value", number(sequence.start)),
            ("minimum_value", number(sequence.min)),
            ("maximum_value", number(sequence.max)),
            ("increment", number(sequence.increment)),
            ("cycle_option", "NO".into()),
        ]);
    }
}

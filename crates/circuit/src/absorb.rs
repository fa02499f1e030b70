//! Taking a view's fragment into the circuit of the whole database.
//!
//! The fragment's nodes are added in order. A node that the database already has, with the same inputs, is
//! used as it is, with the collection that it keeps; only what is really new gets a new collection, which the
//! caller has to fill.

use std::collections::HashMap;

use zset::{CollectionId, Schema};

use crate::graph::{Circuit, NodeId, Op};

/// What a fragment became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// The views that the fragment's sinks became, in the fragment's order: usually one.
    pub views: Vec<(NodeId, CollectionId)>,
    /// The collections that did not exist before (the views themselves among them), each with the node that
    /// writes it and the schema it is stored with. They are empty and have to be filled.
    pub new_collections: Vec<(CollectionId, NodeId, Schema)>,
    /// How many of the fragment's nodes were already there.
    pub shared: usize,
}

impl Circuit {
    /// Adds the fragment's nodes. `allocate` gives ids that no collection has ever had.
    pub fn absorb(&mut self, fragment: &Circuit, allocate: &mut dyn FnMut() -> CollectionId) -> Absorbed {
        let mut absorbed = Absorbed::default();
        let mut names: HashMap<NodeId, NodeId> = HashMap::new();
        for (old, node) in fragment.nodes() {
            let op = node.op.with_inputs(|input| names[&input]);
            let known = if matches!(op, Op::Sink { .. }) { None } else { self.find(&op, &node.schema) };
            if let Some(known) = known {
                absorbed.shared += 1;
                names.insert(old, known);
                continue;
            }
            let collection = op.collection().map(|_| allocate());
            let op = collection.map_or(op.clone(), |id| op.with_collection(id));
            let is_sink = matches!(op, Op::Sink { .. });
            let new = self.add(op, node.schema.clone());
            names.insert(old, new);
            let stored = self.stored_schema(new);
            absorbed.new_collections.extend(collection.zip(stored).map(|(id, schema)| (id, new, schema)));
            absorbed.views.extend(collection.filter(|_| is_sink).map(|id| (new, id)));
        }
        absorbed
    }
}

#[cfg(test)]
mod tests {
    use zset::{ColumnType, Type};

    use super::*;
    use expr::Expr;

    fn fragment(limit: i64) -> Circuit {
        let mut circuit = Circuit::new();
        let int = ColumnType { ty: Type::Int64, nullable: false };
        let schema = Schema { columns: vec![int, int], key: vec![0] };
        let source = circuit.source(CollectionId(1), schema);
        let kept = circuit.filter(
            source,
            Expr::compare(
                expr::BinaryOp::Gt,
                Expr::column(1, Type::Int64, false),
                Expr::literal(zset::Datum::Int(limit), Type::Int64),
            ),
        );
        let exprs = (0..4).map(|i| Expr::column(i, Type::Int64, false)).collect();
        let joined = circuit.join((kept, &[1]), (source, &[0]), None, exprs);
        circuit.sink(joined, &[0]);
        circuit
    }

    #[test]
    fn equal_parts_keep_their_collections() {
        let mut next = 9;
        let mut allocate = || {
            next += 1;
            CollectionId(next)
        };
        let mut database = Circuit::new();
        let first = database.absorb(&fragment(5), &mut allocate);
        assert_eq!(first.shared, 0);
        assert_eq!(
            first.new_collections.len(),
            2,
            "an arrangement and the view; the source is its own trace"
        );
        let same = database.absorb(&fragment(5), &mut allocate);
        assert_eq!(same.new_collections.len(), 1, "only the view");
        assert_ne!(same.views, first.views);
        let other = database.absorb(&fragment(6), &mut allocate);
        assert_eq!((other.shared, other.new_collections.len()), (1, 2));
        database.verify().unwrap();
    }

    #[test]
    fn removal_frees_what_nobody_reads() {
        let mut next = 9;
        let mut allocate = || {
            next += 1;
            CollectionId(next)
        };
        let mut database = Circuit::new();
        let first = database.absorb(&fragment(5), &mut allocate);
        let before = database.clone();
        let second = database.absorb(&fragment(5), &mut allocate);
        assert_eq!(database.remove(second.views[0].1), vec![second.views[0].1]);
        assert_eq!(database, before);
        let freed = database.remove(first.views[0].1);
        assert_eq!(freed.len(), 2);
        assert!(database.is_empty());
        let again = database.absorb(&fragment(5), &mut allocate);
        assert_eq!(again.new_collections.len(), 2);
    }
}

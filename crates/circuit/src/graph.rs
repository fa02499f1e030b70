//! The circuit: operators over Z-sets, as data.
//!
//! Nodes are only ever made by the builder methods, from nodes that exist, so a node's inputs have smaller
//! ids than the node: ascending ids are a topological order. Equal nodes are one node (hash-consing): whoever
//! asks for an operator that is already there, with the same inputs, gets that one. This is how views come to
//! share arrangements, joins and everything else, and no other code in the tree needs to think about sharing.
//! What an operator *remembers* (the collection of an arrangement, of a reduce, of a view) is not part of its
//! identity.
//!
//! A node's schema gives its columns. Its key matters where rows are stored: in arrangements, sources,
//! reduces and sinks.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use expr::Expr;
use zset::{CollectionId, ColumnType, Datum, Schema};

use crate::aggregate::{Aggregate, ReduceState};

/// Names a node of one circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// An operator over Z-sets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// The changes of a table, or of another view.
    Source {
        /// The table or view.
        collection: CollectionId,
    },
    /// Rows that never change, each once.
    Constant {
        /// The rows; a row that occurs twice has weight 2.
        rows: Vec<Vec<Datum>>,
    },
    /// The rows for which the predicate is true.
    Filter {
        /// What is filtered.
        input: NodeId,
        /// A boolean over the input's columns; NULL drops the row.
        predicate: Expr,
    },
    /// Each row replaced by the values of the expressions.
    Map {
        /// What is mapped.
        input: NodeId,
        /// One expression a column of the output, over the input's columns.
        exprs: Vec<Expr>,
    },
    /// The sum of its inputs (UNION ALL).
    Union {
        /// What is summed; an input may occur twice.
        inputs: Vec<NodeId>,
    },
    /// Its input with every weight negated.
    Negate {
        /// What is negated.
        input: NodeId,
    },
    /// Its input, remembered by the key of the node's schema.
    Arrange {
        /// What is remembered.
        input: NodeId,
        /// Where it is remembered.
        trace: CollectionId,
    },
    /// The pairs of rows whose leading key columns are equal; NULL equals nothing.
    Join {
        /// An [`Op::Arrange`] or an [`Op::Source`].
        left: NodeId,
        /// An [`Op::Arrange`] or an [`Op::Source`].
        right: NodeId,
        /// How many leading key columns of both sides must be equal; 0 is the cross join.
        key: u32,
        /// A boolean over the left columns followed by the right columns; pairs for which it isn't true are
        /// dropped.
        residual: Option<Expr>,
        /// One expression a column of the output, over the left columns followed by the right columns.
        exprs: Vec<Expr>,
    },
    /// Every row that its input has, once.
    Distinct {
        /// An [`Op::Arrange`] or an [`Op::Source`].
        input: NodeId,
    },
    /// One row a group: the group's columns, then the aggregates.
    Reduce {
        /// What is aggregated; its first `key` columns are the group.
        input: NodeId,
        /// How many leading columns of the input make the group.
        key: u32,
        /// The aggregates.
        aggregates: Vec<Aggregate>,
        /// For each MIN and MAX among the aggregates, in order, an [`Op::Arrange`] of (group, value), keyed
        /// by all its columns. The aggregate's filter has been applied to it.
        extremes: Vec<NodeId>,
        /// Where the groups' sums are remembered.
        state: CollectionId,
        /// Whether there is exactly one row even if the input is empty (an aggregate without GROUP BY; `key`
        /// is 0 then).
        global: bool,
    },
    /// The contents of a view.
    Sink {
        /// What the view holds.
        input: NodeId,
        /// The view.
        view: CollectionId,
    },
}

impl Op {
    /// The nodes it reads, in a fixed order.
    pub fn inputs(&self) -> Vec<NodeId> {
        match self {
            Op::Source { .. } | Op::Constant { .. } => Vec::new(),
            Op::Filter { input, .. }
            | Op::Map { input, .. }
            | Op::Negate { input }
            | Op::Arrange { input, .. }
            | Op::Distinct { input }
            | Op::Sink { input, .. } => vec![*input],
            Op::Union { inputs } => inputs.clone(),
            Op::Join { left, right, .. } => vec![*left, *right],
            Op::Reduce { input, extremes, .. } => {
                std::iter::once(*input).chain(extremes.iter().copied()).collect()
            }
        }
    }

    /// The same operator reading other nodes.
    pub fn with_inputs(&self, mut rename: impl FnMut(NodeId) -> NodeId) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Source { .. } | Op::Constant { .. } => {}
            Op::Filter { input, .. }
            | Op::Map { input, .. }
            | Op::Negate { input }
            | Op::Arrange { input, .. }
            | Op::Distinct { input }
            | Op::Sink { input, .. } => *input = rename(*input),
            Op::Union { inputs } => inputs.iter_mut().for_each(|input| *input = rename(*input)),
            Op::Join { left, right, .. } => {
                *left = rename(*left);
                *right = rename(*right);
            }
            Op::Reduce { input, extremes, .. } => {
                *input = rename(*input);
                extremes.iter_mut().for_each(|extreme| *extreme = rename(*extreme));
            }
        }
        op
    }

    /// The collection it writes: an arrangement's trace, a reduce's state, a view.
    pub fn collection(&self) -> Option<CollectionId> {
        match self {
            Op::Arrange { trace, .. } => Some(*trace),
            Op::Reduce { state, .. } => Some(*state),
            Op::Sink { view, .. } => Some(*view),
            _ => None,
        }
    }

    /// The same operator writing another collection.
    pub fn with_collection(mut self, id: CollectionId) -> Op {
        match &mut self {
            Op::Arrange { trace, .. } => *trace = id,
            Op::Reduce { state, .. } => *state = id,
            Op::Sink { view, .. } => *view = id,
            _ => {}
        }
        self
    }

    /// The operator's name in the text form.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Source { .. } => "source",
            Op::Constant { .. } => "constant",
            Op::Filter { .. } => "filter",
            Op::Map { .. } => "map",
            Op::Union { .. } => "union",
            Op::Negate { .. } => "negate",
            Op::Arrange { .. } => "arrange",
            Op::Join { .. } => "join",
            Op::Distinct { .. } => "distinct",
            Op::Reduce { .. } => "reduce",
            Op::Sink { .. } => "sink",
        }
    }
}

/// An operator and the rows it puts out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// Its columns, and the key of what it remembers.
    pub schema: Schema,
}

/// Collections of a fragment that is not yet part of a database count up from here; [`Circuit::absorb`]
/// replaces them.
pub const FIRST_PLACEHOLDER: u32 = 1 << 31;

/// A graph of operators. See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    nodes: BTreeMap<NodeId, Node>,
    known: HashMap<Node, NodeId>,
    next_node: u32,
    placeholders: u32,
}

impl PartialEq for Circuit {
    fn eq(&self, other: &Circuit) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for Circuit {}

/// Building.
impl Circuit {
    /// A circuit without nodes.
    pub fn new() -> Circuit {
        Circuit::default()
    }

    /// A table's or view's changes. `schema` is the collection's, its key included: a join by the leading
    /// columns of that key can then use the collection itself instead of a copy.
    pub fn source(&mut self, collection: CollectionId, schema: Schema) -> NodeId {
        self.add(Op::Source { collection }, schema)
    }

    /// Rows that never change.
    pub fn constant(&mut self, rows: Vec<Vec<Datum>>, columns: Vec<ColumnType>) -> NodeId {
        self.add(Op::Constant { rows }, keyless(columns))
    }

    /// Rows for which `predicate` is true.
    pub fn filter(&mut self, input: NodeId, predicate: Expr) -> NodeId {
        let schema = keyless(self.columns(input).to_vec());
        self.add(Op::Filter { input, predicate }, schema)
    }

    /// Rows made of the expressions' values.
    pub fn map(&mut self, input: NodeId, exprs: Vec<Expr>) -> NodeId {
        let columns = exprs.iter().map(Expr::column_type).collect();
        self.add(Op::Map { input, exprs }, keyless(columns))
    }

    /// A map that only picks columns.
    pub fn project(&mut self, input: NodeId, columns: &[u32]) -> NodeId {
        let types = self.columns(input);
        let exprs = columns.iter().map(|&index| Expr::Column { index, ty: types[index as usize] }).collect();
        self.map(input, exprs)
    }

    /// The sum of inputs with equal types; a column is nullable where it is in any of them.
    pub fn union(&mut self, inputs: Vec<NodeId>) -> NodeId {
        let mut columns = inputs.first().map_or_else(Vec::new, |&first| self.columns(first).to_vec());
        for &input in inputs.iter().skip(1) {
            for (column, other) in columns.iter_mut().zip(self.columns(input)) {
                column.nullable |= other.nullable;
            }
        }
        self.add(Op::Union { inputs }, keyless(columns))
    }

    /// The input with negated weights.
    pub fn negate(&mut self, input: NodeId) -> NodeId {
        let schema = keyless(self.columns(input).to_vec());
        self.add(Op::Negate { input }, schema)
    }

    /// The input, remembered by these columns. An input that is a source with exactly this key is returned as
    /// it is: it already is such an arrangement.
    pub fn arrange(&mut self, input: NodeId, key: &[u32]) -> NodeId {
        let node = self.node(input);
        if node.schema.key == key && matches!(node.op, Op::Source { .. } | Op::Arrange { .. }) {
            return input;
        }
        let schema = Schema { columns: node.schema.columns.clone(), key: key.to_vec() };
        let trace = self.placeholder();
        self.add(Op::Arrange { input, trace }, schema)
    }

    /// The inner join of two inputs on `left_key[i] = right_key[i]`, arranging both by those columns. Paired
    /// columns must have the same type (nullability aside). No key columns make it a cross join.
    pub fn join(
        &mut self,
        (left, left_key): (NodeId, &[u32]),
        (right, right_key): (NodeId, &[u32]),
        residual: Option<Expr>,
        exprs: Vec<Expr>,
    ) -> NodeId {
        let key = left_key.len() as u32;
        let left = self.arrange(left, left_key);
        let right = self.arrange(right, right_key);
        self.join_arranged(left, right, key, residual, exprs)
    }

    /// The inner join of two arrangements (or sources) on their first `key` key columns.
    pub fn join_arranged(
        &mut self,
        left: NodeId,
        right: NodeId,
        key: u32,
        residual: Option<Expr>,
        exprs: Vec<Expr>,
    ) -> NodeId {
        let columns = exprs.iter().map(Expr::column_type).collect();
        self.add(Op::Join { left, right, key, residual, exprs }, keyless(columns))
    }

    /// Every row of the input once.
    pub fn distinct(&mut self, input: NodeId) -> NodeId {
        let columns = self.columns(input).to_vec();
        let key: Vec<u32> = (0..columns.len() as u32).collect();
        let input = self.arrange(input, &key);
        self.distinct_arranged(input)
    }

    /// Every row of an arrangement (or source) once; any key will do.
    pub fn distinct_arranged(&mut self, input: NodeId) -> NodeId {
        let schema = keyless(self.columns(input).to_vec());
        self.add(Op::Distinct { input }, schema)
    }

    /// One row a group of equal first `key` columns. The arrangements that MIN and MAX need are made here,
    /// their filters included.
    /// `global` (with `key` 0) is an aggregate without GROUP BY.
    pub fn reduce(&mut self, input: NodeId, key: u32, aggregates: Vec<Aggregate>, global: bool) -> NodeId {
        let extremes = aggregates
            .iter()
            .filter(|aggregate| aggregate.kind.is_extreme())
            .map(|aggregate| self.arrange_extreme(input, key, aggregate))
            .collect();
        self.reduce_arranged(input, key, aggregates, extremes, global)
    }

    /// Like [`Circuit::reduce`], with the arrangements for MIN and MAX given.
    pub fn reduce_arranged(
        &mut self,
        input: NodeId,
        key: u32,
        aggregates: Vec<Aggregate>,
        extremes: Vec<NodeId>,
        global: bool,
    ) -> NodeId {
        let group = self.columns(input).iter().take(key as usize).copied();
        let columns = group.chain(aggregates.iter().map(|aggregate| aggregate.ty)).collect();
        let schema = Schema { columns, key: (0..key).collect() };
        let state = self.placeholder();
        self.add(Op::Reduce { input, key, aggregates, extremes, state, global }, schema)
    }

    /// A view of the input's rows, stored by these key columns. Two sinks are never one.
    pub fn sink(&mut self, input: NodeId, key: &[u32]) -> NodeId {
        let schema = Schema { columns: self.columns(input).to_vec(), key: key.to_vec() };
        let view = self.placeholder();
        self.insert(Node { op: Op::Sink { input, view }, schema })
    }

    /// Adds any operator with a given schema, unless an equal node is there. The builder methods above
    /// compute the schema; this is for passes and for [`Circuit::absorb`], which move nodes as they are.
    pub fn add(&mut self, op: Op, schema: Schema) -> NodeId {
        let identity = identity(&op, &schema);
        if let Some(&id) = self.known.get(&identity) {
            return id;
        }
        let node = Node { op, schema };
        let is_sink = matches!(node.op, Op::Sink { .. });
        let id = self.insert(node);
        if !is_sink {
            self.known.insert(identity, id);
        }
        id
    }

    /// The node equal to this one up to its collection, if there is one.
    pub fn find(&self, op: &Op, schema: &Schema) -> Option<NodeId> {
        let identity = identity(op, schema);
        self.known.get(&identity).copied()
    }

    /// A collection id that no other node of this fragment has.
    fn placeholder(&mut self) -> CollectionId {
        self.placeholders += 1;
        CollectionId(FIRST_PLACEHOLDER + self.placeholders - 1)
    }

    fn insert(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.next_node);
        self.next_node += 1;
        self.nodes.insert(id, node);
        id
    }

    /// MIN and MAX with the same argument and filter share one arrangement.
    fn arrange_extreme(&mut self, input: NodeId, key: u32, aggregate: &Aggregate) -> NodeId {
        let mut rows = input;
        if let Some(index) = aggregate.filter {
            let ty = self.columns(input)[index as usize];
            rows = self.filter(input, Expr::Column { index, ty });
        }
        let columns: Vec<u32> = (0..key).chain(aggregate.arg).collect();
        let rows = self.project(rows, &columns);
        let all: Vec<u32> = (0..columns.len() as u32).collect();
        self.arrange(rows, &all)
    }
}

/// Reading.
impl Circuit {
    /// The node with this id.
    ///
    /// # Panics
    /// If the id is another circuit's, or its node was removed: ids are only ever got from the circuit
    /// itself.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[&id]
    }

    /// The node with this id, if it is here.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All nodes, inputs before those who read them.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(&id, node)| (id, node))
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The columns of a node's rows.
    pub fn columns(&self, id: NodeId) -> &[ColumnType] {
        &self.node(id).schema.columns
    }

    /// The nodes that read this one, once for each time they do.
    pub fn readers(&self, id: NodeId) -> Vec<NodeId> {
        self.nodes()
            .flat_map(|(reader, node)| {
                node.op.inputs().into_iter().filter(move |&input| input == id).map(move |_| reader)
            })
            .collect()
    }

    /// The sink of a view.
    pub fn sink_of(&self, view: CollectionId) -> Option<NodeId> {
        self.sinks().find(|&(_, collection)| collection == view).map(|(id, _)| id)
    }

    /// All views with their sinks.
    pub fn sinks(&self) -> impl Iterator<Item = (NodeId, CollectionId)> {
        self.nodes().filter_map(|(id, node)| match node.op {
            Op::Sink { view, .. } => Some((id, view)),
            _ => None,
        })
    }

    /// All tables and views that are read from outside.
    pub fn sources(&self) -> impl Iterator<Item = (NodeId, CollectionId)> {
        self.nodes().filter_map(|(id, node)| match node.op {
            Op::Source { collection } => Some((id, collection)),
            _ => None,
        })
    }

    /// All collections that the circuit writes, with the node that does and their schema as stored.
    pub fn collections(&self) -> Vec<(CollectionId, NodeId, Schema)> {
        self.nodes()
            .filter_map(|(id, node)| Some((node.op.collection()?, id, self.stored_schema(id)?)))
            .collect()
    }

    /// The schema of what a node stores: a reduce stores its sums, an arrangement and a view their rows.
    pub fn stored_schema(&self, id: NodeId) -> Option<Schema> {
        let node = self.node(id);
        match &node.op {
            Op::Arrange { .. } | Op::Sink { .. } => Some(node.schema.clone()),
            Op::Reduce { input, key, aggregates, .. } => {
                let columns = self.columns(*input);
                Some(ReduceState::plan(columns, aggregates).schema(&columns[..*key as usize]))
            }
            _ => None,
        }
    }

    /// The collection a join or distinct reads its input from: the arrangement's trace, or the source itself.
    pub fn trace_of(&self, id: NodeId) -> Option<CollectionId> {
        match self.node(id).op {
            Op::Arrange { trace, .. } => Some(trace),
            Op::Source { collection } => Some(collection),
            _ => None,
        }
    }

    /// Puts a node under a given id, as a reader of the text form does.
    pub(crate) fn restore(&mut self, id: NodeId, node: Node) {
        if !matches!(node.op, Op::Sink { .. }) {
            let identity = identity(&node.op, &node.schema);
            self.known.entry(identity).or_insert(id);
        }
        if let Some(placeholder) = node.op.collection().and_then(|c| c.0.checked_sub(FIRST_PLACEHOLDER)) {
            self.placeholders = self.placeholders.max(placeholder + 1);
        }
        self.next_node = self.next_node.max(id.0 + 1);
        self.nodes.insert(id, node);
    }

    /// Takes a node out; nothing may read it.
    pub(crate) fn take(&mut self, id: NodeId) -> Option<Node> {
        let node = self.nodes.remove(&id)?;
        let identity = identity(&node.op, &node.schema);
        if self.known.get(&identity) == Some(&id) {
            self.known.remove(&identity);
        }
        Some(node)
    }

    /// An empty circuit whose placeholders don't collide with this one's, for passes that rebuild it.
    pub(crate) fn successor(&self) -> Circuit {
        Circuit { placeholders: self.placeholders, ..Circuit::default() }
    }
}

/// What makes two nodes the same: everything but the collection they write.
fn identity(op: &Op, schema: &Schema) -> Node {
    Node { op: op.clone().with_collection(CollectionId(0)), schema: schema.clone() }
}

fn keyless(columns: Vec<ColumnType>) -> Schema {
    Schema { columns, key: Vec::new() }
}

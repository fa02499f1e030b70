//! A bound query: names resolved, types known, ready to run any number of times.
//!
//! A query's row is a tuple with one slot for each relation of its FROM, so that a join copies pointers and not
//! values. A column is found by how many queries out its relation is, by slot, and by place.

use std::sync::Arc;

use crate::functions::{Eval, SetFunction};
use crate::regex::Regex;
use crate::tables::Table;
use crate::value::Value;

/// A bound expression.
#[derive(Clone)]
pub(super) enum Expr {
    Const(Value),
    Param(usize),
    Column {
        depth: usize,
        slot: usize,
        column: usize,
    },
    /// A relation's row as one value.
    Whole {
        depth: usize,
        slot: usize,
    },
    Call {
        eval: Eval,
        args: Vec<Expr>,
        strict: bool,
    },
    Cast {
        expr: Box<Expr>,
        from: u32,
        to: u32,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    /// `IS TRUE` and `IS FALSE`.
    Is(Box<Expr>, bool),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Distinct(Box<Expr>, Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    Concat(Box<Expr>, Box<Expr>),
    /// Arrays: whether one holds the other, or they share an element.
    Contains(Box<Expr>, Box<Expr>),
    Overlaps(Box<Expr>, Box<Expr>),
    Like {
        text: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        insensitive: bool,
    },
    Matches {
        text: Box<Expr>,
        pattern: Pattern,
        insensitive: bool,
    },
    /// `substring(text from pattern)`: the first group, or the match.
    Extracted {
        text: Box<Expr>,
        pattern: Pattern,
    },
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Box<Expr>,
    },
    Coalesce(Vec<Expr>),
    In(Box<Expr>, Vec<Expr>),
    /// `x op ANY (array)` or `ALL`.
    Quantified {
        op: Comparison,
        left: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    Subscript(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Field(Box<Expr>, usize),
    Array(Vec<Expr>),
    Row(Vec<Expr>),
    Scalar(Arc<Plan>),
    Exists(Arc<Plan>),
    ArrayOf(Arc<Plan>),
    /// `x op ANY (query)`; `IN` is `= ANY`.
    Among {
        op: Comparison,
        left: Box<Expr>,
        plan: Arc<Plan>,
        all: bool,
    },
    /// Results computed for the row beforehand.
    Aggregate(usize),
    Window(usize),
    Set(usize),
}

/// A regular expression, read once where it is a constant.
#[derive(Clone)]
pub(super) enum Pattern {
    Fixed(Arc<Regex>),
    Varying(Box<Expr>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    /// `LIKE` where the escape is the usual one, as with ANY.
    Like {
        negated: bool,
        insensitive: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
}

/// A column of a query or a relation.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) ty: u32,
    /// What a record is made of, where that is known.
    pub(super) fields: Option<Arc<Vec<Output>>>,
}

/// A query.
pub(super) struct Plan {
    /// Tells the queries of a statement apart, for the cache of those that do not depend on where they stand.
    pub(super) id: usize,
    /// Whether its rows depend on the row of a query around it.
    pub(super) correlated: bool,
    pub(super) body: Body,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    pub(super) columns: Vec<Output>,
}

pub(super) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Set {
        op: SetOperation,
        all: bool,
        left: Arc<Plan>,
        right: Arc<Plan>,
    },
    /// `WITH RECURSIVE`: the first rows, and how the next follow from the last.
    Recursive {
        working: usize,
        first: Arc<Plan>,
        next: Arc<Plan>,
        all: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperation {
    Union,
    Intersect,
    Except,
}

/// How rows are sorted: by an output column, or by an expression of the row.
pub(super) struct Order {
    pub(super) key: Key,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

pub(super) enum Key {
    Output(usize),
    Expr(Expr),
}

pub(super) struct Select {
    /// How many columns the relation of each slot has.
    pub(super) widths: Vec<usize>,
    pub(super) from: Option<From>,
    pub(super) filter: Vec<Expr>,
    /// `None` for a query without groups; no expressions for one group of everything.
    pub(super) group: Option<Vec<Expr>>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) having: Option<Expr>,
    pub(super) windows: Vec<Window>,
    pub(super) sets: Vec<SetCall>,
    pub(super) outputs: Vec<Expr>,
    pub(super) distinct: Distinct,
}

pub(super) enum Distinct {
    No,
    All,
    On(Vec<Expr>),
}

/// A tree of FROM.
pub(super) enum From {
    Scan { slot: usize, source: Source, filter: Vec<Expr> },
    Join(Box<Join>),
}

pub(super) struct Join {
    pub(super) left: From,
    pub(super) right: From,
    /// The slots that the right side fills.
    pub(super) slots: std::ops::Range<usize>,
    /// Rows of the left (or right) side without a partner stay.
    pub(super) keep_left: bool,
    pub(super) keep_right: bool,
    /// Equal pairs, by which the right side is found.
    pub(super) keys: Vec<(Expr, Expr)>,
    /// What else must hold for a pair.
    pub(super) on: Vec<Expr>,
    /// Whether the right side depends on the left one's row.
    pub(super) lateral: bool,
}

pub(super) enum Source {
    Table(&'static Table),
    /// A user's relation, by name.
    User(String, Vec<u32>),
    Query(Arc<Plan>),
    Function(SetCall, bool),
    Working(usize),
}

/// A call of a function that gives rows.
pub(super) struct SetCall {
    pub(super) function: SetSource,
    pub(super) args: Vec<Expr>,
    /// Whether a row of several columns is one value.
    pub(super) record: bool,
}

pub(super) enum SetSource {
    Rows(&'static SetFunction),
    /// An ordinary function gives one row.
    Value(Eval),
}

pub(super) struct Aggregate {
    pub(super) kind: AggregateKind,
    pub(super) args: Vec<Expr>,
    pub(super) distinct: bool,
    pub(super) order: Vec<Order>,
    pub(super) filter: Option<Expr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AggregateKind {
    CountAll,
    Count,
    Sum,
    Average,
    Min,
    Max,
    Array,
    Text,
    Every,
    Any,
    Json,
}

pub(super) struct Window {
    pub(super) kind: WindowKind,
    pub(super) partition: Vec<Expr>,
    pub(super) order: Vec<Order>,
}

pub(super) enum WindowKind {
    RowNumber,
    Rank,
    DenseRank,
    /// Over the whole partition, or up to the row's peers where there is an order.
    Aggregate(Aggregate),
}

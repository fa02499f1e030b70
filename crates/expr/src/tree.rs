//! The expression tree: what the planner writes, what circuits carry, what is compiled.
//!
//! It is plain data with every type spelled out: result types are the planner's decision (a decimal's precision
//! and scale above all) and are never inferred again. Operands need not agree exactly: the compiler brings both
//! sides of a comparison to their common type. Trees are equal when they are the same text.

use std::collections::BTreeSet;

use zset::{ColumnType, Datum, Type};

/// The deepest nesting that is compiled or read from text, so that no input exhausts the machine's stack.
pub(crate) const MAX_DEPTH: usize = 500;

/// A typed scalar expression over the columns of one input row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The value of an input column.
    Column {
        /// Position in the input.
        index: u32,
        /// The column's type.
        ty: ColumnType,
    },
    /// A constant.
    Literal {
        /// The value, in the lane of `ty`, or NULL.
        value: Datum,
        /// Its type.
        ty: Type,
    },
    /// An operator with one operand.
    Unary {
        /// Which.
        op: UnaryOp,
        /// The operand.
        arg: Box<Expr>,
    },
    /// An operator with two operands that are both evaluated.
    Binary {
        /// Which.
        op: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// The result's type: `Bool` for comparisons.
        ty: Type,
    },
    /// True when all terms are. A later term is evaluated for rows where no earlier one is false.
    And(Vec<Expr>),
    /// True when one term is. A later term is evaluated for rows where no earlier one is true.
    Or(Vec<Expr>),
    /// The value of the first branch whose condition is true.
    Case {
        /// (condition, value), in order.
        branches: Vec<(Expr, Expr)>,
        /// The value when no condition is true; NULL if absent.
        otherwise: Option<Box<Expr>>,
        /// The type of every value.
        ty: Type,
    },
    /// A conversion.
    Cast {
        /// What is converted.
        arg: Box<Expr>,
        /// To which type.
        ty: Type,
        /// Give NULL where the conversion fails.
        try_cast: bool,
    },
    /// A match against a LIKE pattern.
    Like {
        /// The text.
        arg: Box<Expr>,
        /// The pattern: `%` any run, `_` any one character.
        pattern: Box<Expr>,
        /// The escape character; backslash if absent.
        escape: Option<char>,
        /// NOT LIKE.
        negated: bool,
        /// ILIKE.
        ignore_case: bool,
    },
    /// Membership in a list, with SQL's NULL rules.
    InList {
        /// What is looked for.
        arg: Box<Expr>,
        /// Where.
        list: Vec<Expr>,
        /// NOT IN.
        negated: bool,
    },
    /// A function by name: a built-in one, or one that [`Functions`](crate::Functions) resolves.
    Call {
        /// Its name in DataFusion's spelling.
        function: String,
        /// Its arguments.
        args: Vec<Expr>,
        /// The result's type.
        ty: ColumnType,
    },
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnaryOp {
    /// Logical NOT.
    Not,
    /// Minus.
    Neg,
    /// IS NULL
    IsNull,
    /// IS NOT NULL
    IsNotNull,
    /// IS TRUE
    IsTrue,
    /// IS NOT TRUE
    IsNotTrue,
    /// IS FALSE
    IsFalse,
    /// IS NOT FALSE
    IsNotFalse,
    /// IS UNKNOWN
    IsUnknown,
    /// IS NOT UNKNOWN
    IsNotUnknown,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`: truncating for integers.
    Div,
    /// `%`: the sign of the dividend.
    Rem,
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// IS DISTINCT FROM: two NULLs are the same.
    IsDistinctFrom,
    /// IS NOT DISTINCT FROM
    IsNotDistinctFrom,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `#`
    BitXor,
    /// `<<`: the count is taken modulo the width, as PostgreSQL does.
    Shl,
    /// `>>`: arithmetic.
    Shr,
    /// `||`
    Concat,
}

impl UnaryOp {
    /// All of them.
    pub const ALL: [UnaryOp; 10] = [
        UnaryOp::Not,
        UnaryOp::Neg,
        UnaryOp::IsNull,
        UnaryOp::IsNotNull,
        UnaryOp::IsTrue,
        UnaryOp::IsNotTrue,
        UnaryOp::IsFalse,
        UnaryOp::IsNotFalse,
        UnaryOp::IsUnknown,
        UnaryOp::IsNotUnknown,
    ];

    /// Whether the result is never NULL.
    pub fn is_test(self) -> bool {
        !matches!(self, UnaryOp::Not | UnaryOp::Neg)
    }
}

impl BinaryOp {
    /// All of them.
    pub const ALL: [BinaryOp; 19] = [
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Rem,
        BinaryOp::Eq,
        BinaryOp::NotEq,
        BinaryOp::Lt,
        BinaryOp::LtEq,
        BinaryOp::Gt,
        BinaryOp::GtEq,
        BinaryOp::IsDistinctFrom,
        BinaryOp::IsNotDistinctFrom,
        BinaryOp::BitAnd,
        BinaryOp::BitOr,
        BinaryOp::BitXor,
        BinaryOp::Shl,
        BinaryOp::Shr,
        BinaryOp::Concat,
    ];

    /// Whether the result is a truth value over two operands of one type.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
    }

    /// Whether NULL is a value like any other to it.
    pub fn is_null_safe(self) -> bool {
        matches!(self, BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom)
    }

    /// The comparison with its sides exchanged: `a op b` is `b op.flip() a`. `None` for other operators.
    pub fn flip(self) -> Option<BinaryOp> {
        use BinaryOp::*;
        match self {
            Lt => Some(Gt),
            LtEq => Some(GtEq),
            Gt => Some(Lt),
            GtEq => Some(LtEq),
            Eq | NotEq | IsDistinctFrom | IsNotDistinctFrom => Some(self),
            _ => None,
        }
    }
}

impl Expr {
    /// An input column.
    pub fn column(index: u32, ty: Type, nullable: bool) -> Expr {
        Expr::Column { index, ty: ColumnType { ty, nullable } }
    }

    /// A constant.
    pub fn literal(value: Datum, ty: Type) -> Expr {
        Expr::Literal { value, ty }
    }

    /// An operator with one operand.
    pub fn unary(op: UnaryOp, arg: Expr) -> Expr {
        Expr::Unary { op, arg: Box::new(arg) }
    }

    /// An operator with two operands.
    pub fn binary(op: BinaryOp, left: Expr, right: Expr, ty: Type) -> Expr {
        Expr::Binary { op, left: Box::new(left), right: Box::new(right), ty }
    }

    /// A comparison.
    pub fn compare(op: BinaryOp, left: Expr, right: Expr) -> Expr {
        Expr::binary(op, left, right, Type::Bool)
    }

    /// A conversion that fails where it cannot be done.
    pub fn cast(arg: Expr, ty: Type) -> Expr {
        Expr::Cast { arg: Box::new(arg), ty, try_cast: false }
    }

    /// A function call.
    pub fn call(function: &str, args: Vec<Expr>, ty: Type, nullable: bool) -> Expr {
        Expr::Call { function: function.to_string(), args, ty: ColumnType { ty, nullable } }
    }

    /// The type of the value, and whether it can be NULL.
    pub fn column_type(&self) -> ColumnType {
        let any = |exprs: &[Expr]| exprs.iter().any(|e| e.column_type().nullable);
        let (ty, nullable) = match self {
            Expr::Column { ty, .. } | Expr::Call { ty, .. } => return *ty,
            Expr::Literal { value, ty } => (*ty, *value == Datum::Null),
            Expr::Unary { op, .. } if op.is_test() => (Type::Bool, false),
            Expr::Unary { arg, .. } => return arg.column_type(),
            Expr::Binary { op, left, right, ty } => {
                let either = || left.column_type().nullable || right.column_type().nullable;
                (*ty, !op.is_null_safe() && either())
            }
            Expr::And(terms) | Expr::Or(terms) => (Type::Bool, any(terms)),
            Expr::Case { branches, otherwise, ty } => {
                let last = otherwise.as_ref().is_none_or(|e| e.column_type().nullable);
                (*ty, last || branches.iter().any(|(_, value)| value.column_type().nullable))
            }
            Expr::Cast { arg, ty, try_cast } => (*ty, *try_cast || arg.column_type().nullable),
            Expr::Like { arg, pattern, .. } => {
                (Type::Bool, arg.column_type().nullable || pattern.column_type().nullable)
            }
            Expr::InList { arg, list, .. } => {
                (Type::Bool, !list.is_empty() && (arg.column_type().nullable || any(list)))
            }
        };
        ColumnType { ty, nullable }
    }

    /// Whether this is a constant.
    pub fn is_literal(&self) -> bool {
        matches!(self, Expr::Literal { .. })
    }

    /// Whether it nests deeper than `limit` levels.
    pub(crate) fn is_deeper_than(&self, limit: usize) -> bool {
        let mut deeper = limit == 0;
        if !deeper {
            self.for_children(&mut |child| deeper = deeper || child.is_deeper_than(limit - 1));
        }
        deeper
    }

    /// The input columns it reads.
    pub fn columns(&self) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        self.visit(&mut |e| {
            if let Expr::Column { index, .. } = e {
                found.insert(*index);
            }
        });
        found
    }

    /// The same expression over an input whose column `i` stands at `place(i)`.
    pub fn map_columns(&self, mut place: impl FnMut(u32) -> u32) -> Expr {
        self.rewrite(&mut |e| match e {
            Expr::Column { index, ty } => Expr::Column { index: place(index), ty },
            other => other,
        })
    }

    /// The expression with every column `i` replaced by `inputs[i]`: this one after a map that computes them.
    /// Columns beyond `inputs` stay.
    pub fn substitute(&self, inputs: &[Expr]) -> Expr {
        self.rewrite(&mut |e| match &e {
            Expr::Column { index, .. } => inputs.get(*index as usize).cloned().unwrap_or(e),
            _ => e,
        })
    }

    /// Calls `f` on this node and all below it, parents first.
    pub fn visit(&self, f: &mut impl FnMut(&Expr)) {
        f(self);
        self.for_children(&mut |child| child.visit(f));
    }

    /// Calls `f` on each direct operand, in the order of evaluation.
    pub fn for_children(&self, f: &mut dyn FnMut(&Expr)) {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => {}
            Expr::Unary { arg, .. } | Expr::Cast { arg, .. } => f(arg),
            Expr::Binary { left, right, .. } => {
                f(left);
                f(right);
            }
            Expr::And(args) | Expr::Or(args) | Expr::Call { args, .. } => {
                args.iter().for_each(f);
            }
            Expr::Case { branches, otherwise, .. } => {
                for (condition, value) in branches {
                    f(condition);
                    f(value);
                }
                otherwise.iter().for_each(|e| f(e));
            }
            Expr::Like { arg, pattern, .. } => {
                f(arg);
                f(pattern);
            }
            Expr::InList { arg, list, .. } => {
                f(arg);
                list.iter().for_each(f);
            }
        }
    }

    /// Rebuilds the tree bottom-up: `f` receives each node with its operands already rebuilt.
    pub fn rewrite(&self, f: &mut impl FnMut(Expr) -> Expr) -> Expr {
        let rebuilt = self.clone().map_children(&mut |child| child.rewrite(f));
        f(rebuilt)
    }

    fn map_children(self, f: &mut impl FnMut(&Expr) -> Expr) -> Expr {
        let mut boxed = |e: Box<Expr>| Box::new(f(&e));
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => self,
            Expr::Unary { op, arg } => Expr::Unary { op, arg: boxed(arg) },
            Expr::Cast { arg, ty, try_cast } => Expr::Cast { arg: boxed(arg), ty, try_cast },
            Expr::Binary { op, left, right, ty } => {
                Expr::Binary { op, left: boxed(left), right: boxed(right), ty }
            }
            Expr::And(terms) => Expr::And(terms.iter().map(f).collect()),
            Expr::Or(terms) => Expr::Or(terms.iter().map(f).collect()),
            Expr::Case { branches, otherwise, ty } => Expr::Case {
                branches: branches.iter().map(|(c, v)| (f(c), f(v))).collect(),
                otherwise: otherwise.map(|e| Box::new(f(&e))),
                ty,
            },
            Expr::Like { arg, pattern, escape, negated, ignore_case } => {
                Expr::Like { arg: boxed(arg), pattern: boxed(pattern), escape, negated, ignore_case }
            }
            Expr::InList { arg, list, negated } => {
                Expr::InList { arg: boxed(arg), list: list.iter().map(f).collect(), negated }
            }
            Expr::Call { function, args, ty } => {
                Expr::Call { function, args: args.iter().map(f).collect(), ty }
            }
        }
    }
}

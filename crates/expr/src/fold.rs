//! Constant folding: what depends on no row is evaluated once, when the program is compiled.
//!
//! An expression that fails is left as it is, so that its error arises only for a row that needs the value, and
//! never where no row does. So is what would come to a large value: a program is kept, and written down, where its
//! values come and go. Functions from outside are left too: they may answer differently each time.

use zset::{Datum, Type};

use crate::compile::compile;
use crate::error::ExprError;
use crate::function::{Functions, NoFunctions};
use crate::interpret::Scratch;
use crate::program::Program;
use crate::tree::{Expr, MAX_DEPTH};
use zset::ColumnType;

/// The bytes of the largest value that takes its expression's place.
pub const LARGEST_FOLDED: usize = 1 << 20;

impl Program {
    /// Compiles expressions over rows of `inputs`; functions that are not built in come from `functions`.
    pub fn compile(
        exprs: &[Expr],
        inputs: &[ColumnType],
        functions: &dyn Functions,
    ) -> Result<Program, ExprError> {
        if exprs.iter().any(|expr| expr.is_deeper_than(MAX_DEPTH)) {
            return Err(ExprError::TooLarge { limit: MAX_DEPTH });
        }
        let folded: Vec<Expr> = exprs.iter().map(Expr::folded).collect();
        compile(&folded, inputs, functions)
    }
}

impl Expr {
    /// The same expression with every part that is constant and does not fail replaced by its value.
    pub fn folded(&self) -> Expr {
        self.rewrite(&mut |node| fold_node(&node).unwrap_or(node))
    }
}

/// The value of a node whose operands are all constants.
fn fold_node(node: &Expr) -> Option<Expr> {
    if matches!(node, Expr::Literal { .. } | Expr::Column { .. }) {
        return None;
    }
    let mut constant = true;
    node.for_children(&mut |child| constant &= child.is_literal());
    if !constant {
        return None;
    }
    let ty: Type = node.column_type().ty;
    let program = compile(std::slice::from_ref(node), &[], &NoFunctions).ok()?;
    let result = program.eval(&[], 1, &mut Scratch::default()).ok()?;
    let value = result.first()?.get_as(0, ty);
    let large = match &value {
        Datum::Text(text) => text.len() > LARGEST_FOLDED,
        Datum::Bytes(bytes) => bytes.len() > LARGEST_FOLDED,
        _ => false,
    };
    (!large).then(|| Expr::literal(value, ty))
}

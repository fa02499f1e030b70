//! Compiled expressions over rows whose columns are loaded when they are needed.
//!
//! An operator says how a column is got (decoded, gathered, shared); only the columns that an expression
//! reads are. An expression that is nothing but a column is that column, without a trip through the
//! interpreter.

use std::sync::Arc;

use expr::{EvalError, Expr, ExprError, Functions, Program, Scratch};
use zset::{ColumnType, Lane, Vector};

/// How an operator gets a column of its rows.
pub(crate) type Load<'a> = &'a mut dyn FnMut(u32) -> Arc<Vector>;

/// A compiled condition.
#[derive(Debug)]
pub(crate) struct Predicate {
    program: Program,
    used: Vec<u32>,
    width: usize,
}

impl Predicate {
    pub(crate) fn compile(
        expr: &Expr,
        input: &[ColumnType],
        functions: &dyn Functions,
    ) -> Result<Predicate, ExprError> {
        let program = Program::compile(std::slice::from_ref(expr), input, functions)?;
        Ok(Predicate { program, used: expr.columns().into_iter().collect(), width: input.len() })
    }

    /// The columns it reads.
    pub(crate) fn used(&self) -> &[u32] {
        &self.used
    }

    /// The rows for which it is true.
    pub(crate) fn select(
        &self,
        rows: usize,
        load: Load<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, EvalError> {
        let columns = Loaded::new(self.width, &self.used, load);
        self.program.select(&columns.refs(), rows, scratch)
    }
}

/// Compiled output columns.
#[derive(Debug)]
pub(crate) struct Projection {
    outputs: Vec<Output>,
    program: Option<Program>,
    /// The columns that computed outputs read.
    used: Vec<u32>,
    width: usize,
}

#[derive(Debug)]
enum Output {
    /// This column of the input.
    Column(u32),
    /// The next result of the program.
    Computed,
}

impl Projection {
    pub(crate) fn compile(
        exprs: &[Expr],
        input: &[ColumnType],
        functions: &dyn Functions,
    ) -> Result<Projection, ExprError> {
        let computed: Vec<Expr> =
            exprs.iter().filter(|e| !matches!(e, Expr::Column { .. })).cloned().collect();
        let outputs = exprs.iter().map(|expr| match expr {
            Expr::Column { index, .. } => Output::Column(*index),
            _ => Output::Computed,
        });
        let mut used: Vec<u32> = computed.iter().flat_map(Expr::columns).collect();
        used.sort_unstable();
        used.dedup();
        let program =
            if computed.is_empty() { None } else { Some(Program::compile(&computed, input, functions)?) };
        Ok(Projection { outputs: outputs.collect(), program, used, width: input.len() })
    }

    /// The columns it reads, computed or passed on.
    pub(crate) fn used(&self) -> Vec<u32> {
        let passed = self.outputs.iter().filter_map(|output| match output {
            Output::Column(column) => Some(*column),
            Output::Computed => None,
        });
        let mut used: Vec<u32> = passed.chain(self.used.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The input columns that the outputs are, if they are nothing else.
    pub(crate) fn as_columns(&self) -> Option<Vec<u32>> {
        self.outputs
            .iter()
            .map(|output| match output {
                Output::Column(column) => Some(*column),
                Output::Computed => None,
            })
            .collect()
    }

    /// The output columns of `rows` rows.
    pub(crate) fn eval(
        &self,
        rows: usize,
        load: Load<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Arc<Vector>>, EvalError> {
        let mut columns = Loaded::new(self.width, &self.used, load);
        let computed = match &self.program {
            Some(program) => program.eval(&columns.refs(), rows, scratch)?,
            None => Vec::new(),
        };
        let mut computed = computed.into_iter();
        let outputs = self.outputs.iter().map(|output| match output {
            Output::Column(column) => columns.get(*column, load),
            // The program has one result for each computed output.
            Output::Computed => Arc::new(computed.next().unwrap_or_else(|| Vector::new(Lane::Bool))),
        });
        Ok(outputs.collect())
    }
}

/// The columns of some rows that were loaded so far.
struct Loaded {
    columns: Vec<Option<Arc<Vector>>>,
    blank: Vector,
}

impl Loaded {
    fn new(width: usize, used: &[u32], load: Load<'_>) -> Loaded {
        let mut columns = vec![None; width];
        used.iter().for_each(|&column| columns[column as usize] = Some(load(column)));
        Loaded { columns, blank: Vector::new(Lane::Bool) }
    }

    /// What the interpreter takes: all columns, blank where it reads nothing.
    fn refs(&self) -> Vec<&Vector> {
        self.columns.iter().map(|column| column.as_deref().unwrap_or(&self.blank)).collect()
    }

    fn get(&mut self, column: u32, load: Load<'_>) -> Arc<Vector> {
        let slot = &mut self.columns[column as usize];
        Arc::clone(slot.get_or_insert_with(|| load(column)))
    }
}

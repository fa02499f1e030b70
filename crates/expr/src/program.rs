//! The bytecode: a typed stack machine over column slices.
//!
//! Each instruction takes its operands from the stack and pushes one column. Arithmetic, comparison and logic are
//! instructions with their types decided; every other function is a `call` of a kernel prepared when the program
//! was compiled. Control flow narrows the *active rows*: a guard makes a term of AND or OR, and a frame makes a
//! branch of CASE or COALESCE, see only the rows that need it, and jumps over it when none does.

use std::fmt;
use std::sync::Arc;

use zset::{ColumnType, Datum, Lane, Type};

use crate::decimal::Shape;
use crate::frame::Kernel;
use crate::function::ScalarFunction;
use crate::kernels::arithmetic::{DecimalPath, Width};
use crate::tree::{BinaryOp, UnaryOp};

/// Compiled expressions over one input: immutable, and shared freely between threads.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) inputs: Vec<ColumnType>,
    pub(crate) outputs: Vec<Type>,
    pub(crate) used: Vec<u32>,
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) constants: Vec<(Datum, Type)>,
    pub(crate) functions: Vec<Function>,
    pub(crate) registers: usize,
}

/// A place in a program.
pub(crate) type Label = u32;

/// One step. The comment shows the stack, top last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Instruction {
    /// `→ column`
    Column(u32),
    /// `→ constant`
    Constant(u32),
    /// `→ value` of a register
    Load(u32),
    /// `value → value`, kept in a register too
    Store(u32),
    /// `a b → a op b`
    Integer(BinaryOp, Width),
    /// `a b → a op b`; rounded to REAL where set
    Float(BinaryOp, bool),
    /// `a b → a op b`
    Decimal(BinaryOp, Shape, DecimalPath),
    /// `a b → a op b`
    Compare(BinaryOp, Lane),
    /// `a b → a AND b`
    And,
    /// `a b → a OR b`
    Or,
    /// `a → NOT a`
    Not,
    /// `a → a IS …`
    Test(UnaryOp),
    /// `a → a`: from here only rows where `a` is not the deciding value are active; jumps if there are none.
    Guard { decisive: bool, end: Label },
    /// Ends a guard.
    Unguard,
    /// Opens a frame: every active row has yet to choose a value.
    Choose,
    /// `condition →`: rows where it is true choose the next value and alone are active; jumps if there are none.
    When { next: Label },
    /// `value → value`: ends a branch; jumps if every row has chosen.
    Then { end: Label },
    /// All rows left choose the next value.
    Otherwise,
    /// `value → value`: rows where it is not NULL choose it; jumps if every row has chosen.
    Present { end: Label },
    /// `values… → value`: closes the frame.
    Assemble(Lane),
    /// `arguments… → result`
    Call(u32),
}

/// A function of the program: what a `call` runs.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) args: Vec<Type>,
    pub(crate) result: Type,
    pub(crate) strict: bool,
    pub(crate) body: Body,
}

/// Where a function's code is.
#[derive(Clone)]
pub(crate) enum Body {
    /// In this crate: it knows which rows are active.
    Kernel(Kernel),
    /// Beyond [`Functions`](crate::Functions): it is given the active rows only.
    External(Arc<dyn ScalarFunction>),
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Program {
    /// The types of the results, in the order of the expressions.
    pub fn outputs(&self) -> &[Type] {
        &self.outputs
    }

    /// The types of the input columns.
    pub fn inputs(&self) -> &[ColumnType] {
        &self.inputs
    }

    /// The input columns it reads, ascending; the others may be passed empty.
    pub fn used_columns(&self) -> &[u32] {
        &self.used
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (nth, ty) in self.args.iter().enumerate() {
            write!(f, "{}{ty}", if nth > 0 { ", " } else { "" })?;
        }
        write!(f, ") {}", self.result)
    }
}

/// One line an instruction, numbered.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instruction) in self.instructions.iter().enumerate() {
            write!(f, "{at:4}  ")?;
            self.show(*instruction, f)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Program {
    fn show(&self, instruction: Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |op: BinaryOp| format!("{op:?}").to_lowercase();
        match instruction {
            Instruction::Column(index) => match self.inputs.get(index as usize) {
                Some(ty) => write!(f, "column {index} {}", ty.ty),
                None => write!(f, "column {index}, missing"),
            },
            Instruction::Constant(index) => match self.constants.get(index as usize) {
                Some((Datum::Null, ty)) => write!(f, "constant NULL {ty}"),
                Some((value, ty)) => write!(f, "constant {:?} {ty}", value.display(*ty).to_string()),
                None => write!(f, "constant, missing"),
            },
            Instruction::Load(register) => write!(f, "load r{register}"),
            Instruction::Store(register) => write!(f, "store r{register}"),
            Instruction::Integer(op, width) => write!(f, "{} {}", name(op), width.name()),
            Instruction::Float(op, single) => {
                write!(f, "{} {}", name(op), if single { "real" } else { "double" })
            }
            Instruction::Decimal(op, shape, path) => {
                write!(f, "{} decimal({},{})", name(op), shape.precision, shape.scale)?;
                match path {
                    DecimalPath::Narrow(..) => write!(f, " in 64 bits"),
                    DecimalPath::Widening => write!(f, " widening"),
                    DecimalPath::Wide => write!(f, " in 128 bits"),
                    DecimalPath::General => Ok(()),
                }
            }
            Instruction::Compare(op, lane) => write!(f, "{} {lane:?}", name(op)),
            Instruction::And => write!(f, "and"),
            Instruction::Or => write!(f, "or"),
            Instruction::Not => write!(f, "not"),
            Instruction::Test(op) => write!(f, "{}", format!("{op:?}").to_lowercase()),
            Instruction::Guard { decisive, end } => write!(f, "guard unless {decisive} else {end}"),
            Instruction::Unguard => write!(f, "unguard"),
            Instruction::Choose => write!(f, "choose"),
            Instruction::When { next } => write!(f, "when else {next}"),
            Instruction::Then { end } => write!(f, "then end {end}"),
            Instruction::Otherwise => write!(f, "otherwise"),
            Instruction::Present { end } => write!(f, "present end {end}"),
            Instruction::Assemble(lane) => write!(f, "assemble {lane:?}"),
            Instruction::Call(index) => match self.functions.get(index as usize) {
                Some(function) => write!(f, "call {function}"),
                None => write!(f, "call, missing"),
            },
        }
    }
}

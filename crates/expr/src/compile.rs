//! From the tree to bytecode: types are checked, operands brought to common types, lazy parts laid out with jumps.
//!
//! Code is emitted in the order in which a row would be evaluated, operand by operand, conversions right behind
//! what they convert; this order decides which error is reported for a row. A subexpression that occurs more than
//! once is kept in a register at its first occurrence, if that is one that every row evaluates.

use std::collections::HashMap;

use zset::{ColumnType, Datum, Lane, Type};

use crate::builtins::{self, Form, Prepared, Signature};
use crate::cast::{self, width};
use crate::common::{common_type, digits, refit};
use crate::decimal::{Shape, fits};
use crate::error::ExprError;
use crate::frame::{Kernel, kernel};
use crate::function::Functions;
use crate::kernels::arithmetic::DecimalPath;
use crate::kernels::membership::{self, Set};
use crate::kernels::{compare, temporal};
use crate::like::Pattern;
use crate::number_fn::narrow;
use crate::program::{Body, Function, Instruction, Program};
use crate::tree::{BinaryOp, Expr, MAX_DEPTH, UnaryOp};

/// Branches of one CASE, and values of one frame, at most: they are numbered with 16 bits.
const MAX_BRANCHES: usize = 60_000;

/// Compiles expressions as they stand.
pub(crate) fn compile(
    exprs: &[Expr],
    inputs: &[ColumnType],
    functions: &dyn Functions,
) -> Result<Program, ExprError> {
    let mut compiler = Compiler::new(inputs, functions);
    for expr in exprs {
        if expr.is_deeper_than(MAX_DEPTH) {
            return Err(ExprError::TooLarge { limit: MAX_DEPTH });
        }
        compiler.count(expr);
    }
    for expr in exprs {
        let ty = compiler.expr(expr)?;
        compiler.program.outputs.push(ty);
    }
    let mut program = compiler.program;
    program.used.sort_unstable();
    program.used.dedup();
    Ok(program)
}

struct Compiler<'a> {
    program: Program,
    functions: &'a dyn Functions,
    /// Guards and frames around the code being emitted: above zero, not every row gets there.
    conditional: usize,
    /// How often a subexpression occurs.
    occurrences: HashMap<Expr, u32>,
    /// Where a subexpression's value is kept.
    kept: HashMap<Expr, (u32, Type)>,
}

impl<'a> Compiler<'a> {
    fn new(inputs: &[ColumnType], functions: &'a dyn Functions) -> Compiler<'a> {
        let program = Program {
            inputs: inputs.to_vec(),
            outputs: vec![],
            used: vec![],
            instructions: vec![],
            constants: vec![],
            functions: vec![],
            registers: 0,
        };
        Compiler { program, functions, conditional: 0, occurrences: HashMap::new(), kept: HashMap::new() }
    }

    /// Counts the subexpressions that can be kept; says whether this one can.
    fn count(&mut self, expr: &Expr) -> bool {
        let mut keepable = true;
        expr.for_children(&mut |child| keepable &= self.count(child));
        match expr {
            Expr::Column { .. } | Expr::Literal { .. } => return keepable,
            // A function from outside may answer differently each time.
            Expr::Call { function, .. } if builtins::find(function).is_none() => return false,
            _ => {}
        }
        if keepable {
            *self.occurrences.entry(expr.clone()).or_default() += 1;
        }
        keepable
    }

    fn emit(&mut self, instruction: Instruction) -> usize {
        self.program.instructions.push(instruction);
        self.program.instructions.len() - 1
    }

    /// Where the next instruction will stand.
    fn here(&self) -> u32 {
        self.program.instructions.len() as u32
    }

    fn register(&mut self) -> u32 {
        self.program.registers += 1;
        self.program.registers as u32 - 1
    }

    fn constant(&mut self, value: Datum, ty: Type) {
        let constants = &mut self.program.constants;
        let same = |(has, of): &(Datum, Type)| *has == value && *of == ty;
        let index = constants.iter().position(same).unwrap_or_else(|| {
            constants.push((value, ty));
            constants.len() - 1
        });
        self.emit(Instruction::Constant(index as u32));
    }

    fn call(&mut self, name: &str, args: &[Type], result: Type, strict: bool, body: Body) {
        let args = args.to_vec();
        self.program.functions.push(Function { name: name.to_string(), args, result, strict, body });
        self.emit(Instruction::Call(self.program.functions.len() as u32 - 1));
    }

    /// Emits code that leaves the value of `expr` on the stack; says of which type it is.
    fn expr(&mut self, expr: &Expr) -> Result<Type, ExprError> {
        if let Some(&(register, ty)) = self.kept.get(expr) {
            self.emit(Instruction::Load(register));
            return Ok(ty);
        }
        let ty = self.node(expr)?;
        if self.conditional == 0 && self.occurrences.get(expr).is_some_and(|count| *count > 1) {
            let register = self.register();
            self.emit(Instruction::Store(register));
            self.kept.insert(expr.clone(), (register, ty));
        }
        Ok(ty)
    }

    fn node(&mut self, expr: &Expr) -> Result<Type, ExprError> {
        match expr {
            Expr::Column { index, ty } => self.column(*index, ty.ty),
            Expr::Literal { value, ty } => self.literal(value, *ty),
            Expr::Unary { op: UnaryOp::Neg, arg } => self.negate(arg),
            Expr::Unary { op, arg } => self.unary(*op, arg),
            Expr::Binary { op, left, right, ty } => self.binary(*op, left, right, *ty),
            Expr::And(terms) => self.terms(terms, false),
            Expr::Or(terms) => self.terms(terms, true),
            Expr::Case { branches, otherwise, ty } => self.case(branches, otherwise.as_deref(), *ty),
            Expr::Cast { arg, ty, try_cast } => self.converted(arg, *ty, *try_cast),
            Expr::Like { arg, pattern, escape, negated, ignore_case } => {
                self.like(arg, pattern, escape.unwrap_or('\\'), *negated, *ignore_case)
            }
            Expr::InList { arg, list, negated } => self.in_list(arg, list, *negated),
            Expr::Call { function, args, ty } => self.function(function, args, ty.ty),
        }
    }

    fn column(&mut self, index: u32, ty: Type) -> Result<Type, ExprError> {
        let message = match self.program.inputs.get(index as usize) {
            Some(has) if has.ty == ty => {
                self.program.used.push(index);
                self.emit(Instruction::Column(index));
                return Ok(ty);
            }
            Some(has) => format!("is {}, not {ty}", has.ty),
            None => format!("the input has {} columns", self.program.inputs.len()),
        };
        Err(ExprError::Column { index, message })
    }

    fn literal(&mut self, value: &Datum, ty: Type) -> Result<Type, ExprError> {
        let value = match (value, ty) {
            (Datum::Int(value), ty) if ty.lane() == Lane::I128 => Datum::Wide(i128::from(*value)),
            (Datum::Float(value), ty) => Datum::Float(narrow(*value, ty == Type::Float32)),
            (value, _) => value.clone(),
        };
        // Kernels rely on every slot being a value of its type.
        let sound = match (&value, ty) {
            (Datum::Text(_), ty) => ty == Type::Text,
            (Datum::Bytes(_), ty) => ty == Type::Bytes,
            (Datum::Int(value), Type::Decimal { precision, .. }) => fits(i128::from(*value), precision),
            (Datum::Wide(value), Type::Decimal { precision, .. }) => fits(*value, precision),
            (Datum::Int(value), ty) if width(ty).is_some_and(|width| width.checked(*value).is_none()) => {
                false
            }
            (value, ty) => value.lane().is_none_or(|lane| lane == ty.lane()),
        };
        if !sound {
            return Err(ExprError::Type {
                operator: "constant".into(),
                operands: format!("{value:?} as {ty}"),
            });
        }
        self.constant(value, ty);
        Ok(ty)
    }

    /// As `expr`, converted to `ty`.
    fn coerced(&mut self, expr: &Expr, ty: Type) -> Result<(), ExprError> {
        self.converted(expr, ty, false).map(|_| ())
    }

    fn converted(&mut self, expr: &Expr, ty: Type, try_cast: bool) -> Result<Type, ExprError> {
        if is_null_literal(expr) {
            self.constant(Datum::Null, ty);
            return Ok(ty);
        }
        let from = self.expr(expr)?;
        self.convert(from, ty, try_cast)
    }

    /// Converts the value on top of the stack.
    fn convert(&mut self, from: Type, ty: Type, try_cast: bool) -> Result<Type, ExprError> {
        if !cast::is_same(from, ty) {
            let kernel = cast::prepare(from, ty, try_cast).ok_or_else(|| type_error("CAST", &[from, ty]))?;
            let name = if try_cast { "try_cast" } else { "cast" };
            self.call(name, &[from], ty, true, Body::Kernel(kernel));
        }
        Ok(ty)
    }

    fn condition(&mut self, expr: &Expr) -> Result<(), ExprError> {
        match expr.column_type().ty {
            ty if ty != Type::Bool && !is_null_literal(expr) => Err(type_error("condition", &[ty])),
            _ => self.coerced(expr, Type::Bool),
        }
    }

    fn unary(&mut self, op: UnaryOp, arg: &Expr) -> Result<Type, ExprError> {
        match op {
            UnaryOp::IsNull | UnaryOp::IsNotNull => {
                self.expr(arg)?;
            }
            _ => self.condition(arg)?,
        }
        self.emit(if op == UnaryOp::Not { Instruction::Not } else { Instruction::Test(op) });
        Ok(Type::Bool)
    }

    /// Minus: zero minus a number, for a float minus one times it (zero has a sign there).
    fn negate(&mut self, arg: &Expr) -> Result<Type, ExprError> {
        let ty = arg.column_type().ty;
        match ty {
            Type::Interval => {
                self.coerced(arg, ty)?;
                self.call("negate", &[ty], ty, true, Body::Kernel(kernel(temporal::negate)));
                return Ok(ty);
            }
            Type::Float32 | Type::Float64 => {
                self.constant(Datum::Float(-1.0), Type::Float64);
                self.coerced(arg, ty)?;
                self.emit(Instruction::Float(BinaryOp::Mul, ty == Type::Float32));
                return Ok(ty);
            }
            _ => {}
        }
        let zero = if ty.lane() == Lane::I128 { Datum::Wide(0) } else { Datum::Int(0) };
        self.binary(BinaryOp::Sub, &Expr::literal(zero, ty), arg, ty)
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, ty: Type) -> Result<Type, ExprError> {
        if op.is_comparison() {
            return self.compare(op, left, right);
        }
        if op == BinaryOp::Concat {
            return self.concat(left, right, ty);
        }
        let (from_left, from_right) = (left.column_type().ty, right.column_type().ty);
        let plan = plan_arithmetic(op, from_left, from_right, ty)
            .ok_or_else(|| type_error(&format!("{op:?}"), &[from_left, from_right, ty]))?;
        self.coerced(left, plan.left)?;
        self.coerced(right, plan.right)?;
        match plan.step {
            Step::Instruction(instruction) => {
                self.emit(instruction);
            }
            Step::Kernel(body) => {
                let name = format!("{op:?}").to_lowercase();
                self.call(&name, &[plan.left, plan.right], ty, true, Body::Kernel(body));
            }
        }
        Ok(ty)
    }

    /// `||`: of byte strings, or of anything as text.
    fn concat(&mut self, left: &Expr, right: &Expr, ty: Type) -> Result<Type, ExprError> {
        let (from_left, from_right) = (left.column_type().ty, right.column_type().ty);
        if !matches!(ty, Type::Text | Type::Bytes) {
            return Err(type_error("||", &[from_left, from_right, ty]));
        }
        self.coerced(left, ty)?;
        self.coerced(right, ty)?;
        let body = kernel(|frame| {
            let (left, right) = (frame.texts(0), frame.texts(1));
            frame.each_text(|row, out| {
                out.extend_from_slice(left.bytes(row));
                out.extend_from_slice(right.bytes(row));
                Ok(())
            })
        });
        self.call("concat", &[ty, ty], ty, true, Body::Kernel(body));
        Ok(ty)
    }

    fn compare(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<Type, ExprError> {
        let (from_left, from_right) = (left.column_type().ty, right.column_type().ty);
        let moved_right = moved(right, from_left);
        let moved_left = if moved_right.is_none() { moved(left, from_right) } else { None };
        let (left, right) = (moved_left.as_ref().unwrap_or(left), moved_right.as_ref().unwrap_or(right));
        let (from_left, from_right) = (left.column_type().ty, right.column_type().ty);
        if let Some(common) = common_type(from_left, from_right) {
            self.coerced(left, common)?;
            self.coerced(right, common)?;
            self.emit(Instruction::Compare(op, common.lane()));
            return Ok(Type::Bool);
        }
        let (Some((_, left_scale)), Some((_, right_scale))) = (digits(from_left), digits(from_right)) else {
            return Err(type_error(&format!("{op:?}"), &[from_left, from_right]));
        };
        self.expr(left)?;
        self.expr(right)?;
        let body = kernel(move |frame| compare::decimals(op, left_scale, right_scale, frame));
        let name = format!("{op:?}").to_lowercase();
        self.call(&name, &[from_left, from_right], Type::Bool, !op.is_null_safe(), Body::Kernel(body));
        Ok(Type::Bool)
    }

    /// AND, or OR where the deciding value is true.
    fn terms(&mut self, terms: &[Expr], decisive: bool) -> Result<Type, ExprError> {
        let Some((first, rest)) = terms.split_first() else {
            self.constant(Datum::Bool(!decisive), Type::Bool);
            return Ok(Type::Bool);
        };
        self.condition(first)?;
        for term in rest {
            self.term(decisive, !is_cheap(term), |compiler| compiler.condition(term))?;
        }
        Ok(Type::Bool)
    }

    /// Combines the value on the stack with a term, behind a guard where it may fail or costs more than the guard.
    fn term(
        &mut self,
        decisive: bool,
        guarded: bool,
        emit: impl FnOnce(&mut Self) -> Result<(), ExprError>,
    ) -> Result<(), ExprError> {
        let combine = if decisive { Instruction::Or } else { Instruction::And };
        if !guarded {
            emit(self)?;
            self.emit(combine);
            return Ok(());
        }
        let guard = self.emit(Instruction::Guard { decisive, end: 0 });
        self.conditional += 1;
        emit(self)?;
        self.conditional -= 1;
        self.emit(Instruction::Unguard);
        self.emit(combine);
        let end = self.here();
        self.program.instructions[guard] = Instruction::Guard { decisive, end };
        Ok(())
    }

    fn case(
        &mut self,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        ty: Type,
    ) -> Result<Type, ExprError> {
        if branches.len() > MAX_BRANCHES {
            return Err(ExprError::TooLarge { limit: MAX_BRANCHES });
        }
        self.emit(Instruction::Choose);
        self.conditional += 1;
        let mut ends = vec![];
        for (condition, value) in branches {
            self.condition(condition)?;
            let when = self.emit(Instruction::When { next: 0 });
            self.coerced(value, ty)?;
            ends.push(self.emit(Instruction::Then { end: 0 }));
            let next = self.here();
            self.program.instructions[when] = Instruction::When { next };
        }
        if let Some(value) = otherwise {
            self.emit(Instruction::Otherwise);
            self.coerced(value, ty)?;
        }
        self.close(ends, ty);
        Ok(ty)
    }

    /// Ends a frame: its branches jump here once every row has chosen.
    fn close(&mut self, ends: Vec<usize>, ty: Type) {
        self.conditional -= 1;
        let end = self.here();
        for at in ends {
            match &mut self.program.instructions[at] {
                Instruction::Then { end: target } | Instruction::Present { end: target } => *target = end,
                _ => {}
            }
        }
        self.emit(Instruction::Assemble(ty.lane()));
    }

    fn coalesce(&mut self, args: &[Expr], ty: Type) -> Result<Type, ExprError> {
        if args.len() > MAX_BRANCHES {
            return Err(ExprError::TooLarge { limit: MAX_BRANCHES });
        }
        self.emit(Instruction::Choose);
        self.conditional += 1;
        let mut ends = vec![];
        for arg in args {
            self.coerced(arg, ty)?;
            ends.push(self.emit(Instruction::Present { end: 0 }));
        }
        self.close(ends, ty);
        Ok(ty)
    }

    fn nullif(&mut self, args: &[Expr], ty: Type) -> Result<Type, ExprError> {
        let [value, other] = args else {
            return Err(ExprError::Function { name: "nullif".into(), message: "takes two arguments".into() });
        };
        let (from, to) = (value.column_type().ty, other.column_type().ty);
        let moved = moved(other, from);
        let other = moved.as_ref().unwrap_or(other);
        let common =
            common_type(from, other.column_type().ty).ok_or_else(|| type_error("nullif", &[from, to]))?;
        let register = self.register();
        self.emit(Instruction::Choose);
        self.conditional += 1;
        self.coerced(value, from)?;
        self.emit(Instruction::Store(register));
        self.convert(from, common, false)?;
        self.coerced(other, common)?;
        self.emit(Instruction::Compare(BinaryOp::Eq, common.lane()));
        let when = self.emit(Instruction::When { next: 0 });
        self.constant(Datum::Null, ty);
        let then = self.emit(Instruction::Then { end: 0 });
        let next = self.here();
        self.program.instructions[when] = Instruction::When { next };
        self.emit(Instruction::Otherwise);
        self.emit(Instruction::Load(register));
        self.convert(from, ty, false)?;
        self.close(vec![then], ty);
        Ok(ty)
    }

    fn like(
        &mut self,
        arg: &Expr,
        pattern: &Expr,
        escape: char,
        negated: bool,
        ignore_case: bool,
    ) -> Result<Type, ExprError> {
        let (text, pattern_type) = (arg.column_type().ty, pattern.column_type().ty);
        if text != Type::Text || pattern_type != Type::Text {
            return Err(type_error("LIKE", &[text, pattern_type]));
        }
        self.coerced(arg, Type::Text)?;
        let name = if ignore_case { "ilike" } else { "like" };
        if let Expr::Literal { value: Datum::Text(text), .. } = pattern {
            // A malformed pattern is an error only for the rows that reach it.
            if let Ok(pattern) = Pattern::compile(text, escape, ignore_case) {
                let body = kernel(move |frame| membership::like(&pattern, negated, frame));
                self.call(&format!("{name} {text:?}"), &[Type::Text], Type::Bool, true, Body::Kernel(body));
                return Ok(Type::Bool);
            }
        }
        self.coerced(pattern, Type::Text)?;
        let body = kernel(move |frame| membership::like_row(escape, ignore_case, negated, frame));
        self.call(name, &[Type::Text, Type::Text], Type::Bool, true, Body::Kernel(body));
        Ok(Type::Bool)
    }

    fn in_list(&mut self, arg: &Expr, list: &[Expr], negated: bool) -> Result<Type, ExprError> {
        if list.is_empty() {
            self.constant(Datum::Bool(negated), Type::Bool);
            return Ok(Type::Bool);
        }
        if let Some((ty, values)) = constants_of(arg.column_type().ty, list) {
            self.coerced(arg, ty)?;
            let set = Set::new(values);
            let name = if negated { "not in" } else { "in" };
            let body = kernel(move |frame| set.contains(negated, frame));
            self.call(&format!("{name} {} values", list.len()), &[ty], Type::Bool, true, Body::Kernel(body));
            return Ok(Type::Bool);
        }
        let types = list.iter().map(|item| item.column_type().ty);
        let common = types.clone().try_fold(arg.column_type().ty, common_type);
        let all: Vec<Type> = std::iter::once(arg.column_type().ty).chain(types).collect();
        let common = common.ok_or_else(|| type_error("IN", &all))?;
        let register = self.register();
        self.coerced(arg, common)?;
        self.emit(Instruction::Store(register));
        let equal = Instruction::Compare(BinaryOp::Eq, common.lane());
        for (nth, item) in list.iter().enumerate() {
            if nth == 0 {
                self.coerced(item, common)?;
                self.emit(equal);
                continue;
            }
            self.term(true, !is_cheap(item), |compiler| {
                compiler.emit(Instruction::Load(register));
                compiler.coerced(item, common)?;
                compiler.emit(equal);
                Ok(())
            })?;
        }
        if negated {
            self.emit(Instruction::Not);
        }
        Ok(Type::Bool)
    }

    fn function(&mut self, name: &str, args: &[Expr], ty: Type) -> Result<Type, ExprError> {
        match builtins::find(name) {
            Some(Form::Coalesce) => return self.coalesce(args, ty),
            Some(Form::NullIf) => return self.nullif(args, ty),
            Some(Form::Operator(op)) if args.len() == 2 => return self.binary(op, &args[0], &args[1], ty),
            Some(Form::Kernel(prepare)) => {
                let types: Vec<Type> = args.iter().map(|arg| arg.column_type().ty).collect();
                let constants: Vec<Option<&Datum>> = args.iter().map(constant_value).collect();
                let signature = Signature { args: &types, constants: &constants, result: ty };
                if let Some(prepared) = prepare(&signature) {
                    return self.builtin(name, args, prepared, ty);
                }
            }
            _ => {}
        }
        let types: Vec<ColumnType> = args.iter().map(Expr::column_type).collect();
        let resolved = self.functions.resolve(name, &types, ty)?;
        let types: Vec<Type> = types.into_iter().map(|column| column.ty).collect();
        for (arg, ty) in args.iter().zip(&types) {
            self.coerced(arg, *ty)?;
        }
        self.call(name, &types, ty, false, Body::External(resolved));
        Ok(ty)
    }

    fn builtin(
        &mut self,
        name: &str,
        args: &[Expr],
        prepared: Prepared,
        ty: Type,
    ) -> Result<Type, ExprError> {
        if args.len() > MAX_BRANCHES {
            return Err(ExprError::TooLarge { limit: MAX_BRANCHES });
        }
        for (arg, ty) in args.iter().zip(&prepared.args) {
            self.coerced(arg, *ty)?;
        }
        self.call(name, &prepared.args, ty, prepared.strict, Body::Kernel(prepared.kernel));
        Ok(ty)
    }
}

fn type_error(operator: &str, operands: &[Type]) -> ExprError {
    let operands: Vec<String> = operands.iter().map(Type::to_string).collect();
    ExprError::Type { operator: operator.to_string(), operands: operands.join(", ") }
}

fn is_null_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal { value: Datum::Null, .. })
}

fn constant_value(expr: &Expr) -> Option<&Datum> {
    match expr {
        Expr::Literal { value, .. } => Some(value),
        _ => None,
    }
}

/// A constant number as one of type `to`, where it is exactly that.
fn moved(expr: &Expr, to: Type) -> Option<Expr> {
    match expr {
        Expr::Literal { value, ty } if *ty != to => {
            refit(value, *ty, to).map(|value| Expr::literal(value, to))
        }
        _ => None,
    }
}

/// The list as values of one type with the argument, if all of it is constant and no conversion is needed at run
/// time. A number that is no value of the argument's type can equal none, and is left out.
fn constants_of(arg: Type, list: &[Expr]) -> Option<(Type, Vec<Datum>)> {
    let mut values = vec![];
    for item in list {
        let Expr::Literal { value, ty } = item else { return None };
        match value {
            Datum::Null => values.push(Datum::Null),
            value if cast::is_same(*ty, arg) => values.push(value.clone()),
            value if digits(*ty).is_some() && digits(arg).is_some() => values.extend(refit(value, *ty, arg)),
            _ => return None,
        }
    }
    Some((arg, values))
}

/// Whether a term costs less than the guard that would save it, and cannot fail.
fn is_cheap(expr: &Expr) -> bool {
    let mut cheap = match expr {
        Expr::Column { .. } | Expr::Literal { .. } | Expr::And(_) | Expr::Or(_) => true,
        Expr::Unary { op, .. } => *op != UnaryOp::Neg,
        Expr::Binary { op, left, right, .. } => {
            let (left, right) = (left.column_type().ty, right.column_type().ty);
            op.is_comparison() && (left.lane() == right.lane())
        }
        Expr::InList { arg, list, .. } => {
            arg.column_type().ty.lane() == Lane::I64 && list.iter().all(Expr::is_literal)
        }
        _ => false,
    };
    if cheap {
        expr.for_children(&mut |child| cheap &= is_cheap(child));
    }
    cheap
}

/// How an arithmetic operator is carried out.
struct Plan {
    left: Type,
    right: Type,
    step: Step,
}

enum Step {
    Instruction(Instruction),
    Kernel(Kernel),
}

/// What `left op right` giving `ty` takes: the types its operands are converted to, and the step.
fn plan_arithmetic(op: BinaryOp, left: Type, right: Type, ty: Type) -> Option<Plan> {
    let both_integers = width(left).is_some() && width(right).is_some();
    if let Some(width) = width(ty).filter(|_| both_integers) {
        return Some(Plan { left, right, step: Step::Instruction(Instruction::Integer(op, width)) });
    }
    if !matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem) {
        return None;
    }
    let is_float = |ty: Type| ty.lane() == Lane::F64;
    let is_number = |ty: Type| digits(ty).is_some() || is_float(ty);
    match ty {
        Type::Float32 | Type::Float64 if is_number(left) && is_number(right) => {
            let step = Step::Instruction(Instruction::Float(op, ty == Type::Float32));
            Some(Plan { left: Type::Float64, right: Type::Float64, step })
        }
        Type::Decimal { precision, scale } => {
            let ((left_digits, left_scale), (right_digits, right_scale)) = (digits(left)?, digits(right)?);
            let shape = Shape { left_scale, right_scale, precision, scale };
            let path = DecimalPath::choose(op, (left_digits, right_digits), shape);
            Some(Plan { left, right, step: Step::Instruction(Instruction::Decimal(op, shape, path)) })
        }
        _ => {
            // A number beside an interval is a factor.
            let beside = |one: Type, other: Type| match (one, other) {
                (Type::Interval, number) if is_number(number) => Type::Float64,
                (_, number) => number,
            };
            let (left, right) = (beside(right, left), beside(left, right));
            let body = temporal::prepare(op, left, right, ty)?;
            Some(Plan { left, right, step: Step::Kernel(kernel(body)) })
        }
    }
}

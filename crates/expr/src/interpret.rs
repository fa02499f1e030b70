//! The interpreter: runs a [`Program`] over one slice of rows.
//!
//! Strings may come to more than memory should hold at once; then the slice is cut, and its rows are run some at a
//! time.
//!
//! Values on the stack are columns of the input, constants, registers, or columns computed here, whose buffers
//! come from a pool and go back to it. When a row fails, the rows before it are evaluated again, until none of
//! them fails: so the error reported is that of the first failing row, and within it of the first operator that
//! fails, exactly as if rows were evaluated one after the other.

use zset::{Data, Datum, Lane, Type, Vector};

use crate::error::{ErrorKind, EvalError};
use crate::frame::{Frame, LARGEST_SLICE, Pool, Pooled, Rows};
use crate::function::Argument;
use crate::kernels::{arithmetic, choose, compare, logic};
use crate::operand;
use crate::program::{Body, Function, Instruction, Program};

/// The bytes of strings that one column of results may have.
pub const LARGEST_COLUMN: usize = 1 << 30;

/// What is said of a column that would have more.
pub const COLUMN_FULL: &str = "out of memory for the values of one column";

/// What an evaluation needs besides its program; kept and passed again, it saves the allocations.
#[derive(Debug, Default)]
pub struct Scratch {
    pool: Pool,
    stack: Vec<Slot>,
    registers: Vec<Slot>,
    /// The active rows, innermost last; none where all are.
    masks: Vec<Vec<bool>>,
    frames: Vec<Choice>,
    choices: Vec<Vec<u16>>,
}

/// A value on the stack.
#[derive(Debug, Default)]
enum Slot {
    #[default]
    Null,
    Column(u32),
    Constant(u32),
    Register(u32),
    Owned(Vector),
}

/// An open CASE or COALESCE.
#[derive(Debug)]
struct Choice {
    /// The height of the stack below its values.
    base: usize,
    /// For each row the number, from one, of the value it chose.
    chosen: Vec<u16>,
}

impl Scratch {
    /// Takes a column back whose buffers can serve again.
    pub fn recycle(&mut self, vector: Vector) {
        self.pool.recycle(vector);
    }

    fn reset(&mut self, registers: usize) {
        for slot in self.stack.drain(..).chain(self.registers.drain(..)) {
            if let Slot::Owned(vector) = slot {
                self.pool.recycle(vector);
            }
        }
        self.masks.drain(..).for_each(|mask| self.pool.give(mask));
        self.choices.extend(self.frames.drain(..).map(|frame| frame.chosen));
        self.registers.resize_with(registers, Slot::default);
    }
}

impl Program {
    /// The value of every expression for each of the first `rows` rows. A column of them has at most 1 GiB.
    ///
    /// # Panics
    /// If a used column is shorter than `rows` or of another lane than it was compiled for.
    pub fn eval(
        &self,
        inputs: &[&Vector],
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<Vector>, EvalError> {
        let mut results: Vec<Vector> = Vec::new();
        self.in_windows(inputs, rows, scratch, |part, (done, count), scratch| {
            let values = self.values(part, count, scratch);
            if done == 0 {
                results = values;
                return Ok(());
            }
            for (result, more) in results.iter_mut().zip(values) {
                if heap(result) + heap(&more) > LARGEST_COLUMN {
                    return Err(EvalError::new(ErrorKind::Other("53200"), done, COLUMN_FULL));
                }
                result.extend_range(&more, 0..count);
            }
            Ok(())
        })?;
        Ok(results)
    }

    /// Runs all rows, and some at a time where there is no room for all. `take` gets what came out each time: the inputs,
    /// how many rows were done before, and how many these are.
    fn in_windows(
        &self,
        inputs: &[&Vector],
        rows: usize,
        scratch: &mut Scratch,
        mut take: impl FnMut(&[&Vector], (usize, usize), &mut Scratch) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        self.check_inputs(inputs, rows);
        // A column of a constant has it for each row.
        let most = (LARGEST_SLICE / self.constant_bytes().max(1)).max(1);
        let mut window = self.run_to_first_error(inputs, rows.min(most), scratch)?;
        take(inputs, (0, window), scratch)?;
        let mut done = window;
        while done < rows {
            let count = (2 * window).min(rows - done).min(most);
            let part = self.part(inputs, done, count);
            let part: Vec<&Vector> = part.iter().collect();
            let later = |error: EvalError| EvalError { row: error.row + done, ..error };
            window = self.run_to_first_error(&part, count, scratch).map_err(later)?;
            take(&part, (done, window), scratch)?;
            done += window;
        }
        Ok(())
    }

    /// The bytes of its constants that are strings.
    fn constant_bytes(&self) -> usize {
        self.constants.iter().filter_map(|(value, _)| value.as_bytes()).map(<[u8]>::len).sum()
    }

    fn values(&self, inputs: &[&Vector], rows: usize, scratch: &mut Scratch) -> Vec<Vector> {
        let mut machine = Machine { program: self, inputs, rows, scratch };
        let slots: Vec<Slot> = machine.scratch.stack.drain(..).collect();
        slots.into_iter().zip(&self.outputs).map(|(slot, ty)| machine.output(slot, ty.lane())).collect()
    }

    /// Some rows of the columns that are used.
    fn part(&self, inputs: &[&Vector], from: usize, count: usize) -> Vec<Vector> {
        let column = |(index, column): (usize, &&Vector)| {
            let mut rows = Vector::new(column.lane());
            if self.used.contains(&(index as u32)) {
                rows.extend_range(column, from..from + count);
            }
            rows
        };
        inputs.iter().enumerate().map(column).collect()
    }

    /// The numbers of the rows, ascending, for which the only expression, a condition, is true.
    ///
    /// # Panics
    /// As [`eval`](Program::eval).
    pub fn select(
        &self,
        inputs: &[&Vector],
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, EvalError> {
        let mut found = Vec::new();
        self.in_windows(inputs, rows, scratch, |part, (done, count), scratch| {
            let selected = self.selection(part, count, scratch);
            match done {
                0 => found = selected,
                _ => found.extend(selected.iter().map(|row| row + done as u32)),
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn selection(&self, inputs: &[&Vector], rows: usize, scratch: &Scratch) -> Vec<u32> {
        let Some(slot) = scratch.stack.last() else { return Vec::new() };
        selected(&argument(self, inputs, &scratch.registers, slot), rows)
    }

    fn check_inputs(&self, inputs: &[&Vector], rows: usize) {
        for &index in &self.used {
            let (column, ty) = (inputs[index as usize], self.inputs[index as usize].ty);
            assert_eq!(column.lane(), ty.lane(), "input column {index} is not of type {ty}");
            assert!(column.len() >= rows, "input column {index} is shorter than the slice");
        }
    }

    /// Runs all rows, or as many as there is room for, and says how many.
    fn run_to_first_error(
        &self,
        inputs: &[&Vector],
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, EvalError> {
        let Err(mut first) = Machine::start(self, inputs, rows, scratch).run() else { return Ok(rows) };
        while first.row > 0 {
            match Machine::start(self, inputs, first.row, scratch).run() {
                Ok(()) => break,
                Err(earlier) => first = earlier,
            }
        }
        if first.kind == ErrorKind::SliceFull && first.row > 0 {
            return Ok(first.row);
        }
        Err(first)
    }
}

/// The bytes of a column's strings.
fn heap(vector: &Vector) -> usize {
    if let Data::Bytes(strings) = &vector.data { strings.heap().len() } else { 0 }
}

/// The rows in which a boolean argument is true.
fn selected(condition: &Argument<'_>, rows: usize) -> Vec<u32> {
    let mut found = vec![0; rows];
    let mut count = 0;
    // Every row is written and only true ones are kept, which needs no branch.
    let mut keep = |row: usize, holds: bool| {
        found[count] = row as u32;
        count += usize::from(holds);
    };
    match (operand::values::<bool>(condition), logic::known(condition)) {
        (operand::Operand::Slice(values), operand::Operand::Scalar(known)) => {
            values[..rows].iter().enumerate().for_each(|(row, value)| keep(row, value & known));
        }
        (values, known) => (0..rows).for_each(|row| keep(row, values.get(row) & known.get(row))),
    }
    found.truncate(count);
    found
}

/// One evaluation.
struct Machine<'a> {
    program: &'a Program,
    inputs: &'a [&'a Vector],
    rows: usize,
    scratch: &'a mut Scratch,
}

impl<'a> Machine<'a> {
    fn start(
        program: &'a Program,
        inputs: &'a [&'a Vector],
        rows: usize,
        scratch: &'a mut Scratch,
    ) -> Machine<'a> {
        scratch.reset(program.registers);
        Machine { program, inputs, rows, scratch }
    }

    fn run(&mut self) -> Result<(), EvalError> {
        let mut at = 0;
        while let Some(&instruction) = self.program.instructions.get(at) {
            at += 1;
            if let Some(target) = self.step(instruction)? {
                at = target as usize;
            }
        }
        debug_assert_eq!(self.scratch.stack.len(), self.program.outputs.len(), "one value an expression");
        debug_assert!(self.scratch.masks.is_empty() && self.scratch.frames.is_empty());
        Ok(())
    }

    /// Carries one instruction out. Returns where to jump.
    fn step(&mut self, instruction: Instruction) -> Result<Option<u32>, EvalError> {
        match instruction {
            Instruction::Column(index) => self.scratch.stack.push(Slot::Column(index)),
            Instruction::Constant(index) => {
                let null = self.program.constants[index as usize].0.is_null();
                self.scratch.stack.push(if null { Slot::Null } else { Slot::Constant(index) });
            }
            Instruction::Load(register) => self.scratch.stack.push(Slot::Register(register)),
            Instruction::Store(register) => self.store(register),
            Instruction::Integer(op, width) => self.strict(2, |f| arithmetic::integer(op, width, f))?,
            Instruction::Float(op, single) => self.strict(2, |f| arithmetic::float(op, single, f))?,
            Instruction::Decimal(op, shape, path) => {
                self.strict(2, |f| arithmetic::decimal(op, shape, path, f))?;
            }
            Instruction::Compare(op, lane) if op.is_null_safe() => {
                self.apply(2, |f| compare::compare(op, lane, f))?;
            }
            Instruction::Compare(op, lane) => self.strict(2, |f| compare::compare(op, lane, f))?,
            Instruction::And => self.apply(2, |f| Ok(logic::and(f)))?,
            Instruction::Or => self.apply(2, |f| Ok(logic::or(f)))?,
            Instruction::Not => self.strict(1, |f| Ok(logic::not(f)))?,
            Instruction::Test(op) => self.apply(1, |f| Ok(logic::test(op, f)))?,
            Instruction::Guard { decisive, end } => return Ok(self.guard(decisive, end)),
            Instruction::Unguard => self.pop_mask(),
            Instruction::Choose => self.choose(),
            Instruction::When { next } => return Ok(self.when(next)),
            Instruction::Then { end } => {
                self.pop_mask();
                return Ok(self.end_if_all_chose(end));
            }
            Instruction::Otherwise => self.otherwise(),
            Instruction::Present { end } => return Ok(self.present(end)),
            Instruction::Assemble(lane) => self.assemble(lane)?,
            Instruction::Call(index) => self.call(&self.program.functions[index as usize])?,
        }
        Ok(None)
    }

    fn store(&mut self, register: u32) {
        if let Some(top) = self.scratch.stack.last_mut() {
            self.scratch.registers[register as usize] = std::mem::replace(top, Slot::Register(register));
        }
    }

    /// As `apply`, answering NULL at once where an operand is the constant NULL.
    fn strict(
        &mut self,
        operands: usize,
        kernel: impl FnOnce(&mut Frame<'_>) -> Result<Vector, EvalError>,
    ) -> Result<(), EvalError> {
        let base = self.scratch.stack.len() - operands;
        if self.scratch.stack[base..].iter().any(|slot| self.is_null(slot)) {
            self.replace(base, Slot::Null);
            return Ok(());
        }
        self.apply(operands, kernel)
    }

    fn is_null(&self, slot: &Slot) -> bool {
        match slot {
            Slot::Null => true,
            Slot::Register(register) => self.is_null(&self.scratch.registers[*register as usize]),
            _ => false,
        }
    }

    /// Replaces the operands on top of the stack by the kernel's answer.
    fn apply(
        &mut self,
        operands: usize,
        kernel: impl FnOnce(&mut Frame<'_>) -> Result<Vector, EvalError>,
    ) -> Result<(), EvalError> {
        let base = self.scratch.stack.len() - operands;
        let Scratch { pool, stack, registers, masks, .. } = &mut *self.scratch;
        let rows = Rows { count: self.rows, active: masks.last().map(Vec::as_slice) };
        let view = |slot| argument(self.program, self.inputs, registers, slot);
        let answer = match &stack[base..] {
            [one] => kernel(&mut Frame { rows, args: &[view(one)], pool }),
            [one, two] => kernel(&mut Frame { rows, args: &[view(one), view(two)], pool }),
            many => {
                let args: Vec<Argument<'_>> = many.iter().map(view).collect();
                kernel(&mut Frame { rows, args: &args, pool })
            }
        }?;
        self.replace(base, Slot::Owned(answer));
        Ok(())
    }

    /// Cuts the stack down to `base` and pushes `slot`.
    fn replace(&mut self, base: usize, slot: Slot) {
        for old in self.scratch.stack.drain(base..) {
            if let Slot::Owned(vector) = old {
                self.scratch.pool.recycle(vector);
            }
        }
        self.scratch.stack.push(slot);
    }

    fn call(&mut self, function: &Function) -> Result<(), EvalError> {
        let operands = function.args.len();
        let base = self.scratch.stack.len() - operands;
        if function.strict && self.scratch.stack[base..].iter().any(|slot| self.is_null(slot)) {
            self.replace(base, Slot::Null);
            return Ok(());
        }
        match &function.body {
            Body::Kernel(kernel) => self.apply(operands, |f| kernel(f)),
            Body::External(external) => {
                let types = &function.args;
                self.apply(operands, |f| call_external(external.as_ref(), types, f))
            }
        }
    }

    fn pop_mask(&mut self) {
        if let Some(mask) = self.scratch.masks.pop() {
            self.scratch.pool.give(mask);
        }
    }

    fn guard(&mut self, decisive: bool, end: u32) -> Option<u32> {
        let Scratch { pool, stack, registers, masks, .. } = &mut *self.scratch;
        let decided = argument(self.program, self.inputs, registers, stack.last()?);
        let mut mask = pool.take();
        let active = masks.last().map(Vec::as_slice);
        if logic::undecided(&decided, decisive, active, self.rows, &mut mask) {
            masks.push(mask);
            return None;
        }
        pool.give(mask);
        Some(end)
    }

    fn choose(&mut self) {
        let Scratch { pool, stack, masks, frames, choices, .. } = &mut *self.scratch;
        let mut left: Vec<bool> = pool.take();
        match masks.last() {
            Some(active) => left.extend_from_slice(active),
            None => left.resize(self.rows, true),
        }
        masks.push(left);
        let mut chosen = choices.pop().unwrap_or_default();
        chosen.clear();
        chosen.resize(self.rows, 0);
        frames.push(Choice { base: stack.len(), chosen });
    }

    fn when(&mut self, next: u32) -> Option<u32> {
        let condition = self.scratch.stack.pop()?;
        let Scratch { pool, stack, registers, masks, frames, .. } = &mut *self.scratch;
        let (left, frame) = (masks.last_mut()?, frames.last_mut()?);
        let argument = argument(self.program, self.inputs, registers, &condition);
        let (values, known) = (operand::values::<bool>(&argument), logic::known(&argument));
        let number = (stack.len() - frame.base) as u16 + 1;
        let mut mask: Vec<bool> = pool.take();
        for (row, (left, chosen)) in left.iter_mut().zip(&mut frame.chosen).enumerate() {
            let takes = *left & values.get(row) & known.get(row);
            *left &= !takes;
            *chosen = if takes { number } else { *chosen };
            mask.push(takes);
        }
        let any = mask.contains(&true);
        if any {
            masks.push(mask);
        } else {
            pool.give(mask);
        }
        if let Slot::Owned(vector) = condition {
            pool.recycle(vector);
        }
        (!any).then_some(next)
    }

    fn otherwise(&mut self) {
        let Scratch { stack, masks, frames, .. } = &mut *self.scratch;
        let (Some(left), Some(frame)) = (masks.last(), frames.last_mut()) else { return };
        let number = (stack.len() - frame.base) as u16 + 1;
        for (left, chosen) in left.iter().zip(&mut frame.chosen) {
            *chosen = if *left { number } else { *chosen };
        }
    }

    fn present(&mut self, end: u32) -> Option<u32> {
        let Scratch { stack, registers, masks, frames, .. } = &mut *self.scratch;
        let (left, frame) = (masks.last_mut()?, frames.last_mut()?);
        let known = logic::known(&argument(self.program, self.inputs, registers, stack.last()?));
        let number = (stack.len() - frame.base) as u16;
        for (row, (left, chosen)) in left.iter_mut().zip(&mut frame.chosen).enumerate() {
            let takes = *left & known.get(row);
            *left &= !takes;
            *chosen = if takes { number } else { *chosen };
        }
        self.end_if_all_chose(end)
    }

    fn end_if_all_chose(&self, end: u32) -> Option<u32> {
        let waiting = self.scratch.masks.last().is_some_and(|left| left.contains(&true));
        (!waiting).then_some(end)
    }

    fn assemble(&mut self, lane: Lane) -> Result<(), EvalError> {
        self.pop_mask();
        let Some(Choice { base, chosen }) = self.scratch.frames.pop() else { return Ok(()) };
        let values = self.scratch.stack.len() - base;
        // Where every active row took the only value there is, it is the result as it stands.
        let active = self.scratch.masks.last();
        let took = |row: usize| chosen[row] == 1 || active.is_some_and(|active| !active[row]);
        if values != 1 || !(0..self.rows).all(took) {
            self.apply(values, |f| Ok(choose::assemble(lane, &chosen, f)))?;
        }
        self.scratch.choices.push(chosen);
        Ok(())
    }

    /// A finished column, with zeros under its NULLs.
    fn output(&mut self, slot: Slot, lane: Lane) -> Vector {
        let rows = self.rows;
        let mut vector = match slot {
            Slot::Owned(vector) => vector,
            slot => {
                let mut vector = self.scratch.pool.vector(lane);
                match argument(self.program, self.inputs, &self.scratch.registers, &slot) {
                    Argument::Column(column, _) => vector.extend_range(column, 0..rows),
                    Argument::Constant(value, _) => (0..rows).for_each(|_| vector.push_datum(value)),
                }
                vector
            }
        };
        if let Some(valid) = vector.valid.take_if(|valid| !valid.contains(&false)) {
            self.scratch.pool.give(valid);
        }
        if let Some(valid) = &vector.valid {
            clear_nulls(&mut vector.data, valid);
        }
        vector
    }
}

fn clear_nulls(data: &mut Data, valid: &[bool]) {
    fn clear<T: Pooled>(values: &mut [T], valid: &[bool]) {
        for (value, valid) in values.iter_mut().zip(valid) {
            *value = if *valid { *value } else { T::default() };
        }
    }
    match data {
        Data::Bool(values) => clear(values, valid),
        Data::I64(values) => clear(values, valid),
        Data::I128(values) => clear(values, valid),
        Data::F64(values) => clear(values, valid),
        Data::Interval(values) => clear(values, valid),
        // Kernels append nothing for a NULL.
        Data::Bytes(_) => {}
    }
}

fn argument<'a>(
    program: &'a Program,
    inputs: &[&'a Vector],
    registers: &'a [Slot],
    slot: &'a Slot,
) -> Argument<'a> {
    // Instructions and kernels know their types; the one given here is only carried along.
    const NULL: &Datum = &Datum::Null;
    match slot {
        Slot::Null => Argument::Constant(NULL, Type::Bool),
        Slot::Column(index) => Argument::Column(inputs[*index as usize], program.inputs[*index as usize].ty),
        Slot::Constant(index) => {
            let (value, ty) = &program.constants[*index as usize];
            Argument::Constant(value, *ty)
        }
        Slot::Register(register) => argument(program, inputs, registers, &registers[*register as usize]),
        Slot::Owned(vector) => Argument::Column(vector, Type::Bool),
    }
}

/// Calls a function that knows nothing of active rows: it is given those only, and its answers are put back to
/// their places.
fn call_external(
    function: &dyn crate::ScalarFunction,
    types: &[Type],
    frame: &mut Frame<'_>,
) -> Result<Vector, EvalError> {
    let count = frame.rows.count;
    let active: Vec<u32> = (0..count as u32).filter(|row| frame.rows.is_active(*row as usize)).collect();
    let gathered: Vec<Option<Vector>> = frame
        .args
        .iter()
        .map(|arg| match arg {
            Argument::Column(column, _) if active.len() < count || column.len() > count => {
                let mut rows = Vector::with_capacity(column.lane(), active.len());
                rows.extend_gather(column, &active);
                Some(rows)
            }
            _ => None,
        })
        .collect();
    let typed =
        frame.args.iter().zip(&gathered).zip(types).map(|((arg, gathered), ty)| match (arg, gathered) {
            (Argument::Column(..), Some(rows)) => Argument::Column(rows, *ty),
            (Argument::Column(column, _), None) => Argument::Column(column, *ty),
            (Argument::Constant(value, _), _) => Argument::Constant(value, *ty),
        });
    let typed: Vec<Argument<'_>> = typed.collect();
    let result = function.call(&typed, active.len()).map_err(|mut error| {
        error.row = active.get(error.row).map_or(0, |row| *row as usize);
        error
    })?;
    assert_eq!(result.len(), active.len(), "a function answers one value a row");
    if active.len() == count {
        return Ok(result);
    }
    let mut next = 0;
    let mut chosen = vec![0u32; count];
    for (row, chosen) in chosen.iter_mut().enumerate() {
        // Rows that are not active take any value there is.
        *chosen = next.min(active.len().saturating_sub(1) as u32);
        next += u32::from(frame.rows.is_active(row));
    }
    let mut spread = Vector::with_capacity(result.lane(), count);
    if active.is_empty() {
        (0..count).for_each(|_| spread.push_null());
    } else {
        spread.extend_gather(&result, &chosen);
    }
    Ok(spread)
}

//! SUM and AVG for DataFusion's executor, with the semantics of a view's circuit.
//!
//! Integers and decimals are summed in 128 bits and checked against the type of the result when it is read;
//! floats are summed exactly and rounded once. So the answer does not depend on the order of the rows, and a
//! view that adds and removes terms shows the same number as a query that adds them up.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, BooleanArray, Int64Array, PrimitiveArray,
};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use expr::ExactSum;
use expr::mean::{mean_of_decimals, mean_of_floats, mean_of_integers, sum_fits, sum_out_of_range};
use zset::Type;

use crate::error::{SqlError, SqlState};
use crate::types::from_arrow_or_refuse;

/// The two functions.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let function = |name: &str, mean: bool, aliases: &[&str]| {
        Arc::new(AggregateUDF::from(Sum {
            name: name.to_string(),
            mean,
            aliases: aliases.iter().map(ToString::to_string).collect(),
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    };
    vec![function("sum", false, &[]), function("avg", true, &["mean"])]
}

/// SUM or AVG.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sum {
    name: String,
    mean: bool,
    aliases: Vec<String>,
    signature: Signature,
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let [arg] = args else {
            return Err(undefined(&self.name, args));
        };
        let coerced = match arg {
            DataType::UInt64 => DataType::Decimal128(20, 0),
            ty if ty.is_integer() || *ty == DataType::Null => DataType::Int64,
            ty if ty.is_floating() => DataType::Float64,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                DataType::Decimal128(*p, *s)
            }
            _ => return Err(undefined(&self.name, args)),
        };
        Ok(vec![coerced])
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(match (args, self.mean) {
            ([DataType::Decimal128(p, s)], true) => DataType::Decimal128((p + 4).min(38), (s + 4).min(38)),
            ([DataType::Decimal128(p, s)], false) => DataType::Decimal128((p + 10).min(38), *s),
            ([DataType::Int64], false) => DataType::Int64,
            ([DataType::Int64 | DataType::Float64], _) => DataType::Float64,
            _ => return Err(undefined(&self.name, args)),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, ty: DataType| {
            Arc::new(Field::new(format_state_name(args.name, name), ty, true)) as FieldRef
        };
        if args.is_distinct {
            let item = args.input_fields[0].data_type().clone();
            return Ok(vec![field("terms", DataType::new_list(item, true))]);
        }
        Ok(vec![field("total", DataType::Binary), field("count", DataType::Int64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let shape = Shape::new(&args, self.mean)?;
        Ok(match args.is_distinct {
            true => Box::new(DistinctTotal { shape, terms: HashSet::new() }),
            false => Box::new(OneTotal { groups: Totals::new(shape) }),
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Totals::new(Shape::new(&args, self.mean)?)))
    }
}

fn undefined(name: &str, args: &[DataType]) -> DataFusionError {
    let args: Vec<String> = args
        .iter()
        .map(|ty| crate::types::from_arrow(ty).map_or_else(|| ty.to_string(), |ty| ty.to_string()))
        .collect();
    let message = format!("function {name}({}) does not exist", args.join(", "));
    SqlError::new(SqlState::UndefinedFunction, message).into()
}

/// What is summed, and what comes out.
#[derive(Clone, Debug)]
struct Shape {
    mean: bool,
    input: DataType,
    output: DataType,
    result: Type,
}

impl Shape {
    fn new(args: &AccumulatorArgs, mean: bool) -> Result<Shape> {
        let output = args.return_field.data_type().clone();
        let result = from_arrow_or_refuse(&output)?;
        Ok(Shape { mean, input: args.expr_fields[0].data_type().clone(), output, result })
    }

    fn is_float(&self) -> bool {
        self.input == DataType::Float64
    }

    /// The result for an exact sum of integers or decimals.
    fn whole(&self, sum: i128, count: i64) -> Result<Output, SqlError> {
        let out_of_range = || SqlError::from(sum_out_of_range(self.result));
        match (&self.input, self.mean) {
            (_, false) if sum_fits(sum, self.result) => Ok(Output::Whole(sum)),
            (DataType::Decimal128(_, scale), true) => {
                let mean = mean_of_decimals(sum, count, *scale as u8, self.result);
                Ok(Output::Whole(mean.ok_or_else(out_of_range)?))
            }
            (_, true) => Ok(Output::Float(mean_of_integers(sum, count))),
            _ => Err(out_of_range()),
        }
    }

    /// The result for an exact sum of floats.
    fn float(&self, sum: &ExactSum, count: i64) -> Result<Output, SqlError> {
        let value = if self.mean { mean_of_floats(sum, count) } else { sum.value() };
        value.map(Output::Float).ok_or_else(|| SqlError::from(sum_out_of_range(self.result)))
    }
}

enum Output {
    Whole(i128),
    Float(f64),
}

/// Exact totals, one a group.
struct Totals {
    shape: Shape,
    wholes: Vec<i128>,
    floats: Vec<ExactSum>,
    counts: Vec<i64>,
}

impl Totals {
    fn new(shape: Shape) -> Totals {
        Totals { shape, wholes: Vec::new(), floats: Vec::new(), counts: Vec::new() }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        match self.shape.is_float() {
            true => self.floats.resize(groups, ExactSum::new()),
            false => self.wholes.resize(groups, 0),
        }
    }

    /// Adds (`sign` 1) or takes back (-1) each value's term to its group's total.
    fn add(
        &mut self,
        values: &ArrayRef,
        group_of: impl Fn(usize) -> usize,
        filter: Option<&BooleanArray>,
        sign: i64,
    ) -> Result<()> {
        let Totals { shape, wholes, floats, counts } = self;
        let mut add_whole = |row: usize, term: i128| {
            let group = group_of(row);
            counts[group] += sign;
            let total = wholes[group].checked_add(term * i128::from(sign));
            wholes[group] = total.ok_or_else(|| SqlError::from(sum_out_of_range(shape.result)))?;
            Ok(())
        };
        match &shape.input {
            DataType::Int64 => {
                each(values.as_primitive::<Int64Type>(), filter, |row, term| add_whole(row, term.into()))
            }
            DataType::Decimal128(..) => each(values.as_primitive::<Decimal128Type>(), filter, add_whole),
            _ => each(values.as_primitive::<Float64Type>(), filter, |row, term| {
                let group = group_of(row);
                counts[group] += sign;
                floats[group].add_times(term, sign);
                Ok(())
            }),
        }
    }

    /// The first groups' totals, which leave.
    fn take(&mut self, emit_to: EmitTo) -> (Vec<i128>, Vec<ExactSum>, Vec<i64>) {
        let count = match emit_to {
            EmitTo::All => self.counts.len(),
            EmitTo::First(n) => n.min(self.counts.len()),
        };
        let wholes = self.wholes.drain(..count.min(self.wholes.len())).collect();
        let floats = self.floats.drain(..count.min(self.floats.len())).collect();
        (wholes, floats, self.counts.drain(..count).collect())
    }

    fn results(&self, wholes: &[i128], floats: &[ExactSum], counts: &[i64]) -> Result<ArrayRef> {
        let result = |group: usize| match (counts[group], self.shape.is_float()) {
            (0, _) => Ok(None),
            (count, true) => self.shape.float(&floats[group], count).map(Some),
            (count, false) => self.shape.whole(wholes[group], count).map(Some),
        };
        let outputs = (0..counts.len()).map(result).collect::<Result<Vec<_>, SqlError>>()?;
        output_array(&outputs, &self.shape.output)
    }

    fn bytes(&self, group: usize) -> Vec<u8> {
        match self.shape.is_float() {
            true => self.floats[group].to_bytes(),
            false => self.wholes[group].to_le_bytes().to_vec(),
        }
    }

    fn merge_bytes(&mut self, group: usize, bytes: &[u8], count: i64) -> Result<()> {
        let foreign = || DataFusionError::Internal("a total of another shape".to_string());
        self.counts[group] += count;
        if self.shape.is_float() {
            self.floats[group].merge(&ExactSum::from_bytes(bytes).ok_or_else(foreign)?);
            return Ok(());
        }
        let term = i128::from_le_bytes(bytes.try_into().map_err(|_| foreign())?);
        let total = self.wholes[group].checked_add(term);
        self.wholes[group] = total.ok_or_else(|| SqlError::from(sum_out_of_range(self.shape.result)))?;
        Ok(())
    }
}

/// Calls `f` with each value that is not NULL and passes the filter.
fn each<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    filter: Option<&BooleanArray>,
    mut f: impl FnMut(usize, T::Native) -> Result<()>,
) -> Result<()> {
    let passes = |row: usize| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
    if values.null_count() == 0 && filter.is_none() {
        return values.values().iter().enumerate().try_for_each(|(row, &value)| f(row, value));
    }
    let rows = (0..values.len()).filter(|&row| values.is_valid(row) && passes(row));
    rows.into_iter().try_for_each(|row| f(row, values.value(row)))
}

fn output_array(outputs: &[Option<Output>], ty: &DataType) -> Result<ArrayRef> {
    let whole = |output: &Option<Output>| match output {
        Some(Output::Whole(value)) => Some(*value),
        _ => None,
    };
    Ok(match ty {
        DataType::Int64 => Arc::new(
            outputs.iter().map(|o| whole(o).map(|v| v as i64)).collect::<PrimitiveArray<Int64Type>>(),
        ),
        DataType::Decimal128(precision, scale) => {
            let array: PrimitiveArray<Decimal128Type> = outputs.iter().map(whole).collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        _ => Arc::new(
            outputs
                .iter()
                .map(|output| match output {
                    Some(Output::Float(value)) => Some(*value),
                    _ => None,
                })
                .collect::<PrimitiveArray<Float64Type>>(),
        ),
    })
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.resize(groups);
        self.add(&values[0], |row| group_indices[row], filter, 1)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (wholes, floats, counts) = self.take(emit_to);
        self.results(&wholes, &floats, &counts)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut taken = Totals::new(self.shape.clone());
        (taken.wholes, taken.floats, taken.counts) = self.take(emit_to);
        let mut totals = BinaryBuilder::new();
        (0..taken.counts.len()).for_each(|group| totals.append_value(taken.bytes(group)));
        Ok(vec![Arc::new(totals.finish()), Arc::new(Int64Array::from(taken.counts))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], groups: usize) -> Result<()> {
        self.resize(groups);
        let (totals, counts) = (states[0].as_binary::<i32>(), states[1].as_primitive::<Int64Type>());
        for (row, &group) in group_indices.iter().enumerate() {
            self.merge_bytes(group, totals.value(row), counts.value(row))?;
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut each_row = Totals::new(self.shape.clone());
        each_row.resize(values[0].len());
        each_row.add(&values[0], |row| row, filter, 1)?;
        each_row.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.wholes.capacity() * 16
            + self.floats.capacity() * size_of::<ExactSum>()
            + self.counts.capacity() * 8
    }
}

/// One total: an aggregate without groups, or a window's frame, which takes terms back.
struct OneTotal {
    groups: Totals,
}

impl std::fmt::Debug for OneTotal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OneTotal({:?})", self.groups.shape)
    }
}

impl Accumulator for OneTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups.resize(1);
        self.groups.add(&values[0], |_| 0, None, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups.resize(1);
        self.groups.add(&values[0], |_| 0, None, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize(1);
        let Totals { wholes, floats, counts, .. } = &self.groups;
        ScalarValue::try_from_array(&self.groups.results(wholes, floats, counts)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.resize(1);
        let total = ScalarValue::Binary(Some(self.groups.bytes(0)));
        Ok(vec![total, ScalarValue::Int64(Some(self.groups.counts[0]))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = vec![0; states[0].len()];
        GroupsAccumulator::merge_batch(&mut self.groups, states, &rows, 1)
    }

    fn size(&self) -> usize {
        size_of::<OneTotal>() + GroupsAccumulator::size(&self.groups)
    }
}

/// A total of different terms: SUM(DISTINCT …) and AVG(DISTINCT …) beside other aggregates.
#[derive(Debug)]
struct DistinctTotal {
    shape: Shape,
    terms: HashSet<ScalarValue>,
}

impl Accumulator for DistinctTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            if values[0].is_valid(row) {
                self.terms.insert(ScalarValue::try_from_array(&values[0], row)?);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = OneTotal { groups: Totals::new(self.shape.clone()) };
        if !self.terms.is_empty() {
            total.update_batch(&[ScalarValue::iter_to_array(self.terms.iter().cloned())?])?;
        }
        total.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let terms: Vec<ScalarValue> = self.terms.iter().cloned().collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&terms, &self.shape.input))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        lists.iter().flatten().try_for_each(|terms| self.update_batch(&[terms]))
    }

    fn size(&self) -> usize {
        size_of::<DistinctTotal>() + self.terms.capacity() * size_of::<ScalarValue>()
    }
}

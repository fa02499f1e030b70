//! DataFusion's functions whose result can be far larger than what they are given, kept from taking the memory.
//!
//! No value has more than [`LARGEST_VALUE`] bytes. Of some functions our programs have their own, which look before
//! they write; a call of those runs ours, also where the optimizer folds constants. What the others would come to is
//! reckoned from their arguments, and many rows that come to much are computed some at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use expr::{COLUMN_FULL, LARGEST_COLUMN, LARGEST_SLICE, LARGEST_VALUE};

use crate::error::{SqlError, SqlState};
use crate::evaluate::Evaluator;
use crate::functions::Library;
use crate::types::from_arrow_or_refuse;

/// How a function is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    /// Our program's function of the same name is called.
    Ours,
    /// The text, once more for each match.
    Matches,
    /// An array's elements and what stands between them.
    Joined,
    /// A value so many times.
    Copies { count: usize, value: usize },
    /// The numbers from one to another.
    Series,
    /// All arguments.
    Sum,
}

const RULES: [(&str, Rule); 15] = [
    ("repeat", Rule::Ours),
    ("lpad", Rule::Ours),
    ("rpad", Rule::Ours),
    ("replace", Rule::Ours),
    ("translate", Rule::Ours),
    ("concat", Rule::Ours),
    ("concat_ws", Rule::Ours),
    ("regexp_replace", Rule::Matches),
    ("array_to_string", Rule::Joined),
    ("array_repeat", Rule::Copies { count: 1, value: 0 }),
    ("array_resize", Rule::Copies { count: 1, value: 2 }),
    ("range", Rule::Series),
    ("generate_series", Rule::Series),
    ("array_concat", Rule::Sum),
    ("array_append", Rule::Sum),
];

/// All of DataFusion's scalar functions, those bounded that must be.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let bounded = |inner: Arc<ScalarUDF>| match RULES.iter().find(|(name, _)| *name == inner.name()) {
        Some((_, rule)) => Arc::new(ScalarUDF::from(Bounded { inner, rule: *rule })),
        None => inner,
    };
    SessionStateDefaults::default_scalar_functions().into_iter().map(bounded).collect()
}

/// That a value would be larger than any may be.
pub(crate) fn too_large() -> SqlError {
    SqlError::new(SqlState::LimitExceeded, "requested length too large")
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    rule: Rule,
}

impl Bounded {
    /// Our own function for arguments of these types, where it has them.
    fn ours(&self, args: &ScalarFunctionArgs) -> Option<Evaluator> {
        let column = |(index, field): (usize, &FieldRef)| {
            Ok(expr::Expr::column(index as u32, from_arrow_or_refuse(field.data_type())?, true))
        };
        let columns = args.arg_fields.iter().enumerate().map(column).collect::<Result<Vec<_>, SqlError>>();
        let result = from_arrow_or_refuse(args.return_field.data_type()).ok()?;
        let tree = expr::Expr::call(self.name(), columns.ok()?, result, true);
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        Evaluator::compile(&tree, &types, Library::shared()).ok()
    }

    /// DataFusion's, on as many rows at once as are certain to fit.
    fn theirs(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = Given::of(&args.args)?;
        let rows = if given.constant { 1 } else { args.number_rows };
        let (mut parts, mut from, mut size, mut total) = (Vec::new(), 0, 0, 0);
        for row in 0..rows {
            let next = given.reckon(self.rule, row)?;
            if next > LARGEST_VALUE {
                return Err(too_large().into());
            }
            if size > 0 && size + next > LARGEST_SLICE {
                parts.push(from..row);
                (from, size) = (row, 0);
            }
            size += next;
        }
        if parts.is_empty() {
            return self.inner.invoke_with_args(args);
        }
        parts.push(from..rows);
        let mut done: Vec<ArrayRef> = Vec::with_capacity(parts.len());
        for part in parts {
            let cut = |arg: &ColumnarValue| match arg {
                ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(part.start, part.len())),
                scalar => scalar.clone(),
            };
            let some = ScalarFunctionArgs {
                args: args.args.iter().map(cut).collect(),
                number_rows: part.len(),
                ..args.clone()
            };
            let values = self.inner.invoke_with_args(some)?.into_array(part.len())?;
            total += values.get_array_memory_size();
            if total > LARGEST_COLUMN {
                return Err(SqlError::new(SqlState::OutOfMemory, COLUMN_FULL).into());
            }
            done.push(values);
        }
        let done: Vec<&dyn Array> = done.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(arrow::compute::concat(&done)?))
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.rule {
            Rule::Ours => match self.ours(&args) {
                Some(evaluator) => Ok(evaluator.fold(&args)?),
                None => self.inner.invoke_with_args(args),
            },
            _ => self.theirs(args),
        }
    }
}

/// The arguments of a call: those that are the same for every row as arrays of one.
struct Given {
    args: Vec<(ArrayRef, bool)>,
    constant: bool,
}

impl Given {
    fn of(args: &[ColumnarValue]) -> Result<Given> {
        let one = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => Ok((Arc::clone(array), false)),
            ColumnarValue::Scalar(scalar) => Ok((scalar.to_array_of_size(1)?, true)),
        };
        let args = args.iter().map(one).collect::<Result<Vec<_>>>()?;
        let constant = args.iter().all(|(_, constant)| *constant);
        Ok(Given { args, constant })
    }

    /// An argument's value for a row, none where there is no such argument or it is NULL.
    fn get(&self, arg: usize, row: usize) -> Option<ArrayRef> {
        let (array, constant) = self.args.get(arg)?;
        let row = if *constant { 0 } else { row };
        (!array.is_null(row)).then(|| array.slice(row, 1))
    }

    fn text(&self, arg: usize, row: usize) -> Option<String> {
        let value = ScalarValue::try_from_array(&self.get(arg, row)?, 0).ok()?;
        value.try_as_str().flatten().map(str::to_string)
    }

    fn int(&self, arg: usize, row: usize) -> Option<i64> {
        let value = arrow::compute::cast(&self.get(arg, row)?, &DataType::Int64).ok()?;
        (!value.is_null(0)).then(|| value.as_primitive::<Int64Type>().value(0))
    }

    fn bytes(&self, arg: usize, row: usize) -> usize {
        self.get(arg, row).map_or(0, |value| bytes(&value))
    }

    /// The bytes that the result for a row has at most.
    fn reckon(&self, rule: Rule, row: usize) -> Result<usize> {
        let times = |count: i64, size: usize| usize::try_from(count).unwrap_or(0).saturating_mul(size);
        Ok(match rule {
            Rule::Ours => 0,
            Rule::Matches => self.replaced(row)?,
            Rule::Joined => {
                let Some(list) = self.get(0, row) else { return Ok(0) };
                let elements = elements(&list).map_or(1, |elements| elements.len());
                let between = self.bytes(1, row) + self.bytes(2, row);
                bytes(&list).saturating_add(elements.saturating_mul(between))
            }
            Rule::Copies { count, value } => {
                let copies = times(self.int(count, row).unwrap_or(0), self.bytes(value, row).max(8));
                copies.saturating_add(self.bytes(0, row))
            }
            Rule::Series => {
                let Some(first) = self.int(0, row) else { return Ok(0) };
                let (from, to) = match self.int(1, row) {
                    Some(to) => (first, to),
                    None => (0, first),
                };
                let step = self.int(2, row).unwrap_or(1).unsigned_abs().max(1);
                let count = from.abs_diff(to) / step;
                usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(8)
            }
            Rule::Sum => (0..self.args.len()).map(|arg| self.bytes(arg, row)).sum(),
        })
    }

    /// The bytes of a text after `regexp_replace`. Only where the text alone could exceed what a value may have are
    /// its matches counted.
    fn replaced(&self, row: usize) -> Result<usize> {
        let (length, longest) = (self.bytes(0, row), self.bytes(2, row));
        let surely = (length + 1).saturating_mul(2 * longest + 1);
        if surely <= LARGEST_VALUE {
            return Ok(surely);
        }
        let (Some(text), Some(pattern), Some(by)) = (self.text(0, row), self.text(1, row), self.text(2, row))
        else {
            return Ok(0);
        };
        let flags = self.text(3, row).unwrap_or_default();
        // What groups are put in for lies side by side in the text, so each of them at most doubles it.
        let groups = by.bytes().filter(|b| matches!(b, b'\\' | b'$')).count();
        let kept = text.len().saturating_mul(groups + 1);
        let most = |matches: usize| matches.saturating_mul(by.len()).saturating_add(kept);
        let all = most(if flags.contains('g') { text.len() + 1 } else { 1 });
        if all <= LARGEST_VALUE || kept > LARGEST_VALUE || !flags.contains('g') {
            return Ok(all);
        }
        let flags = flags.replace('g', "");
        let mut args = vec![
            ScalarValue::Utf8(Some(text)),
            ScalarValue::Utf8(Some(pattern)),
            ScalarValue::Int64(Some(1)),
        ];
        if !flags.is_empty() {
            args.push(ScalarValue::Utf8(Some(flags)));
        }
        let count = datafusion::functions::regex::regexpcount::RegexpCountFunc::new();
        let field =
            |arg: &ScalarValue| Arc::new(arrow::datatypes::Field::new("", arg.data_type(), true)) as FieldRef;
        let counted = count.invoke_with_args(ScalarFunctionArgs {
            arg_fields: args.iter().map(field).collect(),
            args: args.into_iter().map(ColumnarValue::Scalar).collect(),
            number_rows: 1,
            return_field: Arc::new(arrow::datatypes::Field::new("", DataType::Int64, true)),
            config_options: Arc::default(),
        })?;
        let counted = counted.into_array(1)?;
        let matches = counted.as_primitive_opt::<Int64Type>().map_or(i64::MAX, |counted| counted.value(0));
        Ok(most(usize::try_from(matches).unwrap_or(usize::MAX)))
    }
}

/// The elements of an array of one list.
fn elements(list: &ArrayRef) -> Option<ArrayRef> {
    match list.data_type() {
        DataType::List(_) => Some(list.as_list::<i32>().value(0)),
        DataType::LargeList(_) => Some(list.as_list::<i64>().value(0)),
        DataType::FixedSizeList(..) => Some(list.as_fixed_size_list().value(0)),
        _ => None,
    }
}

/// The bytes of a slice's values: of numbers, as many as their text could have.
fn bytes(values: &ArrayRef) -> usize {
    if let (1, Some(inner)) = (values.len(), elements(values)) {
        return bytes(&inner);
    }
    if let Some(bytes) = text_bytes(values) {
        return bytes;
    }
    match values.data_type() {
        DataType::Binary => values.as_binary::<i32>().iter().flatten().map(<[u8]>::len).sum(),
        ty if ty.is_primitive() => values.len() * 20,
        _ => values.to_data().get_slice_memory_size().unwrap_or(usize::MAX),
    }
}

/// The bytes of a slice's texts; `None` of what is not text.
pub(crate) fn text_bytes(values: &ArrayRef) -> Option<usize> {
    Some(match values.data_type() {
        DataType::Utf8 => values.as_string::<i32>().iter().flatten().map(str::len).sum(),
        DataType::LargeUtf8 => values.as_string::<i64>().iter().flatten().map(str::len).sum(),
        DataType::Utf8View => values.as_string_view().iter().flatten().map(str::len).sum(),
        _ => return None,
    })
}

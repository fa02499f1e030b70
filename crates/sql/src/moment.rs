//! PostgreSQL's functions of dates and times where DataFusion has others of the same name, or none: `to_char`,
//! `to_timestamp`, `timezone` (which `AT TIME ZONE` is written for), `now()` and its kin.
//!
//! What they compute is ours ([`expr`] and [`zone`](crate::zone)), so that views and queries agree; here are their
//! types, and the refusal of forms that would otherwise be answered by something else.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use zset::{Datum, Type};

use crate::error::{SqlError, SqlState};
use crate::evaluate::Evaluator;
use crate::input::type_name;
use crate::types::{canonical, from_arrow, from_arrow_or_refuse, to_arrow};
use crate::zone::Zone;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    ToChar,
    ToTimestamp,
    ToDate,
    /// DataFusion's second name of `to_char`.
    DateFormat,
    Timezone,
    Now,
    LocalTimestamp,
}

/// The functions by the names they are called by.
const NAMES: [(&str, Kind); 10] = [
    ("to_char", Kind::ToChar),
    ("to_timestamp", Kind::ToTimestamp),
    ("to_date", Kind::ToDate),
    ("date_format", Kind::DateFormat),
    ("timezone", Kind::Timezone),
    ("now", Kind::Now),
    ("current_timestamp", Kind::Now),
    ("transaction_timestamp", Kind::Now),
    ("statement_timestamp", Kind::Now),
    ("localtimestamp", Kind::LocalTimestamp),
];

static ALL: LazyLock<Vec<(&'static str, Arc<ScalarUDF>)>> = LazyLock::new(|| {
    let function = |(name, kind)| (name, Arc::new(ScalarUDF::from(MomentFunction::new(name, kind))));
    NAMES.into_iter().map(function).collect()
});

/// All of them, by name.
pub(crate) fn functions() -> impl Iterator<Item = (&'static str, &'static Arc<ScalarUDF>)> {
    ALL.iter().map(|(name, function)| (*name, function))
}

/// The one of this name.
pub(crate) fn find(name: &str) -> Option<&'static Arc<ScalarUDF>> {
    functions().find(|(known, _)| *known == name).map(|(_, function)| function)
}

/// Whether a function is one of these and computed from its arguments alone.
pub(crate) fn is_ours(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<MomentFunction>().is_some_and(|f| f.is_steady())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MomentFunction {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl MomentFunction {
    fn new(name: &'static str, kind: Kind) -> MomentFunction {
        let signature = match kind {
            Kind::Now | Kind::LocalTimestamp => Signature::nullary(Volatility::Stable),
            _ => Signature::variadic_any(Volatility::Immutable),
        };
        MomentFunction { name, kind, signature }
    }

    fn is_steady(&self) -> bool {
        !matches!(self.kind, Kind::Now | Kind::LocalTimestamp)
    }

    fn undefined(&self, args: &[DataType]) -> SqlError {
        let name = |ty: &DataType| match (ty, from_arrow(ty)) {
            (DataType::Null, _) => "unknown".to_string(),
            (_, Some(ty)) => type_name(ty).to_string(),
            (other, None) => other.to_string(),
        };
        let types: Vec<String> = args.iter().map(name).collect();
        let message = format!("function {}({}) does not exist", self.name, types.join(", "));
        SqlError::new(SqlState::UndefinedFunction, message)
    }

    /// The result for arguments of these types; an untyped NULL, or a parameter, is of any.
    fn result(&self, args: &[DataType]) -> Result<Type, SqlError> {
        let types: Vec<Option<Type>> =
            args.iter().map(|ty| from_arrow(ty).filter(|_| !ty.is_null())).collect();
        let open: Vec<bool> = args.iter().map(DataType::is_null).collect();
        let is_number = |ty: Type| {
            use Type::{Decimal, Float32, Float64, Int16, Int32, Int64};
            matches!(ty, Int16 | Int32 | Int64 | Float32 | Float64 | Decimal { .. })
        };
        match (self.kind, types.as_slice()) {
            (Kind::Now, []) => Ok(Type::TimestampTz),
            (Kind::LocalTimestamp, []) => Ok(Type::Timestamp),
            (Kind::ToChar, [Some(Type::Date | Type::Timestamp | Type::TimestampTz), Some(Type::Text)]) => {
                Ok(Type::Text)
            }
            (Kind::ToChar, [moment, picture])
                if (open[0] || moment.is_some_and(is_moment))
                    && (open[1] || *picture == Some(Type::Text)) =>
            {
                Ok(Type::Text)
            }
            (Kind::ToChar, [Some(Type::Interval | Type::Time), _]) => {
                Err(SqlError::unsupported("to_char() of an interval or a time of day")
                    .with_hint("it formats dates and timestamps"))
            }
            (Kind::ToChar, [Some(ty), _]) if is_number(*ty) => {
                Err(SqlError::unsupported("to_char() of a number")
                    .with_hint("cast it to text, or use round()"))
            }
            (Kind::ToChar, [Some(Type::Text), _]) => {
                Err(self.undefined(args).with_hint("cast the first argument to DATE or TIMESTAMP"))
            }
            // A literal such as 1e10 is of no type of ours before it is settled.
            (Kind::ToTimestamp, [_]) if args[0].is_numeric() => Ok(Type::TimestampTz),
            (Kind::ToTimestamp, [None]) if open[0] => Ok(Type::TimestampTz),
            (Kind::ToTimestamp, [Some(Type::Text)]) => {
                Err(self.undefined(args).with_hint("cast the text: CAST(… AS TIMESTAMPTZ)"))
            }
            (Kind::ToTimestamp | Kind::ToDate, [_, _]) => {
                let what = format!("{}() with a format", self.name);
                Err(SqlError::unsupported(what)
                    .with_hint("cast the text: it is read in ISO 8601 and usual forms"))
            }
            (Kind::Timezone, [zone, moment])
                if open[0] || matches!(zone, Some(Type::Text | Type::Interval)) =>
            {
                match moment {
                    Some(Type::Timestamp) => Ok(Type::TimestampTz),
                    Some(Type::TimestampTz | Type::Date) => Ok(Type::Timestamp),
                    None if open[1] => Ok(Type::Timestamp),
                    _ => Err(self.undefined(args)),
                }
            }
            _ => Err(self.undefined(args)),
        }
    }

    /// Runs the scalar program of the call.
    fn evaluate(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue, SqlError> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let mut operands = Vec::with_capacity(types.len());
        for (index, ty) in (0..).zip(&types) {
            operands.push(match ty {
                DataType::Null => expr::Expr::literal(Datum::Null, Type::Text),
                ty => expr::Expr::column(index, from_arrow_or_refuse(ty)?, true),
            });
        }
        let result = from_arrow_or_refuse(args.return_field.data_type())?;
        let call = expr::Expr::call(self.name, operands, result, true);
        Evaluator::compile(&call, &types, &expr::NoFunctions)?.call(args)
    }
}

fn is_moment(ty: Type) -> bool {
    matches!(ty, Type::Date | Type::Timestamp | Type::TimestampTz)
}

impl ScalarUDFImpl for MomentFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(to_arrow(self.result(args)?))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.kind {
            Kind::ToChar | Kind::ToTimestamp => Ok(self.evaluate(&args)?),
            Kind::Timezone => Ok(at_time_zone(&args)?),
            _ => Err(DataFusionError::Internal(format!("{}() was not replaced by its value", self.name))),
        }
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = context.query_execution_start_time().filter(|_| !self.is_steady()) else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let micros = ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), None);
        let value = micros.cast_to(&self.return_type(&[])?)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }
}

/// `timezone(zone, moment)`: what the clocks of the zone show at a TIMESTAMPTZ, and when they show a TIMESTAMP.
fn at_time_zone(args: &ScalarFunctionArgs) -> Result<ColumnarValue, SqlError> {
    let [zone, moment] = args.args.as_slice() else {
        return Err(SqlError::internal("timezone() takes two arguments"));
    };
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let to_local = matches!(args.return_field.data_type(), DataType::Timestamp(_, None));
    let from = if to_local { Type::TimestampTz } else { Type::Timestamp };
    let moments = canonical(&moment.to_array(rows)?, from)?;
    let micros = moments.as_primitive::<TimestampMicrosecondType>();
    let zones = zone.to_array(if matches!(zone, ColumnarValue::Scalar(_)) { 1 } else { rows })?;
    let zones = Zones::of(&zones)?;
    let mut known: Option<(usize, Zone)> = None;
    let mut values: Vec<Option<i64>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let at = if zones.count() == 1 { 0 } else { row };
        if zones.is_null(at) || micros.is_null(row) {
            values.push(None);
            continue;
        }
        let zone = match known {
            Some((last, zone)) if last == at => zone,
            _ => zones.zone(at)?,
        };
        known = Some((at, zone));
        let micros = micros.value(row);
        values.push(Some(if to_local { zone.local(micros)? } else { zone.moment(micros)? }));
    }
    let numbers: ArrayRef = Arc::new(Int64Array::from(values));
    let result = arrow::compute::cast(&numbers, args.return_field.data_type())?;
    Ok(match constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
        false => ColumnarValue::Array(result),
    })
}

/// The zones of some rows: names, or intervals.
struct Zones {
    array: ArrayRef,
    intervals: bool,
}

impl Zones {
    fn of(array: &ArrayRef) -> Result<Zones, SqlError> {
        let intervals = matches!(array.data_type(), DataType::Interval(_));
        let ty = if intervals { Type::Interval } else { Type::Text };
        Ok(Zones { array: canonical(array, ty)?, intervals })
    }

    fn count(&self) -> usize {
        self.array.len()
    }

    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn zone(&self, row: usize) -> Result<Zone, SqlError> {
        if !self.intervals {
            return Zone::parse(self.array.as_string_view().value(row));
        }
        let interval = self.array.as_primitive::<IntervalMonthDayNanoType>().value(row);
        if interval.months != 0 || interval.days != 0 {
            let message = "interval time zone must not include months or days";
            return Err(SqlError::new(SqlState::InvalidParameter, message));
        }
        // Whole seconds, as in PostgreSQL.
        Ok(Zone::Fixed(interval.nanoseconds / 1_000_000_000 * 1_000_000))
    }
}

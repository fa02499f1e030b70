//! `string_agg` for DataFusion's executor: DataFusion's own, which is told when its text has become too large.
//!
//! What the accumulator is given is counted, or, where it may keep less than it is given (DISTINCT) or is given what
//! another has kept, what it has kept is measured before it is joined.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::string_agg::string_agg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, ReversedUDAF, Signature};
use datafusion::physical_plan::expressions::Literal;
use expr::LARGEST_VALUE;

use crate::bounded::{text_bytes, too_large};

/// The function.
pub(crate) fn aggregate() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Joined { inner: string_agg_udaf() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Joined {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let between = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
        let between = between.and_then(|literal| literal.value().try_as_str().flatten()).map_or(0, str::len);
        let simple = !args.is_distinct && args.order_bys.is_empty();
        let inner = self.inner.accumulator(args)?;
        Ok(Box::new(Text { inner, between, simple, bytes: 0 }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Reversed(aggregate())
    }
}

/// One text that grows.
#[derive(Debug)]
struct Text {
    inner: Box<dyn Accumulator>,
    /// The bytes that stand between two values.
    between: usize,
    /// Whether values are joined as they come, rather than kept and joined at the end.
    simple: bool,
    /// The bytes of what is joined already, and of one more separator.
    bytes: usize,
}

impl Text {
    fn grow(&mut self, values: &ArrayRef) -> Result<()> {
        if self.simple {
            self.bytes = self.bytes.saturating_add(size(values, self.between));
            check(self.bytes, self.between)?;
        }
        Ok(())
    }
}

impl Accumulator for Text {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.grow(&values[0])?;
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.grow(&states[0])?;
        self.inner.merge_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.simple
            && let Some(ScalarValue::List(list)) = self.inner.state()?.first()
        {
            check(size(list.values(), self.between), self.between)?;
        }
        self.inner.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn size(&self) -> usize {
        size_of::<Text>() + self.inner.size()
    }
}

/// The bytes of texts, each with a separator.
fn size(values: &ArrayRef, between: usize) -> usize {
    let separators = (values.len() - values.null_count()).saturating_mul(between);
    text_bytes(values).unwrap_or(0).saturating_add(separators)
}

fn check(bytes: usize, between: usize) -> Result<()> {
    if bytes.saturating_sub(between) > LARGEST_VALUE {
        return Err(too_large().into());
    }
    Ok(())
}

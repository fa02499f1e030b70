//! A scalar subquery may find no row, and is NULL then, whatever its column promises.
//!
//! DataFusion gives the subquery the nullability of its column, so over a NOT NULL column `(SELECT …) IS NULL` becomes
//! false and a row that is not there an error. This analyzer rule puts the column through a call that gives back what
//! it is given and whose type is nullable; expressions that become circuits have it as a CASE without ELSE.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use crate::rules::rewrite_expressions;

/// The call's name, which no user can write.
pub(crate) const NAME: &str = "gnitz optional";

/// The rule.
#[derive(Debug)]
pub(crate) struct OptionalSubqueries;

impl AnalyzerRule for OptionalSubqueries {
    fn name(&self) -> &str {
        "optional_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, |expr, _| expr.transform_up(optional))
    }
}

fn optional(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarSubquery(subquery) if may_be_missing(&subquery.subquery) => {
            let plan = nullable(&subquery.subquery)?;
            Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether its column promises to be there, and its row need not be.
fn may_be_missing(plan: &LogicalPlan) -> bool {
    let fields = plan.schema().fields();
    fields.len() == 1 && !fields[0].is_nullable() && !has_one_row(plan)
}

fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => has_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(relation) => relation.produce_one_row,
        _ => false,
    }
}

fn nullable(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let (qualifier, field) = plan.schema().qualified_field(0);
    let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
    let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Optional::new())), vec![column]);
    let named = Expr::ScalarFunction(call).alias_qualified(qualifier.cloned(), field.name());
    LogicalPlanBuilder::from(plan.clone()).project([named])?.build()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Optional {
    signature: Signature,
}

impl Optional {
    fn new() -> Optional {
        Optional { signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn alone() -> DataFusionError {
    DataFusionError::Internal(format!("{NAME} takes one argument"))
}

impl ScalarUDFImpl for Optional {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        args.first().cloned().ok_or_else(alone)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = args.arg_fields.first().ok_or_else(alone)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.into_iter().next().ok_or_else(alone)
    }
}

//! How many rows a query's operators work on at once.
//!
//! An operator makes a batch of some thousand rows in one go, whatever they weigh: a constant of three megabytes beside
//! each of them would be 24 GB before anybody counted. So the larger the constants of a plan and the rows of its
//! tables are, the fewer rows its batches have.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use expr::{LARGEST_COLUMN, LARGEST_SLICE, LARGEST_VALUE};

use crate::catalog::{Snapshot, TableKind};
use crate::error::SqlError;
use crate::table::Relation;

/// Constants of so many bytes are not looked at: a list may have very many.
const SMALL: usize = 1 << 10;

/// Rows of a batch where nothing is large.
pub(crate) const ROWS: usize = 8192;

/// So many of the largest values are no more than a column may have.
pub(crate) const FEWEST: usize = LARGEST_COLUMN / LARGEST_VALUE / 2;

/// How many rows a batch may have if that were too many.
pub(crate) fn fewer(rows: usize) -> usize {
    (rows / 32).max(FEWEST)
}

/// How many rows a batch of this plan may have.
pub(crate) fn rows_at_once(plan: &LogicalPlan, snapshot: &dyn Snapshot) -> Result<usize, SqlError> {
    let mut bytes = 0_usize;
    plan.apply_with_subqueries(|node| {
        // System tables have small rows, which are computed whenever they are asked for.
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = Relation::of(&scan.source)
            && table.kind != TableKind::System
        {
            let (rows, size) = snapshot.size(table.id);
            bytes = bytes.saturating_add(size / rows.max(1));
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::Literal(value, _) = part
                    && value.size() > SMALL
                {
                    bytes = bytes.saturating_add(value.size());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok((LARGEST_SLICE / bytes.max(1)).clamp(1, ROWS))
}

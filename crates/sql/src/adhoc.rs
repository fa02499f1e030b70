//! Running a query once: from a bound plan to record batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::catalog::Snapshot;
use crate::error::SqlError;
use crate::scan::Running;
use crate::session::Session;
use crate::types::{canonical_batch, canonical_schema};
use crate::watch::watch;

/// How often a running query looks whether it was cancelled, where its scans do not.
const TICK: Duration = Duration::from_millis(20);

/// The answer of a query.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, in order.
    pub batches: Vec<RecordBatch>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where queries run.
pub(crate) struct Executor {
    runtime: Runtime,
}

impl Executor {
    pub(crate) fn new() -> std::io::Result<Executor> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("gnitz-query").enable_time().build()?;
        Ok(Executor { runtime })
    }

    /// Runs an optimised plan over a snapshot.
    pub(crate) fn run(
        &self,
        session: &Arc<Session>,
        plan: &LogicalPlan,
        snapshot: &Arc<dyn Snapshot>,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Rows, SqlError> {
        let running = Running { snapshot: Arc::clone(snapshot), cancel: Arc::clone(cancel) };
        running.check()?;
        if Handle::try_current().is_err() {
            return self.runtime.block_on(collect(Arc::clone(session), plan.clone(), Arc::new(running)));
        }
        // The caller is a task of some runtime and must not drive another: it waits for ours.
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let work = collect(Arc::clone(session), plan.clone(), Arc::new(running));
        self.runtime.spawn(async move {
            let _ = send.send(work.await);
        });
        receive.recv().unwrap_or_else(|_| Err(SqlError::internal("the query's task ended without an answer")))
    }
}

async fn collect(session: Arc<Session>, plan: LogicalPlan, running: Arc<Running>) -> Result<Rows, SqlError> {
    let state = session.state();
    let physical = watch(state.query_planner().create_physical_plan(&plan, state).await?)?;
    let config = state.config().clone().with_extension(Arc::clone(&running));
    // The plan holds its functions; the context is asked for none.
    let context = TaskContext::new(
        None,
        state.session_id().to_string(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::clone(state.runtime_env()),
    );
    drain(physical, Arc::new(context), &running).await
}

async fn drain(
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    running: &Running,
) -> Result<Rows, SqlError> {
    let schema = canonical_schema(&physical.schema());
    let mut stream = execute_stream(physical, context)?;
    let mut batches = Vec::new();
    loop {
        match tokio::time::timeout(TICK, stream.next()).await {
            Ok(Some(batch)) => {
                let batch = batch?;
                if batch.num_rows() > 0 {
                    batches.push(canonical_batch(batch, &schema)?);
                }
            }
            Ok(None) => return Ok(Rows { schema, batches }),
            Err(_) => {}
        }
        running.check()?;
    }
}

/// Whether a plan asks for something that differs from one run to the next: `now()`, `random()`.
pub(crate) fn depends_on_the_moment(plan: &LogicalPlan) -> Result<bool, SqlError> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|part| Ok(is_unsteady(part)))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

fn is_unsteady(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable)
}

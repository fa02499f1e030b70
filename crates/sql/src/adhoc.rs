//! Running a query once: from a bound plan to record batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use expr::COLUMN_FULL;
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::catalog::Snapshot;
use crate::error::SqlError;
use crate::portion::{FEWEST, ROWS, fewer, rows_at_once};
use crate::scan::Running;
use crate::session::Session;
use crate::types::{canonical_batch, canonical_schema};
use crate::watch::watch;

/// How often a running query looks whether it was cancelled, where its scans do not.
const TICK: Duration = Duration::from_millis(20);

/// Bytes of temporary files that one query may write; more than that fails like memory that is not there.
const SPILL: u64 = 8 << 30;

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

/// Where queries run: each on the thread of its caller, so that one that takes long is in no other's way. The runtime
/// is for timers, and for what operators start beside themselves.
pub(crate) struct Executor {
    runtime: Runtime,
}

impl Executor {
    pub(crate) fn new() -> std::io::Result<Executor> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_name("gnitz-query").enable_time().build()?;
        Ok(Executor { runtime })
    }

    /// Runs an optimised plan over a snapshot. What its operators keep and its answer may take so many bytes.
    pub(crate) fn run(
        &self,
        session: &Arc<Session>,
        plan: &LogicalPlan,
        snapshot: &Arc<dyn Snapshot>,
        cancel: &Arc<AtomicBool>,
        memory: usize,
    ) -> Result<Rows, SqlError> {
        let running = Running { snapshot: Arc::clone(snapshot), cancel: Arc::clone(cancel) };
        running.check()?;
        let _timers = self.runtime.enter();
        let running = Arc::new(running);
        let mut at_once = rows_at_once(plan, snapshot.as_ref())?;
        loop {
            // Not the runtime's own way to wait, which a caller that is a task of some runtime must not take.
            let collected = collect(session, plan, Arc::clone(&running), (memory, at_once));
            match futures::executor::block_on(collected) {
                // What functions come to is known once they have been called. Nothing was given out yet.
                Err(error) if error.message == COLUMN_FULL && at_once > FEWEST => at_once = fewer(at_once),
                answer => return answer,
            }
        }
    }
}

async fn collect(
    session: &Session,
    plan: &LogicalPlan,
    running: Arc<Running>,
    (memory, at_once): (usize, usize),
) -> Result<Rows, SqlError> {
    let few;
    let state = match at_once {
        ROWS => session.state(),
        _ => {
            few = session.in_portions(at_once);
            &few
        }
    };
    let physical = watch(state.query_planner().create_physical_plan(plan, state).await?, &running)?;
    let config = state.config().clone().with_extension(Arc::clone(&running));
    // Sorts and groups that do not fit go to temporary files; other operators have no such way and end the query.
    let shared = state.runtime_env();
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory));
    let answer = MemoryConsumer::new("the answer").register(&pool);
    let runtime = RuntimeEnv {
        memory_pool: pool,
        disk_manager: Arc::new(DiskManagerBuilder::default().with_max_temp_directory_size(SPILL).build()?),
        cache_manager: Arc::clone(&shared.cache_manager),
        object_store_registry: Arc::clone(&shared.object_store_registry),
    };
    // The plan holds its functions; the context is asked for none.
    let context = TaskContext::new(
        None,
        state.session_id().to_string(),
        config,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(runtime),
    );
    drain(physical, Arc::new(context), &running, &answer).await
}

async fn drain(
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    running: &Running,
    answer: &MemoryReservation,
) -> Result<Rows, SqlError> {
    let schema = canonical_schema(&physical.schema());
    let mut stream = execute_stream(physical, context)?;
    let mut batches = Vec::new();
    loop {
        match tokio::time::timeout(TICK, stream.next()).await {
            Ok(Some(batch)) => {
                let batch = batch?;
                if batch.num_rows() > 0 {
                    answer.try_grow(bytes(&batch)?)?;
                    batches.push(canonical_batch(batch, &schema)?);
                }
            }
            Ok(None) => return Ok(Rows { schema, batches }),
            Err(_) => {}
        }
        running.check()?;
    }
}

/// The bytes of a batch's own rows: many batches may be slices of the same memory.
fn bytes(batch: &RecordBatch) -> Result<usize, SqlError> {
    let column = |column: &ArrayRef| {
        // Of texts that are kept elsewhere only the places count as the slice's.
        let texts = match column.data_type() {
            DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
            _ => 0,
        };
        Ok(texts + column.to_data().get_slice_memory_size()?)
    };
    batch.columns().iter().map(column).sum()
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

//! What the server counts, for Prometheus: one set of metrics for both protocols.
//!
//! Labels have few values each (a protocol, a kind of statement, a SQLSTATE's class), so that the number of series
//! stays small whatever clients send.

mod process;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use gnitz::Database;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Label = (&'static str, Cow<'static, str>);
type Counters<const N: usize> = Family<[Label; N], Counter>;
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// The metrics of one server. Clones count the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    statements: Counters<3>,
    statement_seconds: Histograms,
    commits: Counter,
    commit_seconds: Histogram,
    requests: Counters<3>,
    request_seconds: Histograms,
    connections: Family<[Label; 1], Gauge>,
    accepted: Counters<1>,
    subscriptions: Family<[Label; 1], Gauge>,
    disconnected: Counter,
    rows: Counters<2>,
    bytes: Counters<2>,
    failed_logins: Counters<1>,
}

/// A statement that has ended, as metrics see it.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// How it came: `http`, `pg`.
    pub protocol: &'static str,
    /// What it does: [`crate::logging::kind`].
    pub kind: &'static str,
    /// `00000`, or what went wrong.
    pub sqlstate: &'a str,
    /// How long it took.
    pub took: Duration,
    /// Whether it was, or ended with, a commit of changes.
    pub committed: bool,
}

/// Seconds from a tenth of a millisecond to over a minute.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

impl Metrics {
    /// Metrics that begin at zero; what the database says of itself is asked at each [`Metrics::text`].
    pub fn new(database: &Database) -> Metrics {
        let mut registry = Registry::with_prefix("gnitz");
        let mut made = Metrics {
            registry: Arc::default(),
            statements: Family::default(),
            statement_seconds: Family::new_with_constructor(latencies),
            commits: Counter::default(),
            commit_seconds: latencies(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(latencies),
            connections: Family::default(),
            accepted: Family::default(),
            subscriptions: Family::default(),
            disconnected: Counter::default(),
            rows: Family::default(),
            bytes: Family::default(),
            failed_logins: Family::default(),
        };
        made.register(&mut registry);
        registry.register_collector(Box::new(process::Process::new(database.clone())));
        made.registry = Arc::new(registry);
        made
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("statements", "Statements by kind and class of SQLSTATE", self.statements.clone());
        registry.register_with_unit(
            "statement_duration",
            "How long statements took",
            Unit::Seconds,
            self.statement_seconds.clone(),
        );
        registry.register("commits", "Commits made for clients", self.commits.clone());
        registry.register_with_unit(
            "commit_duration",
            "How long statements took that committed changes",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register("http_requests", "Requests by route, method and status", self.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "How long requests took until their answers began",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_accepted", "Connections accepted", self.accepted.clone());
        registry.register("subscriptions", "Open streams of changes", self.subscriptions.clone());
        registry.register(
            "subscriptions_disconnected",
            "Streams of changes that were ended because their client did not read",
            self.disconnected.clone(),
        );
        registry.register("rows", "Rows read and written for clients", self.rows.clone());
        registry.register("bytes", "Bytes received from and sent to clients", self.bytes.clone());
        registry.register("failed_logins", "Logins that were refused", self.failed_logins.clone());
    }

    /// All metrics in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let written = encode(&mut text, &self.registry);
        debug_assert!(written.is_ok(), "a string takes any text");
        text
    }

    /// Counts a statement.
    pub fn statement(&self, statement: &Statement<'_>) {
        let class = match statement.sqlstate {
            "00000" => "00".into(),
            other => other.get(..2).unwrap_or("XX").to_string().into(),
        };
        let protocol = ("protocol", statement.protocol.into());
        let kind = ("kind", statement.kind.into());
        self.statements.get_or_create(&[protocol.clone(), kind, ("sqlstate_class", class)]).inc();
        let seconds = statement.took.as_secs_f64();
        self.statement_seconds.get_or_create(&[protocol]).observe(seconds);
        if statement.committed {
            self.commits.inc();
            self.commit_seconds.observe(seconds);
        }
    }

    /// Counts a request over HTTP; `route` is the route's pattern and not the path.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let route = ("route", route.to_string().into());
        let labels =
            [route.clone(), ("method", method.to_string().into()), ("status", status.to_string().into())];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&[route]).observe(took.as_secs_f64());
    }

    /// Counts a connection as open until what is returned drops.
    pub fn connection(&self, protocol: &'static str) -> Held {
        let label = [("protocol", protocol.into())];
        self.accepted.get_or_create(&label).inc();
        Held::new(self.connections.get_or_create_owned(&label))
    }

    /// Counts a stream of changes as open until what is returned drops.
    pub fn subscription(&self, transport: &'static str) -> Held {
        Held::new(self.subscriptions.get_or_create_owned(&[("transport", transport.into())]))
    }

    /// Counts a stream that was ended because its client did not read.
    pub fn disconnected(&self) {
        self.disconnected.inc();
    }

    /// Counts rows; the direction is `read` or `written`.
    pub fn rows(&self, protocol: &'static str, direction: &'static str, rows: u64) {
        add(&self.rows, protocol, direction, rows);
    }

    /// Counts bytes; the direction is `in` or `out`.
    pub fn bytes(&self, protocol: &'static str, direction: &'static str, bytes: u64) {
        add(&self.bytes, protocol, direction, bytes);
    }

    /// The counter that [`Metrics::bytes`] adds to, for those who count often.
    pub fn byte_counter(&self, protocol: &'static str, direction: &'static str) -> Counter {
        let labels = [("protocol", protocol.into()), ("direction", direction.into())];
        self.bytes.get_or_create_owned(&labels)
    }

    /// Counts a login that was refused.
    pub fn failed_login(&self, protocol: &'static str) {
        self.failed_logins.get_or_create(&[("protocol", protocol.into())]).inc();
    }
}

fn add(counters: &Counters<2>, protocol: &'static str, direction: &'static str, count: u64) {
    if count == 0 {
        return;
    }
    let labels = [("protocol", protocol.into()), ("direction", direction.into())];
    counters.get_or_create(&labels).inc_by(count);
}

/// One more in a gauge, for as long as it lives.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    fn new(gauge: Gauge) -> Held {
        gauge.inc();
        Held(gauge)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let database = Database::in_memory().unwrap();
        let metrics = Metrics::new(&database);
        let statement = Statement {
            protocol: "http",
            kind: "insert",
            sqlstate: "23505",
            took: Duration::from_millis(3),
            committed: false,
        };
        metrics.statement(&statement);
        metrics.statement(&Statement { sqlstate: "00000", committed: true, ..statement });
        metrics.rows("pg", "written", 5);
        let held = metrics.connection("pg");
        let text = metrics.text();
        for line in [
            "gnitz_statements_total{protocol=\"http\",kind=\"insert\",sqlstate_class=\"23\"} 1",
            "gnitz_commits_total 1",
            "gnitz_commit_duration_seconds_count 1",
            "gnitz_rows_total{protocol=\"pg\",direction=\"written\"} 5",
            "gnitz_connections{protocol=\"pg\"} 1",
            "gnitz_epoch 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        drop(held);
        assert!(metrics.text().contains("gnitz_connections{protocol=\"pg\"} 0"));
    }
}

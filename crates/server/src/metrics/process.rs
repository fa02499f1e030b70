//! What is asked at each scrape instead of counted: the database's size and the process's.

use std::fmt::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use gnitz::Database;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

/// Asks a database and the system.
pub(super) struct Process {
    database: Database,
    started: f64,
}

impl Process {
    pub(super) fn new(database: Database) -> Process {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Process { database, started: now.as_secs_f64() }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut gauge = |name: &str, help: &str, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let writable = self.database.check_writable().is_ok();
        gauge("writable", "Whether the database takes commits", i64::from(writable))?;
        let full = self.database.full().is_some();
        gauge(
            "disk_full",
            "Whether the last commit, or a checkpoint that is due, found no space on the disk",
            i64::from(full),
        )?;
        if let Ok(stats) = self.database.stats() {
            gauge("epoch", "The epoch that readers see: commits ever made", signed(stats.epoch))?;
            gauge("log_bytes", "Bytes of log since the last checkpoint", signed(stats.log_bytes))?;
            gauge(
                "unwritten_bytes",
                "Bytes of rows in memory that no checkpoint has written yet",
                signed(stats.memory_bytes),
            )?;
        }
        if let Some(bytes) = resident_bytes() {
            gauge("process_resident_memory_bytes", "Memory that the process occupies", signed(bytes))?;
        }
        gauge("process_start_time_seconds", "When the process began to serve", self.started as i64)
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What Linux says; nothing elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

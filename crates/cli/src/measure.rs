//! What is measured: latencies with their percentiles, processor time, resident memory.

use std::time::Duration;

/// Latencies of single operations.
#[derive(Default)]
pub struct Latencies {
    nanoseconds: Vec<u64>,
    sorted: bool,
}

impl Latencies {
    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        self.nanoseconds.push(latency.as_nanos() as u64);
        self.sorted = false;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nanoseconds.len()
    }

    /// The latency, in microseconds, that this share of all is not above (nearest rank); 0 without any.
    pub fn quantile(&mut self, share: f64) -> f64 {
        if !self.sorted {
            self.nanoseconds.sort_unstable();
            self.sorted = true;
        }
        let rank = (share * self.nanoseconds.len() as f64).ceil() as usize;
        self.nanoseconds.get(rank.saturating_sub(1)).map_or(0.0, |ns| *ns as f64 / 1e3)
    }
}

/// Processor time that all threads of this process have used, in seconds. Zero where the system does not tell.
pub fn cpu_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let nanoseconds: u64 = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next().and_then(|first| first.parse::<u64>().ok()))
        .sum();
    nanoseconds as f64 / 1e9
}

/// Resident memory of this process in bytes. Zero where the system does not tell.
pub fn resident_bytes() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib =
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A number with thousands set apart, for reading.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A latency in microseconds with a unit that fits it.
pub fn duration(microseconds: f64) -> String {
    match microseconds {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut latencies = Latencies::default();
        for us in (1..=100).rev() {
            latencies.add(Duration::from_micros(us));
        }
        assert_eq!(
            (latencies.quantile(0.5), latencies.quantile(0.99), latencies.quantile(1.0)),
            (50.0, 99.0, 100.0)
        );
        assert_eq!(Latencies::default().quantile(0.5), 0.0);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}

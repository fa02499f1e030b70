//! Runs numbered jobs on every core and stops at the first that fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Runs `job` for each number below `count`; its results in no particular order, or the failure of the lowest
/// number that failed before the others stopped.
pub fn run<T: Send>(count: u64, job: impl Fn(u64) -> Result<T, String> + Sync) -> Result<Vec<T>, String> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let results = Mutex::new(Vec::new());
    let failure: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            match job(number) {
                Ok(result) => results.lock().expect("no job panics while it holds this").push(result),
                Err(message) => {
                    stop.store(true, Ordering::Relaxed);
                    let mut failure = failure.lock().expect("no job panics while it holds this");
                    if failure.as_ref().is_none_or(|(first, _)| number < *first) {
                        *failure = Some((number, message));
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers() {
            scope.spawn(work);
        }
    });
    match failure.into_inner().expect("every worker has ended") {
        Some((_, message)) => Err(message),
        None => Ok(results.into_inner().expect("every worker has ended")),
    }
}

/// One worker a core.
pub fn workers() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_number_is_run_once_and_a_failure_is_told() {
        let mut numbers = super::run(100, Ok).unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
        let failure = super::run(100, |number| if number == 7 { Err("seven".to_owned()) } else { Ok(()) });
        assert_eq!(failure, Err("seven".to_owned()));
    }
}

//! Limits on the log: the rate of similar lines, and the length of each line.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tracing::warn;

/// The maximum length of a line in bytes. Only lines with errors whose text volcheck does not
/// control can exceed it.
const MAX_LINE: usize = 16 << 10;

/// The number of groups into which namespaces are divided. If many lines are about one namespace,
/// only lines about namespaces of the same group are suppressed.
const NAMESPACE_GROUPS: u64 = 64;

/// The maximum rate of lines of one kind about one group of namespaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// The maximum number of lines at once.
    pub(super) burst: f64,
    /// The maximum number of lines per second in the long term.
    pub(super) per_second: f64,
}

/// Limits the rate of similar lines, and counts the suppressed ones.
#[derive(Default)]
pub(super) struct LogLimiter {
    hasher: RandomState,
    buckets: Mutex<BTreeMap<(&'static str, u64), Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled_at: Instant,
    suppressed: u64,
}

impl LogLimiter {
    /// Checks whether to log another line of the kind `kind` about `namespace`, which is empty if
    /// the line is about no namespace.
    pub(super) fn admits(&self, kind: &'static str, namespace: &str, rate: Rate) -> bool {
        let now = Instant::now();
        let group = match namespace {
            "" => NAMESPACE_GROUPS,
            _ => self.hasher.hash_one(namespace) % NAMESPACE_GROUPS,
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: rate.burst, filled_at: now, suppressed: 0 };
        let bucket = buckets.entry((kind, group)).or_insert(full);
        let refill = now.duration_since(bucket.filled_at).as_secs_f64() * rate.per_second;
        bucket.tokens = (bucket.tokens + refill).min(rate.burst);
        bucket.filled_at = now;
        if bucket.tokens < 1.0 {
            bucket.suppressed += 1;
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Logs the number of suppressed lines of each kind since the last call.
    pub(super) fn report_suppressed(&self) {
        let mut counts = BTreeMap::<&str, u64>::new();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for ((kind, _), bucket) in &mut *buckets {
            *counts.entry(kind).or_default() += std::mem::take(&mut bucket.suppressed);
        }
        drop(buckets);
        for (line, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            warn!(line, count, "similar log lines were suppressed");
        }
    }
}

/// A writer to standard error that replaces lines above the maximum length.
#[derive(Clone, Copy, Debug)]
pub struct LogWriter {
    /// Whether lines are JSON objects.
    pub is_json: bool,
}

impl Write for LogWriter {
    /// Writes one line. `tracing_subscriber` passes each line in a single call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        match shortened(line, self.is_json) {
            None => stderr.write_all(line)?,
            Some(shortened) => stderr.write_all(shortened.as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Returns the replacement of a line above the maximum length, and `None` for other lines.
fn shortened(line: &[u8], is_json: bool) -> Option<String> {
    // JSON escape sequences can make the start up to six times longer.
    let start = String::from_utf8_lossy(&line.get(..=MAX_LINE)?[..MAX_LINE / 8]);
    Some(match is_json {
        true => {
            let line = serde_json::json!({ "level": "WARN", "message": "log line too long", "start": start });
            format!("{line}\n")
        }
        false => format!("{start}…\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2.0, per_second: 1.0 };

    #[test]
    fn suppresses_and_counts_similar_lines() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let limiter = LogLimiter::default();
            let admitted = || (0..10).filter(|_| limiter.admits("denied", "", RATE)).count();
            assert_eq!(admitted(), 2);
            tokio::time::advance(std::time::Duration::from_millis(1500)).await;
            assert_eq!(admitted(), 1);
            let suppressed = || {
                limiter.buckets.lock().expect("a lock").values().map(|bucket| bucket.suppressed).sum::<u64>()
            };
            assert_eq!(suppressed(), 17_u64);
            limiter.report_suppressed();
            assert_eq!(suppressed(), 0_u64);
            assert!(limiter.admits("failed", "", RATE), "lines of another kind");
            assert!(limiter.admits("denied", "shop", RATE), "lines about a namespace");
        });
    }

    #[test]
    fn memory_does_not_depend_on_the_number_of_namespaces() {
        let limiter = LogLimiter::default();
        for number in 0..10_000 {
            limiter.admits("denied", &number.to_string(), RATE);
        }
        assert_eq!(limiter.buckets.lock().expect("a lock").len(), 64);
    }

    #[test]
    fn long_lines_are_shortened_and_stay_valid() {
        assert_eq!(shortened(b"{}\n", true), None);
        let long = "\u{1b}".repeat(1 << 20);
        let json = shortened(long.as_bytes(), true).expect("a line");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok() && json.len() < MAX_LINE);
        assert!(shortened(long.as_bytes(), false).expect("a line").len() < MAX_LINE);
    }
}

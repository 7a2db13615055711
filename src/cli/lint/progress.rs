//! The progress line of long runs.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::cli::eprint;
use crate::report::counted;

/// The delay before the line appears. Most runs finish earlier.
const DELAY: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);

/// Runs `work` and returns its result. `work` increments the counter for each finished input. Shows
/// the counter while `work` runs if standard error is a terminal.
pub(super) fn with_progress<T>(total: usize, work: impl FnOnce(&AtomicUsize) -> T) -> T {
    let done = AtomicUsize::new(0);
    if !io::stderr().is_terminal() {
        return work(&done);
    }
    let (finished, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut wait = DELAY;
            while waiting.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                eprint(&format!("\r{} of {}", done.load(Ordering::Relaxed), counted(total, "input")));
                wait = INTERVAL;
            }
            if wait == INTERVAL {
                eprint("\r\x1b[K");
            }
        });
        let result = work(done);
        drop(finished);
        result
    })
}

//! A line on the terminal while a run takes long.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::cli::complain;

/// Nothing is shown before this: most runs are over by then.
const PATIENCE: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);

/// Runs `work`, which counts the files that it has done; shows the count where somebody looks.
pub(super) fn shown<T>(total: usize, work: impl FnOnce(&AtomicUsize) -> T) -> T {
    let done = AtomicUsize::new(0);
    if !io::stderr().is_terminal() {
        return work(&done);
    }
    let (finished, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut wait = PATIENCE;
            while waiting.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                complain(&format!("\r{} of {total} files", done.load(Ordering::Relaxed)));
                wait = INTERVAL;
            }
            if wait == INTERVAL {
                complain("\r\x1b[K");
            }
        });
        let result = work(done);
        drop(finished);
        result
    })
}

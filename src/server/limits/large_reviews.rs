//! A limit on large reviews, which are checked off the worker threads.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};

/// How many large reviews are checked concurrently.
const MAX_CONCURRENT: usize = 2;

/// How many large reviews may wait. Further ones are rejected, and the API server retries.
const MAX_QUEUED: usize = 32;

/// Limits how many large reviews are checked concurrently, with a bounded queue.
pub(crate) struct LargeReviewLimiter {
    running: Arc<Semaphore>,
    queue: Semaphore,
}

impl Default for LargeReviewLimiter {
    fn default() -> Self {
        Self::new(MAX_CONCURRENT, MAX_QUEUED)
    }
}

impl LargeReviewLimiter {
    fn new(concurrent: usize, queued: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(concurrent)), queue: Semaphore::new(queued) }
    }

    /// Waits for a permit to check a large review. Returns `None` if the queue is full or no permit
    /// is available by `deadline`.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Some(permit);
        }
        // Also released if the client disconnects while waiting.
        let _queued = self.queue.try_acquire().ok()?;
        time::timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn cancelled_reviews_leave_the_queue() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let limiter = LargeReviewLimiter::new(1, 1);
            let soon = || Instant::now() + Duration::from_millis(1);
            let running = limiter.acquire(soon()).await.expect("a permit");
            for _ in 0..3 {
                // Polled once and dropped, as the server does when the connection closes.
                let later = Instant::now() + Duration::from_secs(3600);
                assert!(time::timeout(Duration::ZERO, limiter.acquire(later)).await.is_err());
            }
            assert_eq!(limiter.queue.available_permits(), 1);
            assert!(limiter.acquire(soon()).await.is_none(), "the deadline passes");
            let queued = limiter.queue.try_acquire().expect("a place in the queue");
            assert!(
                limiter.acquire(Instant::now() + Duration::from_secs(3600)).await.is_none(),
                "the queue is full"
            );
            drop((running, queued));
            assert!(limiter.acquire(soon()).await.is_some());
        });
    }
}

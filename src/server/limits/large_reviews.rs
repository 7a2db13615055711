//! A limit on concurrent large reviews, which are checked on blocking threads.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};

/// The maximum number of large reviews that are checked concurrently.
const MAX_CONCURRENT: usize = 2;

/// The maximum number of large reviews that wait for a permit. Further ones are rejected, and the
/// API server retries them.
const MAX_QUEUED: usize = 32;

/// Limits the number of large reviews that are checked concurrently. Further ones wait in a bounded
/// queue.
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
    fn new(max_concurrent: usize, max_queued: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(max_concurrent)), queue: Semaphore::new(max_queued) }
    }

    /// Waits for a permit to check a large review. Returns `None` if the queue is full or no permit
    /// is available by `deadline`.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Some(permit);
        }
        // If the client disconnects during the wait, this permit is dropped with the future.
        let _queued = self.queue.try_acquire().ok()?;
        time::timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn canceled_reviews_leave_the_queue() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let limiter = LargeReviewLimiter::new(1, 1);
            let soon = || Instant::now() + Duration::from_millis(1);
            let running = limiter.acquire(soon()).await.expect("a permit");
            for _ in 0..3 {
                // Poll once and drop, as the server does when the connection closes.
                let later = Instant::now() + Duration::from_secs(3600);
                assert!(time::timeout(Duration::ZERO, limiter.acquire(later)).await.is_err());
            }
            assert_eq!(limiter.queue.available_permits(), 1);
            assert!(limiter.acquire(soon()).await.is_none(), "the deadline passes");
            let queued = limiter.queue.try_acquire().expect("a permit for the queue");
            assert!(
                limiter.acquire(Instant::now() + Duration::from_secs(3600)).await.is_none(),
                "the queue is full"
            );
            drop((running, queued));
            assert!(limiter.acquire(soon()).await.is_some());
        });
    }
}

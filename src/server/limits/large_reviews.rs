//! A limit on concurrent checks of large reviews, which run on blocking threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{self, Instant};

use super::ClientId;

/// The maximum number of large reviews that are checked concurrently.
const MAX_CONCURRENT: usize = 2;

/// The maximum memory, in bytes, for the concurrent checks. A check that needs more runs alone.
const MAX_MEMORY: usize = 24 << 20;

/// The maximum number of large reviews that wait for a permit.
const MAX_QUEUED: usize = 32;

/// Limits the number of large reviews that are checked concurrently. Further ones wait in a bounded
/// queue. Clients take turns: a client with several waiting reviews does not delay the first review
/// of another client.
pub(crate) struct LargeReviewLimiter {
    max_concurrent: usize,
    max_queued: usize,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    running: usize,
    /// The maximum memory that the running checks need, in bytes.
    memory: usize,
    /// The waiting reviews, oldest first.
    waiting: Vec<Waiter>,
    /// The number of permits that waiting reviews have got.
    issued: u64,
    /// The value of `issued` when a client with waiting reviews last got a permit.
    last_issued: HashMap<ClientId, u64>,
}

struct Waiter {
    client: ClientId,
    /// The maximum memory that the check needs, in bytes.
    memory: usize,
    permit: oneshot::Sender<LargeReviewPermit>,
}

/// A permit to check a large review. Dropping it starts the next reviews.
pub(crate) struct LargeReviewPermit {
    limiter: Arc<LargeReviewLimiter>,
    memory: usize,
}

impl LargeReviewLimiter {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_limits(MAX_CONCURRENT, MAX_QUEUED)
    }

    fn with_limits(max_concurrent: usize, max_queued: usize) -> Arc<Self> {
        Arc::new(Self { max_concurrent, max_queued, state: Mutex::default() })
    }

    /// Waits for a permit to check a large review of `client`. The check needs up to `memory`
    /// bytes.
    ///
    /// If the queue is full, the newest review of the client with the most waiting reviews is
    /// removed to make room. If `client` would then have the most, no review is removed.
    ///
    /// Returns `None` if the queue stays full, if this review is removed from the queue later, or
    /// if no permit is available by `deadline`.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        client: ClientId,
        memory: usize,
        deadline: Instant,
    ) -> Option<LargeReviewPermit> {
        let permit = {
            let mut state = self.lock();
            state.waiting.retain(|waiter| !waiter.permit.is_closed());
            if state.waiting.is_empty() && state.try_start(memory, self.max_concurrent) {
                return Some(LargeReviewPermit { limiter: Arc::clone(self), memory });
            }
            if state.waiting.len() >= self.max_queued && !state.remove_of_largest_client(client) {
                return None;
            }
            let (sender, permit) = oneshot::channel();
            state.waiting.push(Waiter { client, memory, permit: sender });
            permit
        };
        time::timeout_at(deadline, permit).await.ok()?.ok()
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    /// Counts a check that needs up to `memory` bytes as running if the limits allow it. Returns
    /// false otherwise.
    fn try_start(&mut self, memory: usize, max_concurrent: usize) -> bool {
        let fits = self.running == 0 || self.memory + memory <= MAX_MEMORY;
        if self.running >= max_concurrent || !fits {
            return false;
        }
        self.running += 1;
        self.memory += memory;
        true
    }

    /// Removes the newest review of the client with the most waiting reviews. Returns false, and
    /// removes nothing, if `client` would then have the most.
    fn remove_of_largest_client(&mut self, client: ClientId) -> bool {
        let count = |of: ClientId| self.waiting.iter().filter(|waiter| waiter.client == of).count();
        let largest = self.waiting.iter().map(|waiter| waiter.client).max_by_key(|client| count(*client));
        let Some(largest) = largest.filter(|largest| count(*largest) > count(client) + 1) else {
            return false;
        };
        if let Some(index) = self.waiting.iter().rposition(|waiter| waiter.client == largest) {
            self.waiting.remove(index);
        }
        true
    }

    /// Starts and removes the next review: the oldest one of the client whose last permit is the
    /// longest ago. Returns `None` if there is none, or if it cannot start yet.
    fn start_next(&mut self, max_concurrent: usize) -> Option<Waiter> {
        let last = |waiter: &Waiter| self.last_issued.get(&waiter.client).copied().unwrap_or_default();
        let index = (0..self.waiting.len()).min_by_key(|index| last(&self.waiting[*index]))?;
        if !self.try_start(self.waiting[index].memory, max_concurrent) {
            return None;
        }
        let waiter = self.waiting.remove(index);
        self.issued += 1;
        self.last_issued.insert(waiter.client, self.issued);
        let waiting = &self.waiting;
        self.last_issued.retain(|client, _| waiting.iter().any(|waiter| waiter.client == *client));
        Some(waiter)
    }
}

impl Drop for LargeReviewPermit {
    fn drop(&mut self) {
        let limiter = &self.limiter;
        let mut started = Vec::new();
        {
            let mut state = limiter.lock();
            state.running -= 1;
            state.memory -= self.memory;
            while let Some(waiter) = state.start_next(limiter.max_concurrent) {
                started.push(waiter);
            }
        }
        for Waiter { permit, memory, .. } in started {
            // If the review is no longer waiting, `send` returns the permit. It is dropped here,
            // which starts the next reviews.
            let _ = permit.send(Self { limiter: Arc::clone(limiter), memory });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    fn client(last: u8) -> ClientId {
        ClientId::Address(IpAddr::from([10, 0, 0, last]))
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    /// Waits for a permit, drops it at once, and sends `number`. Sends `None` if there is no
    /// permit.
    async fn wait(
        limiter: &Arc<LargeReviewLimiter>,
        number: u8,
        results: &mpsc::UnboundedSender<Option<u8>>,
    ) {
        let (limiter, results) = (Arc::clone(limiter), results.clone());
        tokio::spawn(async move {
            let permit = limiter.acquire(client(number), 1, later()).await;
            results.send(permit.map(|_permit| number)).expect("a receiver");
        });
        tokio::task::yield_now().await;
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn canceled_reviews_leave_the_queue() {
        block_on(async {
            let limiter = LargeReviewLimiter::with_limits(1, 1);
            let soon = || Instant::now() + Duration::from_millis(1);
            let running = limiter.acquire(client(1), 1, soon()).await.expect("a permit");
            for _ in 0..3 {
                // Poll once and drop, as the server does when the connection closes.
                assert!(time::timeout(Duration::ZERO, limiter.acquire(client(1), 1, later())).await.is_err());
            }
            assert!(limiter.acquire(client(1), 1, soon()).await.is_none(), "the deadline passes");
            let (sender, mut results) = mpsc::unbounded_channel();
            wait(&limiter, 1, &sender).await;
            assert!(limiter.acquire(client(1), 1, later()).await.is_none(), "the queue is full");
            drop(running);
            assert_eq!(results.recv().await, Some(Some(1)));
            assert!(limiter.acquire(client(1), 1, soon()).await.is_some());
        });
    }

    #[test]
    fn checks_that_need_much_memory_run_alone() {
        block_on(async {
            let limiter = LargeReviewLimiter::with_limits(2, 2);
            let soon = || Instant::now() + Duration::from_millis(1);
            let first = limiter.acquire(client(1), 2 * MAX_MEMORY, later()).await.expect("a permit");
            assert!(limiter.acquire(client(1), 1, soon()).await.is_none());
            drop(first);
            let half = || limiter.acquire(client(1), MAX_MEMORY / 2, soon());
            let both = (half().await, half().await);
            assert!(both.0.is_some() && both.1.is_some());
            drop(both);
            assert_eq!(limiter.lock().memory, 0);
        });
    }

    #[test]
    fn clients_take_turns() {
        block_on(async {
            let limiter = LargeReviewLimiter::with_limits(1, 3);
            let running = limiter.acquire(client(1), 1, later()).await.expect("a permit");
            let (sender, mut results) = mpsc::unbounded_channel();
            for number in [1, 1, 1, 2] {
                wait(&limiter, number, &sender).await;
            }
            // The queue is full, so the newest review of the first client leaves it.
            assert_eq!(results.recv().await, Some(None));
            assert!(
                limiter.acquire(client(1), 1, later()).await.is_none(),
                "the client has the most reviews"
            );
            drop(running);
            for number in [1, 2, 1] {
                assert_eq!(results.recv().await, Some(Some(number)));
            }
            assert_eq!(limiter.lock().running, 0);
        });
    }
}

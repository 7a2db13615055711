//! A memory budget for requests and responses, shared by all connections.
//!
//! Memory is reserved as the bytes of a body arrive, not for its declared size. If the budget is
//! used up, a request that needs more memory evicts other requests, in this order:
//!
//! 1. Requests for whose bodies the server has waited longer than for the body of this request,
//!    beginning with the longest wait. A request of a trusted client first evicts requests of
//!    clients that are not trusted, even if their wait is shorter.
//! 2. Requests of the client that uses the most memory, if this client uses more than its share,
//!    and more than the client of this request.
//!
//! A request whose check has started is never evicted. The request that needs memory waits until
//! enough is released, at most until its deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::ClientId;

/// The minimum size of the budget in bytes. A large maximum body size increases the budget.
const MIN_TOTAL: usize = 24 << 20;

/// The part of the budget, in bytes, that is reserved for small bodies.
const RESERVED_FOR_SMALL: usize = 8 << 20;

/// The size in bytes above which a body is large.
pub(crate) const LARGE_BODY: usize = 64 << 10;

/// The tolerance for slow requests. The wait of a request is the total time for which the server
/// has waited for its data. A request can evict another one whose wait is longer by more than this
/// tolerance. The API server sends a review at once, so the waits of its requests are short.
const LATENESS: Duration = Duration::from_millis(50);

/// A client uses more than its share if it uses more than the budget divided by this number.
const CLIENT_SHARE: usize = 4;

/// The memory budget of the server, in bytes.
pub(crate) struct MemoryBudget {
    total: usize,
    state: Mutex<BudgetState>,
    /// Notifies waiting requests when memory is released.
    released: Notify,
}

struct BudgetState {
    /// The unreserved bytes. Can be negative, because responses can be larger than their requests.
    available: isize,
    next_id: u64,
    holders: HashMap<u64, Holder>,
}

/// A request that uses memory.
struct Holder {
    client: ClientId,
    is_trusted: bool,
    size: usize,
    /// The time for which the server has waited for data from the client, except the wait in
    /// progress.
    waited: Duration,
    /// The start of the wait in progress.
    waiting_since: Option<Instant>,
    is_evictable: bool,
    is_evicted: bool,
    evicted: Arc<Notify>,
}

impl Holder {
    fn wait(&self, now: Instant) -> Duration {
        self.waited + self.waiting_since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }
}

fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

/// Returns the part of the budget that a request of `size` bytes must leave available.
fn reserved_next_to(size: usize) -> usize {
    if size > LARGE_BODY { RESERVED_FOR_SMALL } else { 0 }
}

/// The reason why a request got no memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MemoryError {
    /// No memory became available before the deadline.
    Timeout,
    /// Another request needed the memory.
    Evicted,
}

/// The memory that is reserved for one request and its response. Dropping it returns the memory to
/// the budget.
pub(crate) struct MemoryPermit {
    budget: Arc<MemoryBudget>,
    id: u64,
    evicted: Arc<Notify>,
}

impl MemoryBudget {
    /// Creates a budget for bodies of at most `max_body` bytes each.
    pub(crate) fn new(max_body: usize) -> Arc<Self> {
        let total = MIN_TOTAL.max(max_body.saturating_add(RESERVED_FOR_SMALL));
        let state = BudgetState { available: signed(total), next_id: 0, holders: HashMap::new() };
        Arc::new(Self { total, state: Mutex::new(state), released: Notify::new() })
    }

    /// Returns a permit without memory for a request of `client`.
    pub(crate) fn permit(self: &Arc<Self>, client: ClientId, is_trusted: bool) -> MemoryPermit {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        let evicted = Arc::new(Notify::new());
        let holder = Holder {
            client,
            is_trusted,
            size: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            is_evictable: true,
            is_evicted: false,
            evicted: Arc::clone(&evicted),
        };
        state.holders.insert(id, holder);
        MemoryPermit { budget: Arc::clone(self), id, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BudgetState {
    /// Reserves `additional` bytes for the request `id`. Returns false if they are not available.
    fn try_reserve(&mut self, id: u64, additional: usize) -> bool {
        let Some(own) = self.holders.get_mut(&id) else { return false };
        let needed = additional + reserved_next_to(own.size + additional);
        if self.available < signed(needed) {
            return false;
        }
        own.size += additional;
        self.available -= signed(additional);
        true
    }

    /// Evicts other requests until `additional` bytes for the request `id` are available or being
    /// released, or until no further request can be evicted.
    fn evict_for(&mut self, id: u64, additional: usize, total: usize) {
        let now = Instant::now();
        let Some(own) = self.holders.get(&id) else { return };
        let needed = additional + reserved_next_to(own.size + additional);
        let (own_client, is_trusted, own_wait) = (own.client, own.is_trusted, own.wait(now));
        let being_released: usize =
            self.holders.values().filter(|holder| holder.is_evicted).map(|holder| holder.size).sum();
        let mut missing = signed(needed) - self.available - signed(being_released);
        while missing > 0 {
            let late = || self.longest_waiting(id, own_wait + LATENESS, now, |_| true);
            let untrusted = || self.longest_waiting(id, Duration::ZERO, now, |holder| !holder.is_trusted);
            let victim = if is_trusted { untrusted().or_else(late) } else { late() };
            let Some(victim) = victim.or_else(|| self.of_largest_client(own_client, total)) else { break };
            let Some(holder) = self.holders.get_mut(&victim) else { break };
            holder.is_evicted = true;
            holder.evicted.notify_one();
            missing -= signed(holder.size);
        }
    }

    fn evictable(&self) -> impl Iterator<Item = (u64, &Holder)> {
        let holders = self.holders.iter().map(|(id, holder)| (*id, holder));
        holders.filter(|(_, holder)| holder.is_evictable && !holder.is_evicted && holder.size > 0)
    }

    /// Returns the evictable request with the longest wait, among the requests other than `id` that
    /// `include` selects. Returns `None` if this wait is at most `min_wait`.
    fn longest_waiting(
        &self,
        id: u64,
        min_wait: Duration,
        now: Instant,
        include: impl Fn(&Holder) -> bool,
    ) -> Option<u64> {
        let others = self.evictable().filter(|(other, holder)| *other != id && include(holder));
        let waits = others.map(|(id, holder)| (id, holder.wait(now)));
        let (longest_waiting, wait) = waits.max_by_key(|(_, wait)| *wait)?;
        (wait > min_wait).then_some(longest_waiting)
    }

    /// Returns the newest evictable request of the client that uses the most memory. Returns `None`
    /// if this client uses at most its share, or not more than `client`.
    fn of_largest_client(&self, client: ClientId, total: usize) -> Option<u64> {
        let mut sizes = HashMap::<ClientId, usize>::new();
        for holder in self.holders.values().filter(|holder| !holder.is_evicted) {
            *sizes.entry(holder.client).or_default() += holder.size;
        }
        let own_size = sizes.get(&client).copied().unwrap_or_default();
        let (largest, size) = sizes.into_iter().max_by_key(|(_, size)| *size)?;
        if size <= own_size.max(total / CLIENT_SHARE) {
            return None;
        }
        self.evictable().filter(|(_, holder)| holder.client == largest).map(|(id, _)| id).max()
    }
}

impl MemoryPermit {
    /// Reserves `additional` bytes, waiting for them until `deadline`.
    pub(crate) async fn grow(&self, additional: usize, deadline: Instant) -> Result<(), MemoryError> {
        let mut evict_at = Instant::now();
        loop {
            let released = self.budget.released.notified();
            {
                let mut state = self.budget.lock();
                if state.try_reserve(self.id, additional) {
                    return Ok(());
                }
                // Each release of memory wakes all waiting requests. Limit how often they search
                // for requests to evict.
                if evict_at <= Instant::now() {
                    state.evict_for(self.id, additional, self.budget.total);
                    evict_at = Instant::now() + LATENESS;
                }
            }
            tokio::select! {
                () = released => {}
                () = self.evicted() => return Err(MemoryError::Evicted),
                () = time::sleep_until(evict_at.min(deadline)) => {
                    if Instant::now() >= deadline {
                        return Err(MemoryError::Timeout);
                    }
                }
            }
        }
    }

    /// Waits for data from the client, and adds the time to the wait of the request. Returns an
    /// error if the request is evicted meanwhile.
    pub(crate) async fn wait_for_client<T>(&self, data: impl Future<Output = T>) -> Result<T, MemoryError> {
        self.update(|holder| holder.waiting_since = Some(Instant::now()));
        let result = tokio::select! {
            biased;
            () = self.evicted() => Err(MemoryError::Evicted),
            data = data => Ok(data),
        };
        self.update(|holder| {
            holder.waited = holder.wait(Instant::now());
            holder.waiting_since = None;
        });
        result
    }

    /// Waits until the request is evicted.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Checks whether the client has sent its data too slowly.
    pub(crate) fn is_late(&self) -> bool {
        let state = self.budget.lock();
        state.holders.get(&self.id).is_some_and(|holder| holder.wait(Instant::now()) > LATENESS)
    }

    /// Protects the request against eviction from now on, because its check starts.
    pub(crate) fn protect(&self) {
        self.update(|holder| holder.is_evictable = false);
    }

    /// Changes the reserved memory to `size` bytes, even if the budget does not suffice.
    pub(crate) fn resize(&self, size: usize) {
        let mut state = self.budget.lock();
        let Some(holder) = state.holders.get_mut(&self.id) else { return };
        let released = signed(holder.size) - signed(size);
        holder.size = size;
        state.available += released;
        drop(state);
        self.budget.released.notify_waiters();
    }

    fn update(&self, change: impl FnOnce(&mut Holder)) {
        if let Some(holder) = self.budget.lock().holders.get_mut(&self.id) {
            change(holder);
        }
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        let size = state.holders.remove(&self.id).map_or(0, |holder| holder.size);
        state.available += signed(size);
        drop(state);
        self.budget.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MAX_BODY: usize = 7 << 20;

    fn client(last: u8) -> ClientId {
        ClientId::Address(IpAddr::from([10, 0, 0, last]))
    }

    fn block_on(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // With paused time, `sleep` returns as soon as nothing else can run.
        runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(test);
    }

    /// Reserves `size` bytes, and drops the permit when the request is evicted, as the server does.
    async fn hold(
        budget: &Arc<MemoryBudget>,
        client: ClientId,
        size: usize,
    ) -> tokio::task::JoinHandle<Result<(), MemoryError>> {
        let permit = budget.permit(client, false);
        permit.grow(size, Instant::now()).await.expect("memory");
        let task = tokio::spawn(async move { permit.wait_for_client(std::future::pending()).await });
        tokio::task::yield_now().await;
        task
    }

    #[test]
    fn large_bodies_leave_memory_for_small_ones() {
        block_on(async {
            let budget = MemoryBudget::new(MAX_BODY);
            let large = budget.permit(client(1), false);
            large.protect();
            large.grow(MIN_TOTAL - RESERVED_FOR_SMALL, Instant::now()).await.expect("memory");
            assert_eq!(large.grow(1, Instant::now()).await, Err(MemoryError::Timeout));
            let small = budget.permit(client(1), false);
            assert_eq!(small.grow(LARGE_BODY, Instant::now()).await, Ok(()));
            large.resize(10);
            assert_eq!(large.grow(LARGE_BODY, Instant::now()).await, Ok(()));
        });
    }

    #[test]
    fn late_requests_are_evicted_first() {
        block_on(async {
            let budget = MemoryBudget::new(MAX_BODY);
            let part = (MIN_TOTAL - RESERVED_FOR_SMALL) / 4;
            let mut late = Vec::new();
            for number in 0..4 {
                late.push(hold(&budget, client(number), part).await);
                time::sleep(LATENESS).await;
            }
            time::sleep(LATENESS).await;
            let new = budget.permit(client(9), false);
            assert_eq!(new.grow(part, Instant::now() + LATENESS).await, Ok(()));
            assert_eq!(late.remove(0).await.expect("a result"), Err(MemoryError::Evicted));
            assert!(!late.iter().any(tokio::task::JoinHandle::is_finished));
        });
    }

    #[test]
    fn trusted_clients_evict_incomplete_requests_of_others() {
        block_on(async {
            let budget = MemoryBudget::new(MAX_BODY);
            let part = (MIN_TOTAL - RESERVED_FOR_SMALL) / 4;
            let mut held = Vec::new();
            for number in 0..4 {
                held.push(hold(&budget, client(number), part).await);
            }
            time::sleep(Duration::from_millis(1)).await;
            let untrusted = budget.permit(client(9), false);
            assert_eq!(untrusted.grow(part, Instant::now()).await, Err(MemoryError::Timeout));
            assert!(!held.iter().any(tokio::task::JoinHandle::is_finished));
            let trusted = budget.permit(client(8), true);
            assert_eq!(trusted.grow(part, Instant::now() + LATENESS).await, Ok(()));
            assert_eq!(held.iter().filter(|task| task.is_finished()).count(), 1);
        });
    }

    #[test]
    fn clients_above_their_share_are_evicted() {
        block_on(async {
            let budget = MemoryBudget::new(MAX_BODY);
            let part = (MIN_TOTAL - RESERVED_FOR_SMALL) / 4;
            let mut held = Vec::new();
            for number in [1, 2, 2, 2] {
                held.push(hold(&budget, client(number), part).await);
            }
            // No time has passed, so no request is late.
            let other = budget.permit(client(3), false);
            assert_eq!(other.grow(part, Instant::now() + LATENESS).await, Ok(()));
            assert_eq!(held.pop().expect("a task").await.expect("a result"), Err(MemoryError::Evicted));
            let own = budget.permit(client(2), false);
            assert_eq!(own.grow(3 * part, Instant::now()).await, Err(MemoryError::Timeout));
            assert!(!held.iter().any(tokio::task::JoinHandle::is_finished));
        });
    }

    #[test]
    fn protected_requests_are_not_evicted() {
        block_on(async {
            let budget = MemoryBudget::new(MAX_BODY);
            let checked = budget.permit(client(1), false);
            checked.grow(MIN_TOTAL - RESERVED_FOR_SMALL, Instant::now()).await.expect("memory");
            checked.protect();
            let other = budget.permit(client(2), false);
            let deadline = Instant::now() + 10 * LATENESS;
            assert_eq!(other.grow(LARGE_BODY + 1, deadline).await, Err(MemoryError::Timeout));
            drop(checked);
            assert_eq!(other.grow(LARGE_BODY + 1, deadline).await, Ok(()));
        });
    }
}

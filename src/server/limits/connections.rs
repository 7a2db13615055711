//! A limit on open connections.
//!
//! When the limit is reached, a new connection evicts an open one. The candidates are the
//! connections of the first group that is not empty:
//!
//! 1. connections without a complete request, if their client has many of them
//! 2. other connections without a complete request after the grace period
//! 3. new connections, and connections whose requests have all been answered
//!
//! Within a group, the connection without progress for the longest time is evicted. Connections of
//! authenticated and of trusted clients are evicted only if no other connection can be evicted.
//! Connections with a complete request that has not been answered yet are never evicted.
//!
//! Except in group 1, the number of a client's connections does not matter, because a proxy can
//! forward all connections of the API server from one address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::{ClientId, Trust};

/// The time within which a client should send its first request on a connection. The API server
/// sends a request as soon as it is connected.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// The interval at which a waiting connection searches for a connection to evict.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// A client has many connections without a complete request if it has more of them than the maximum
/// number of connections divided by this number.
const UNPROVEN_SHARE: usize = 8;

/// Limits the number of open connections of one port.
pub(crate) struct ConnectionLimiter {
    max: usize,
    trust: Arc<Trust>,
    open: Mutex<Vec<Arc<ConnectionSlot>>>,
    /// Notifies waiting connections when a connection closes.
    closed: Notify,
}

/// The state of one open connection, shared by the limiter and the task that serves the connection.
pub(crate) struct ConnectionSlot {
    state: Mutex<SlotState>,
    evicted: Notify,
}

struct SlotState {
    client: ClientId,
    phase: Phase,
    /// The time when the connection was accepted, or when the last request was complete or
    /// answered.
    progress_at: Instant,
}

/// The phases of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request has been received completely.
    Unproven,
    /// All requests have been answered.
    Idle,
    /// A request has been received completely, and its response is not ready yet.
    Busy,
}

/// A permit to keep a connection open. Dropping it releases the slot.
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    pub(crate) slot: Arc<ConnectionSlot>,
}

impl SlotState {
    /// Checks whether no complete request has arrived within the grace period.
    fn is_overdue(&self) -> bool {
        self.phase == Phase::Unproven && self.progress_at.elapsed() > GRACE_PERIOD
    }
}

impl ConnectionSlot {
    fn new(client: ClientId) -> Self {
        let state = SlotState { client, phase: Phase::Unproven, progress_at: Instant::now() };
        Self { state: Mutex::new(state), evicted: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the connection is evicted.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn is_overdue(&self) -> bool {
        self.lock().is_overdue()
    }

    pub(crate) fn client(&self) -> ClientId {
        self.lock().client
    }

    /// Sets the client to the one that the client certificate identifies.
    pub(crate) fn authenticate(&self, client: ClientId) {
        self.lock().client = client;
    }

    /// Records that a request has been received completely.
    pub(crate) fn start_request(&self) {
        let mut state = self.lock();
        state.phase = Phase::Busy;
        state.progress_at = Instant::now();
    }

    /// Records that the response to a request is ready. A response to an incomplete request does
    /// not count as progress.
    pub(crate) fn finish_request(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Busy {
            state.phase = Phase::Idle;
            state.progress_at = Instant::now();
        }
    }
}

impl ConnectionLimiter {
    pub(crate) fn new(max: usize, trust: Arc<Trust>) -> Arc<Self> {
        Arc::new(Self { max, trust, open: Mutex::default(), closed: Notify::new() })
    }

    /// Returns a permit for a connection of `client`, and whether another connection was evicted.
    /// Returns `None` if the limit is reached and no connection can be evicted.
    pub(crate) fn try_acquire(self: &Arc<Self>, client: ClientId) -> Option<(ConnectionPermit, bool)> {
        let mut open = self.lock();
        let is_full = open.len() >= self.max;
        if is_full {
            let index = self.victim(&open)?;
            let victim = open.swap_remove(index);
            if victim.is_overdue() {
                self.trust.record_failure(victim.client());
            }
            victim.evicted.notify_one();
        }
        let slot = Arc::new(ConnectionSlot::new(client));
        open.push(Arc::clone(&slot));
        Some((ConnectionPermit { limiter: Arc::clone(self), slot }, is_full))
    }

    /// Waits until [`try_acquire`](Self::try_acquire) returns a permit.
    pub(crate) async fn acquire(self: &Arc<Self>, client: ClientId) -> (ConnectionPermit, bool) {
        loop {
            let closed = self.closed.notified();
            if let Some(permit) = self.try_acquire(client) {
                return permit;
            }
            // Try again even if no connection closes: one that is no longer busy can be evicted.
            let _ = time::timeout(RETRY_INTERVAL, closed).await;
        }
    }

    /// Waits until a connection closes.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.lock().is_empty() {
                return;
            }
            closed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<ConnectionSlot>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the index of the connection to evict, or `None` if all of them are busy.
    fn victim(&self, open: &[Arc<ConnectionSlot>]) -> Option<usize> {
        let many = self.max / UNPROVEN_SHARE;
        let mut unproven = HashMap::<ClientId, usize>::new();
        for slot in open {
            let state = slot.lock();
            if state.phase == Phase::Unproven {
                *unproven.entry(state.client).or_default() += 1;
            }
        }
        let rank = |slot: &ConnectionSlot| {
            let state = slot.lock();
            let group = match state.phase {
                Phase::Unproven if unproven.get(&state.client).is_some_and(|count| *count > many) => 1,
                Phase::Unproven if state.is_overdue() => 2,
                Phase::Unproven | Phase::Idle | Phase::Busy => 3,
            };
            let client = state.client;
            (client.is_authenticated(), self.trust.is_trusted(client), group, state.progress_at)
        };
        let evictable = open.iter().enumerate().filter(|(_, slot)| slot.lock().phase != Phase::Busy);
        evictable.min_by_key(|(_, slot)| rank(slot)).map(|(index, _)| index)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.lock();
        // An evicted slot has already been removed.
        if let Some(index) = open.iter().position(|slot| Arc::ptr_eq(slot, &self.slot)) {
            open.swap_remove(index);
        }
        drop(open);
        self.limiter.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(number: u16) -> ClientId {
        let [high, low] = number.to_be_bytes();
        ClientId::Address(IpAddr::from([10, 0, high, low]))
    }

    fn connect(limiter: &Arc<ConnectionLimiter>, client: ClientId) -> ConnectionPermit {
        limiter.try_acquire(client).expect("a permit").0
    }

    fn is_evicted(permit: &ConnectionPermit) -> bool {
        let open = permit.limiter.lock();
        !open.iter().any(|slot| Arc::ptr_eq(slot, &permit.slot))
    }

    /// Lets the grace period of all connections pass.
    fn pass_time(limiter: &ConnectionLimiter) {
        for slot in limiter.lock().iter() {
            slot.lock().progress_at -= 2 * GRACE_PERIOD;
        }
    }

    fn finish_one_request(permit: &ConnectionPermit) {
        permit.slot.start_request();
        permit.slot.finish_request();
    }

    #[test]
    fn evicts_idle_connections_last_and_busy_ones_never() {
        let limiter = ConnectionLimiter::new(3, Arc::default());
        let [busy, idle, unproven] = [1, 2, 3].map(|number| connect(&limiter, address(number)));
        busy.slot.start_request();
        finish_one_request(&idle);
        pass_time(&limiter);
        let other = connect(&limiter, address(4));
        assert_eq!([&busy, &idle, &unproven].map(is_evicted), [false, false, true]);
        other.slot.start_request();
        let last = connect(&limiter, address(5));
        assert!(is_evicted(&idle));
        last.slot.start_request();
        assert!(limiter.try_acquire(address(6)).is_none(), "all connections are busy");
        last.slot.finish_request();
        assert!(limiter.try_acquire(address(6)).is_some());
        drop((busy, idle, unproven, other, last));
        assert!(limiter.lock().is_empty());
    }

    #[test]
    fn new_connections_wait_while_all_are_busy() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let limiter = ConnectionLimiter::new(1, Arc::default());
            let busy = connect(&limiter, address(1));
            busy.slot.start_request();
            let waits = async || time::timeout(2 * RETRY_INTERVAL, limiter.acquire(address(2))).await;
            assert!(waits().await.is_err());
            busy.slot.finish_request();
            assert!(waits().await.is_ok());
            assert!(is_evicted(&busy));
        });
    }

    #[test]
    fn connections_without_requests_from_many_addresses_are_evicted_in_order() {
        let limiter = ConnectionLimiter::new(100, Arc::default());
        let server = connect(&limiter, address(0));
        finish_one_request(&server);
        let old: Vec<_> = (1..=99).map(|number| connect(&limiter, address(number))).collect();
        pass_time(&limiter);
        let new: Vec<_> = (101..=150).map(|number| connect(&limiter, address(number))).collect();
        assert!(!is_evicted(&server) && !new.iter().any(is_evicted));
        assert!(old.iter().map(is_evicted).eq((0..99).map(|index| index < 50)));
    }

    #[test]
    fn new_connections_are_not_evicted_before_idle_ones() {
        let limiter = ConnectionLimiter::new(100, Arc::default());
        let idle: Vec<_> = (0..100).map(|number| connect(&limiter, address(number))).collect();
        idle.iter().for_each(finish_one_request);
        let server = connect(&limiter, address(200));
        let flood: Vec<_> = (300..350).map(|number| connect(&limiter, address(number))).collect();
        assert!(!is_evicted(&server) && !flood.iter().any(is_evicted));
    }

    #[test]
    fn trusted_clients_keep_their_connections() {
        let limiter = ConnectionLimiter::new(10, Arc::default());
        limiter.trust.record_review(address(0));
        let trusted: Vec<_> = (0..9).map(|_| connect(&limiter, address(0))).collect();
        finish_one_request(&trusted[0]);
        pass_time(&limiter);
        let others: Vec<_> = (1..100).map(|number| connect(&limiter, address(number))).collect();
        assert!(!trusted.iter().any(is_evicted));
        assert_eq!(others.iter().filter(|permit| is_evicted(permit)).count(), 98);
    }

    #[test]
    fn clients_with_many_connections_lose_their_own_first() {
        let limiter = ConnectionLimiter::new(80, Arc::default());
        let new = connect(&limiter, address(1));
        pass_time(&limiter);
        let flood: Vec<_> = (0..200).map(|_| connect(&limiter, address(2))).collect();
        assert!(!is_evicted(&new), "the connection is the oldest, but its client has only one");
        assert_eq!(flood.iter().filter(|permit| is_evicted(permit)).count(), 121);
    }

    #[test]
    fn authenticated_clients_keep_their_connections() {
        let limiter = ConnectionLimiter::new(10, Arc::default());
        let authenticated: Vec<_> = (0..9)
            .map(|_| {
                let permit = connect(&limiter, address(1));
                permit.slot.authenticate(ClientId::Certificate(1));
                permit
            })
            .collect();
        let others: Vec<_> = (2..30).map(|number| connect(&limiter, address(number))).collect();
        assert!(!authenticated.iter().any(is_evicted));
        assert!(others[..27].iter().all(is_evicted));
    }
}

//! A limit on open connections with fair eviction.
//!
//! When the limit is reached, a new connection evicts a connection of the client with the most
//! connections. The evicted connection is the oldest one of that client that is not busy. Nothing
//! is evicted if all connections of that client are busy, or if the client of the new connection
//! would then have more connections than that client. A client that keeps many connections open
//! therefore cannot lock out the API server. Clients are distinguished by IP address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Limits the number of open connections of one port.
pub(crate) struct ConnectionLimiter {
    max: usize,
    open: Mutex<OpenConnections>,
    /// Notifies waiting connections when a connection closes.
    closed: Notify,
}

#[derive(Default)]
struct OpenConnections {
    count: usize,
    /// The connections of each client, oldest first.
    by_address: HashMap<IpAddr, VecDeque<Arc<ConnectionSlot>>>,
}

/// The state of one open connection, shared by the limiter and the task that serves the connection.
#[derive(Default)]
pub(crate) struct ConnectionSlot {
    evicted: Notify,
    is_busy: AtomicBool,
}

/// A permit to keep a connection open. Dropping it releases the slot.
pub(crate) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    address: IpAddr,
    pub(crate) slot: Arc<ConnectionSlot>,
}

impl ConnectionSlot {
    /// Waits until the connection is evicted.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Sets whether the connection is busy. A busy connection has received a complete request and
    /// not yet sent the response. It is never evicted.
    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }
}

impl ConnectionLimiter {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default(), closed: Notify::new() })
    }

    /// Returns a permit for a connection from `address`, evicting another connection if necessary.
    /// Returns `None` if the limit is reached and no connection can be evicted.
    pub(crate) fn try_acquire(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPermit> {
        let mut open = self.lock();
        if open.count >= self.max && !open.evict_for(address) {
            return None;
        }
        let slot = Arc::<ConnectionSlot>::default();
        open.by_address.entry(address).or_default().push_back(Arc::clone(&slot));
        open.count += 1;
        Some(ConnectionPermit { limiter: Arc::clone(self), address, slot })
    }

    /// Waits for a permit for a connection from `address`.
    pub(crate) async fn acquire(self: &Arc<Self>, address: IpAddr) -> ConnectionPermit {
        loop {
            let closed = self.closed.notified();
            if let Some(permit) = self.try_acquire(address) {
                return permit;
            }
            closed.await;
        }
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.lock().count == 0 {
                return;
            }
            closed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// Evicts the oldest connection that is not busy from the client with the most connections.
    /// Returns true if a connection was evicted.
    ///
    /// Evicts nothing if all connections of that client are busy, or if the client at `address`
    /// would then have more connections than that client.
    fn evict_for(&mut self, address: IpAddr) -> bool {
        let count = self.by_address.get(&address).map_or(0, VecDeque::len);
        let Some(largest) = self.by_address.values_mut().max_by_key(|slots| slots.len()) else {
            return false;
        };
        if largest.len() <= count + 1 {
            return false;
        }
        let Some(index) = largest.iter().position(|slot| !slot.is_busy.load(Ordering::Relaxed)) else {
            return false;
        };
        if let Some(slot) = largest.remove(index) {
            slot.evicted.notify_one();
            self.count -= 1;
        }
        true
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limiter.lock();
        let Some(slots) = open.by_address.get_mut(&self.address) else { return };
        // An evicted slot has already been removed and subtracted from the count.
        let index = slots.iter().position(|slot| Arc::ptr_eq(slot, &self.slot));
        let is_removed = index.and_then(|index| slots.remove(index)).is_some();
        if slots.is_empty() {
            open.by_address.remove(&self.address);
        }
        open.count -= usize::from(is_removed);
        drop(open);
        self.limiter.closed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn is_evicted(permit: &ConnectionPermit) -> bool {
        // `Notify` stores a notification until it is awaited.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::ZERO, permit.slot.evicted()).await.is_ok()
        })
    }

    #[test]
    fn evicts_oldest_connections_of_the_largest_client() {
        let limiter = ConnectionLimiter::new(4);
        let many: Vec<_> = (0..4).map(|_| limiter.try_acquire(address(1)).expect("a permit")).collect();
        assert!(limiter.try_acquire(address(1)).is_none(), "a client never evicts its own connections");
        many[0].slot.set_busy(true);
        let first = limiter.try_acquire(address(2)).expect("a permit");
        let second = limiter.try_acquire(address(2)).expect("a permit");
        assert!(limiter.try_acquire(address(2)).is_none(), "both clients have two connections");
        assert_eq!(many.iter().map(is_evicted).collect::<Vec<_>>(), [false, true, true, false]);
        assert!(limiter.try_acquire(address(3)).is_some(), "a third client evicts one of two connections");
        drop(many);
        drop((first, second));
        let open = limiter.lock();
        assert_eq!((open.count, open.by_address.len()), (0, 0));
    }

    #[test]
    fn busy_connections_are_not_evicted() {
        let limiter = ConnectionLimiter::new(2);
        let busy: Vec<_> = (0..2).map(|_| limiter.try_acquire(address(1)).expect("a permit")).collect();
        busy.iter().for_each(|permit| permit.slot.set_busy(true));
        assert!(limiter.try_acquire(address(2)).is_none());
        busy[1].slot.set_busy(false);
        assert!(limiter.try_acquire(address(2)).is_some());
    }
}

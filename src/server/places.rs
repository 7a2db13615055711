//! Places for connections: there are so many, and where all are taken, whoever has the most gives one up for somebody who
//! has less. So nobody who can reach the port keeps the API server from it by holding connections open.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// All places of a port.
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
    /// One has become free.
    freed: Notify,
}

/// Those that are taken, the oldest of each address first.
#[derive(Default)]
struct Taken {
    count: usize,
    by_address: HashMap<IpAddr, VecDeque<Arc<Place>>>,
}

/// A connection's place.
#[derive(Default)]
pub(super) struct Place {
    lost: Notify,
    is_judged: AtomicBool,
}

/// A place until this goes.
pub(super) struct Held {
    places: Arc<Places>,
    address: IpAddr,
    pub(super) place: Arc<Place>,
}

impl Place {
    /// Ends when somebody else gets it.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Whether a request of it has come as a whole and isn't answered yet: then it can't be lost.
    pub(super) fn set_judged(&self, is_judged: bool) {
        self.is_judged.store(is_judged, Ordering::Relaxed);
    }
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    /// A place for somebody at `address`: a free one, or one of whoever has more.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Held> {
        let mut taken = self.taken();
        if taken.count >= self.most && !taken.give_up_one(address) {
            return None;
        }
        let place = Arc::<Place>::default();
        taken.by_address.entry(address).or_default().push_back(Arc::clone(&place));
        taken.count += 1;
        Some(Held { places: Arc::clone(self), address, place })
    }

    /// The same, once there is one.
    pub(super) async fn wait(self: &Arc<Self>, address: IpAddr) -> Held {
        loop {
            let freed = self.freed.notified();
            if let Some(held) = self.take(address) {
                return held;
            }
            freed.await;
        }
    }

    /// Ends when none is taken.
    pub(super) async fn all_free(&self) {
        loop {
            let freed = self.freed.notified();
            if self.taken().count == 0 {
                return;
            }
            freed.await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the oldest place of whoever has the most, where that is more than `address` would have then.
    fn give_up_one(&mut self, address: IpAddr) -> bool {
        let own = self.by_address.get(&address).map_or(0, VecDeque::len);
        let Some(most) = self.by_address.values_mut().max_by_key(|places| places.len()) else { return false };
        if most.len() <= own + 1 {
            return false;
        }
        let Some(at) = most.iter().position(|place| !place.is_judged.load(Ordering::Relaxed)) else {
            return false;
        };
        if let Some(place) = most.remove(at) {
            place.lost.notify_one();
            self.count -= 1;
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        let Some(own) = taken.by_address.get_mut(&self.address) else { return };
        // One that was lost isn't there any more.
        let at = own.iter().position(|place| Arc::ptr_eq(place, &self.place));
        let is_last = at.and_then(|at| own.remove(at)).is_some();
        if own.is_empty() {
            taken.by_address.remove(&self.address);
        }
        taken.count -= usize::from(is_last);
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn is_lost(held: &Held) -> bool {
        // What was notified is kept until somebody asks.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::ZERO, held.place.lost()).await.is_ok()
        })
    }

    #[test]
    fn whoever_has_the_most_gives_way_the_oldest_first() {
        let places = Places::new(4);
        let many: Vec<_> = (0..4).map(|_| places.take(address(1)).expect("a place")).collect();
        assert!(places.take(address(1)).is_none(), "for no one of its own");
        many[0].place.set_judged(true);
        let one = places.take(address(2)).expect("a place");
        let other = places.take(address(2)).expect("a place");
        assert!(places.take(address(2)).is_none(), "they have the same");
        assert_eq!(many.iter().map(is_lost).collect::<Vec<_>>(), [false, true, true, false]);
        assert!(places.take(address(3)).is_some(), "whoever has none gets one of two");
        drop(many);
        drop((one, other));
        let taken = places.taken();
        assert_eq!((taken.count, taken.by_address.len()), (0, 0));
    }

    #[test]
    fn what_is_being_judged_is_not_lost() {
        let places = Places::new(2);
        let judged: Vec<_> = (0..2).map(|_| places.take(address(1)).expect("a place")).collect();
        judged.iter().for_each(|held| held.place.set_judged(true));
        assert!(places.take(address(2)).is_none());
        judged[1].place.set_judged(false);
        assert!(places.take(address(2)).is_some());
    }
}

//! A memory budget for request bodies, shared by all connections.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};

/// The minimum size of the budget in bytes. A large maximum body size increases the budget.
const MIN_TOTAL: usize = 48 << 20;

/// The part of the budget, in bytes, that is reserved for small bodies, so that stalled large
/// bodies cannot use up the memory for small ones.
const RESERVED_FOR_SMALL: usize = 8 << 20;

/// The size in bytes above which a body is large. A body without a declared size is large, too.
pub(crate) const LARGE_BODY: usize = 256 << 10;

/// The maximum number of bytes that a body acquires in advance, beyond the bytes that have arrived.
/// Large bodies with a declared size acquire their whole size instead.
pub(crate) const GROWTH_MARGIN: usize = 32 << 10;

/// The memory budget, in bytes, that all request bodies share.
pub(crate) struct BodyBudget {
    total: Arc<Semaphore>,
    /// The part of `total` that is available to large bodies.
    large: Arc<Semaphore>,
}

/// A permit for the memory of one request body. Dropping it returns the memory to the budget.
pub(crate) struct BodyPermit {
    total: OwnedSemaphorePermit,
    large: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// Creates a budget for bodies of at most `max_body` bytes each.
    pub(crate) fn new(max_body: usize) -> Self {
        let total = MIN_TOTAL.max(max_body.saturating_add(RESERVED_FOR_SMALL)).min(Semaphore::MAX_PERMITS);
        Self {
            total: Arc::new(Semaphore::new(total)),
            large: Arc::new(Semaphore::new(total - RESERVED_FOR_SMALL)),
        }
    }

    /// Waits for `size` bytes of the budget. Returns `None` if they are not available by
    /// `deadline`.
    ///
    /// A large body with a declared size acquires its whole size at once. If many large bodies each
    /// held memory for only a part of their size, no body could complete.
    pub(crate) async fn acquire(&self, size: usize, is_large: bool, deadline: Instant) -> Option<BodyPermit> {
        let count = u32::try_from(size).ok()?;
        let acquire = async {
            let large = match is_large {
                true => Some(Arc::clone(&self.large).acquire_many_owned(count).await.ok()?),
                false => None,
            };
            Some(BodyPermit { total: Arc::clone(&self.total).acquire_many_owned(count).await.ok()?, large })
        };
        time::timeout_at(deadline, acquire).await.ok().flatten()
    }
}

impl BodyPermit {
    /// Adds `size` bytes to the permit of a body that is small or has no declared size. Returns
    /// false, and adds nothing, if fewer bytes are available. Never waits, because bodies that hold
    /// memory while they wait for more could block each other.
    pub(crate) fn try_grow(&mut self, size: usize) -> bool {
        let acquire = |permit: &OwnedSemaphorePermit| {
            let count = u32::try_from(size).ok()?;
            Arc::clone(permit.semaphore()).try_acquire_many_owned(count).ok()
        };
        let Some(total) = acquire(&self.total) else { return false };
        if let Some(large) = &mut self.large {
            let Some(more) = acquire(large) else { return false };
            large.merge(more);
        }
        self.total.merge(total);
        true
    }

    /// Returns the size of the permit in bytes.
    pub(crate) fn size(&self) -> usize {
        self.total.num_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_memory_for_small_ones() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let budget = BodyBudget::new(7 << 20);
            let mut large =
                budget.acquire(MIN_TOTAL - RESERVED_FOR_SMALL, true, Instant::now()).await.expect("a permit");
            assert!(budget.acquire(1, true, Instant::now()).await.is_none());
            assert!(!large.try_grow(1));
            let mut small =
                budget.acquire(RESERVED_FOR_SMALL - 1, false, Instant::now()).await.expect("a permit");
            assert!(small.try_grow(1) && !small.try_grow(1));
            assert_eq!(small.size(), RESERVED_FOR_SMALL);
            drop(large);
            assert!(small.try_grow(1));
        });
    }
}

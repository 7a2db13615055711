//! Room for the bodies of requests, of all connections together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};

/// In bytes, unless a single body may be larger.
const ALL: usize = 48 << 20;

/// Of that, what large bodies leave to the others, whatever they promise and however slowly they come.
const LEFT: usize = 8 << 20;

/// Larger ones are large.
pub(super) const LARGE: usize = 256 << 10;

/// What a small body has before it comes.
pub(super) const STEP: usize = 32 << 10;

/// All of the room.
pub(super) struct Rooms {
    all: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// What one body has of it, until this goes.
pub(super) struct Room {
    all: OwnedSemaphorePermit,
    large: Option<OwnedSemaphorePermit>,
}

impl Rooms {
    /// Room for bodies of at most `max_body` bytes.
    pub(super) fn new(max_body: usize) -> Self {
        let all = ALL.max(max_body.saturating_add(LEFT)).min(Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(all)), large: Arc::new(Semaphore::new(all - LEFT)) }
    }

    /// Room for a body that says that it has `size` bytes, or of which so many have come; none where it isn't there by
    /// `until`.
    ///
    /// Of a large one it is for all that is promised: of many that had a part each, none would get to its end.
    pub(super) async fn take(&self, size: usize, is_large: bool, until: Instant) -> Option<Room> {
        let count = u32::try_from(size).ok()?;
        let take = async {
            let large = match is_large {
                true => Some(Arc::clone(&self.large).acquire_many_owned(count).await.ok()?),
                false => None,
            };
            Some(Room { all: Arc::clone(&self.all).acquire_many_owned(count).await.ok()?, large })
        };
        time::timeout_at(until, take).await.ok().flatten()
    }

    /// More, for a body that doesn't say its size or is small; at once or not at all, since it holds what others wait for.
    pub(super) fn extend(&self, room: &mut Room, size: usize) -> bool {
        let more = |room: &Arc<Semaphore>| {
            u32::try_from(size).ok().and_then(|count| Arc::clone(room).try_acquire_many_owned(count).ok())
        };
        let Some(all) = more(&self.all) else { return false };
        if let Some(large) = &mut room.large {
            let Some(more) = more(&self.large) else { return false };
            large.merge(more);
        }
        room.all.merge(all);
        true
    }
}

impl Room {
    /// In bytes.
    pub(super) fn size(&self) -> usize {
        self.all.num_permits()
    }
}

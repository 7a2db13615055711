//! The allocator, told what this program is: bodies of requests come and go in all sizes.
#![expect(unsafe_code, reason = "the allocator has no other door")]

/// Larger blocks have pages of their own, which go back to the system at once.
///
/// glibc raises this by itself to what was freed last, and keeps the pages from then on: a moment of overload would be
/// paid for ever after.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    // SAFETY: it takes two numbers, and is called before there are other threads.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    // SAFETY: the same. Each thread that ever judged a large review would keep what it needed once.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// Other allocators do as they do.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}

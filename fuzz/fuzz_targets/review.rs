//! Arbitrary texts as reviews: no panic, and only responses that the API server accepts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::review_holds(text));

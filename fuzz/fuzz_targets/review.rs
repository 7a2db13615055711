//! Reviewing any text does not panic, and the API server can use the response.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|text: &str| properties::assert_review_is_sound(text));

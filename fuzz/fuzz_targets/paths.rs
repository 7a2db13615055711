//! Cleaning is idempotent, and path relations are inverse to each other, for any two strings.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|pair: (&str, &str)| properties::assert_paths_are_sound(pair.0, pair.1));

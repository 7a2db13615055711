//! For any two strings, cleaning a clean path changes nothing, and one path is an ancestor of the
//! other if and only if the other is its descendant.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|pair: (&str, &str)| properties::assert_paths_are_sound(pair.0, pair.1));

//! The fast YAML reader agrees with the general parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|text: &str| properties::assert_fast_reader_agrees(text));

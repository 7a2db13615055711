//! An update is not denied if it changes nothing, or if the new object could be created. The input
//! is the old and the new object, on one line each.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|text: &str| {
    if let Some((old, new)) = text.split_once('\n') {
        properties::assert_ratchet_is_sound(old, new);
    }
});

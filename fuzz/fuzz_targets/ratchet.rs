//! An update of any object to any other (a line each) is denied only if it has new findings.
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

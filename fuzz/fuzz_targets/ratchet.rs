//! The ratchet, with two arbitrary objects, one per line: an update is never stricter than a
//! CREATE.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some((old, new)) = text.split_once('\n') {
        volcheck::cli::properties::ratchet_holds(old, new);
    }
});

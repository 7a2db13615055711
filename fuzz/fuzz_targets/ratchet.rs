//! Any two objects, a line each: an update denies no more than it should.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some((old, new)) = text.split_once('\n') {
        volcheck::cli::properties::ratchet_holds(old, new);
    }
});

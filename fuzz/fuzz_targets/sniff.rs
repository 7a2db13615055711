//! What the sniff skips, the parser reads as an object that holds no volume, or refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::sniff_holds(text));

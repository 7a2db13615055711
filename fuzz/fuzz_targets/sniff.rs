//! The parser finds no volume in documents that the fast reader skips.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::sniff_holds(text));

//! The reader of plain YAML returns the same tree as the YAML engine.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::plain_holds(text));

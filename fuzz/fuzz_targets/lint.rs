//! source → model → engine → report, on any bytes: no panic, no place outside of the text, valid JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| volcheck::cli::properties::lint_holds(bytes));

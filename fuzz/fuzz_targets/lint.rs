//! Linting and reporting arbitrary bytes: no panic, no span outside the text, valid JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| volcheck::cli::properties::lint_holds(bytes));

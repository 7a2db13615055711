//! Linting any bytes does not panic. All spans in the report are valid, and every format can render
//! the report.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "each fuzzer checks one property")]
#[path = "../../tests/properties/mod.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::assert_lint_is_sound(bytes));

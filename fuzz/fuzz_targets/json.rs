//! The JSON reader accepts the same texts as serde_json, with the same values.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::json_holds(text));

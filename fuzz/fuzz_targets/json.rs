//! The JSON reader accepts just what serde_json does, and reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::json_holds(text));

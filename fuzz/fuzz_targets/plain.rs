//! What is read in plain style, the YAML engine reads into the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| volcheck::cli::properties::plain_holds(text));

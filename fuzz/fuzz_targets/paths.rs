//! The cleaning and comparison of host paths, with arbitrary paths.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|pair: (&str, &str)| volcheck::cli::properties::paths_hold(pair.0, pair.1));

//! Checks the properties of the fuzzers with saved fuzzer inputs and with generated inputs.

use std::fs;

use proptest::prelude::*;

use crate::support::root;

#[path = "../properties/mod.rs"]
mod assertions;

use assertions::{
    assert_fast_reader_agrees, assert_json_reader_agrees, assert_lint_is_sound, assert_paths_are_sound,
    assert_ratchet_is_sound, assert_review_is_sound, assert_skipping_changes_nothing,
};

#[test]
fn properties_hold_for_saved_fuzzer_inputs() {
    let directory = root().join("tests/data/fuzz");
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("inputs") {
        let bytes = fs::read(entry.expect("an input").path()).expect("an input");
        assert_lint_is_sound(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            assert_skipping_changes_nothing(text);
            assert_fast_reader_agrees(text);
            assert_json_reader_agrees(text);
            let (a, b) = text.split_once('\n').unwrap_or((text, ""));
            assert_paths_are_sound(a, b);
            assert_review_is_sound(text);
            assert_ratchet_is_sound(a, b);
        }
        count += 1;
    }
    assert!(count > 20, "only {count} inputs");
}

/// Generates lines of documents that might be skipped although they have findings.
fn line() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "apiVersion: v1",
        "apiVersion: 61",
        "kind: ConfigMap",
        "kind: Pod",
        "kind: Service # x",
        "\"kind\": Pod",
        "kind : Pod",
        "metadata:",
        "  name: a",
        "  name: \"a",
        "\"",
        "'",
        "data:",
        "  x: |",
        "    kind: Pod",
        "items:",
        "- kind: Pod",
        "  apiVersion: v1",
        "spec:",
        "  volumes: [{name: v, hostPath: {path: /}}]",
        "{",
        "}",
        "? kind",
        ": Pod",
        "<<: {kind: Pod}",
        "...",
        "---",
        "# comment",
        "",
        "  ",
        "\tkind: Pod",
        "!!str kind: Pod",
        "&a kind: Pod",
        "x: &x {kind: Pod}",
        "  containers: [{name: c, volumeMounts: [{name: v, mountPath: /m}]}]",
        "kind: >-",
        "  Pod",
        "x: [",
        "]",
        "%YAML 1.1",
        "kind: Config\u{85}kind: Pod",
        "items: [{apiVersion: v1, kind: Pod}]",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn skipping_never_hides_findings(lines in prop::collection::vec(line(), 1..12), end in prop::sample::select(vec!["\n", "\r\n", "\r"])) {
        assert_skipping_changes_nothing(&lines.join(end));
    }
}

/// Generates fragments of YAML lines that the fast reader accepts or narrowly rejects.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a: ", "b:", "c: d", "- ", "-", "  ", "    ", " ", "x", "/y:z", "\"q\"", "'s'", "''", "\"", "[", "]",
        "{", "}", ", ", ",", "[a, b]", "{a: b}", "{}", "|", "|-", ">", " # c", "#", "1", "~", "null", "<<: ",
        "&x ", "*x", "!!str ", ": ", ":", "?", "%", "...", "é", "\t", "\\", "-x", "=", "on",
    ])
}

fn indented_line() -> impl Strategy<Value = String> {
    (0..5usize, prop::collection::vec(piece(), 0..4))
        .prop_map(|(indent, pieces)| " ".repeat(indent) + &pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn fast_reader_agrees_with_the_general_parser(lines in prop::collection::vec(indented_line(), 1..9), ends in any::<bool>()) {
        assert_fast_reader_agrees(&(lines.join("\n") + if ends { "\n" } else { "" }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lints_any_lines(lines in prop::collection::vec(line(), 1..16)) {
        assert_lint_is_sound(lines.join("\n").as_bytes());
    }

    #[test]
    fn lints_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_lint_is_sound(&bytes);
    }

    #[test]
    fn json_reader_agrees_with_serde_json(text in "[\\[\\]{}:,\"a0-9.eE+\\- \\\\n\u{e9}]{0,24}") {
        assert_json_reader_agrees(&text);
    }
}

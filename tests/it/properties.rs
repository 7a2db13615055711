//! The properties of the fuzzers, on inputs that were interesting once and on generated documents.

use std::fs;

use proptest::prelude::*;
use volcheck::cli::properties::{
    json_holds, lint_holds, paths_hold, plain_holds, ratchet_holds, review_holds, sniff_holds,
};

use crate::support::root;

#[test]
fn kept_inputs_hold() {
    let folder = root().join("tests/data/fuzz");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("inputs") {
        let bytes = fs::read(entry.expect("an input").path()).expect("an input");
        lint_holds(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            sniff_holds(text);
            plain_holds(text);
            json_holds(text);
            let (a, b) = text.split_once('\n').unwrap_or((text, ""));
            paths_hold(a, b);
            review_holds(text);
            ratchet_holds(a, b);
        }
        count += 1;
    }
    assert!(count > 20, "only {count} inputs");
}

/// Lines that a hiding document would be made of.
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
    fn no_document_hides(lines in prop::collection::vec(line(), 1..12), end in prop::sample::select(vec!["\n", "\r\n", "\r"])) {
        sniff_holds(&lines.join(end));
    }
}

/// Pieces of lines, from which texts are made that are plain, or nearly so.
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
    fn plain_style_is_read_as_the_engine_reads_it(lines in prop::collection::vec(indented_line(), 1..9), ends in any::<bool>()) {
        plain_holds(&(lines.join("\n") + if ends { "\n" } else { "" }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_lines_are_linted(lines in prop::collection::vec(line(), 1..16)) {
        lint_holds(lines.join("\n").as_bytes());
    }

    #[test]
    fn any_bytes_are_linted(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        lint_holds(&bytes);
    }

    #[test]
    fn json_is_read_as_json(text in "[\\[\\]{}:,\"a0-9.eE+\\- \\\\n\u{e9}]{0,24}") {
        json_holds(&text);
    }
}

//! YAML as kubectl reads it: go-yaml's own answers for each case of `tests/data/yaml`.

use std::fs;

use serde_json::Value;
use volcheck::source::{Tree, decode};

use crate::support::root;

/// What volcheck reads in a text; none where it refuses it.
fn read(text: &str) -> Option<Value> {
    let start = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
    let tree = Tree::parse(text, start..text.len()).ok()?;
    let Some(tree) = tree else { return Some(Value::Null) };
    decode(&tree, tree.root()).ok()
}

/// Numbers are compared by value: JSON has but one kind.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn reads_what_go_yaml_reads() {
    let folder = root().join("tests/data/yaml");
    let cases = fs::read_to_string(folder.join("cases.jsonl")).expect("cases");
    let expected = fs::read_to_string(folder.join("expected.txt")).expect("answers");
    let mut problems = Vec::new();
    let mut count = 0;
    for (case, answer) in cases.lines().zip(expected.lines()) {
        let [_, text]: [String; 2] = serde_json::from_str(case).expect("a case");
        let wanted =
            (!answer.starts_with("ERR ")).then(|| serde_json::from_str::<Value>(answer).expect("an answer"));
        let found = read(&text);
        let agree = match (&wanted, &found) {
            (None, None) => true,
            (Some(wanted), Some(found)) => same(wanted, found),
            _ => false,
        };
        if !agree {
            problems.push(format!("{text:?}: go-yaml says {answer}, volcheck {found:?}"));
        }
        count += 1;
    }
    assert_eq!(count, 103);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

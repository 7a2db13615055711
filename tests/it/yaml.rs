//! YAML parsing: volcheck agrees with go-yaml, which kubectl uses, on the cases in
//! `tests/data/yaml`.

use std::fs;

use serde_json::Value;
use volcheck::source::{decode, parse};

use crate::support::root;

/// Returns the value of a text, or `None` if volcheck rejects it.
fn parse_value(text: &str) -> Option<Value> {
    let start = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
    match parse(text, start..text.len()).ok()? {
        Some(tree) => decode(&tree, tree.root()).ok(),
        None => Some(Value::Null),
    }
}

/// Compares two values. Numbers are compared by value only, because JSON has only one number type.
fn are_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| are_equal(value, other)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn reads_yaml_like_go_yaml() {
    let data = root().join("tests/data/yaml");
    let cases = fs::read_to_string(data.join("cases.jsonl")).expect("cases");
    let results = fs::read_to_string(data.join("expected.txt")).expect("results");
    assert_eq!(cases.lines().count(), 103);
    assert_eq!(results.lines().count(), 103);
    let mut differences = Vec::new();
    for (case, result) in cases.lines().zip(results.lines()) {
        let [_, text]: [String; 2] = serde_json::from_str(case).expect("a case");
        let expected = (!result.starts_with("ERR "))
            .then(|| serde_json::from_str::<Value>(result).expect("a JSON value"));
        let actual = parse_value(&text);
        let is_same = match (&expected, &actual) {
            (None, None) => true,
            (Some(expected), Some(actual)) => are_equal(expected, actual),
            _ => false,
        };
        if !is_same {
            differences.push(format!("{text:?}: {result} in go-yaml, {actual:?} in volcheck"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

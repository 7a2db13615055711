//! What must hold for any input: the fuzzers and the tests call the same functions, so that an input that a
//! fuzzer has found stays a test.
//!
//! Each panics where its property doesn't hold.

use serde_json::Value;

use super::lint::manifest::{self, Lint, Outcome, Role};
use crate::finding::Severity;
use crate::model::{HostPath, PathPattern, Relation};
use crate::policy::{self, Date, Overrides, Policy, Profile};
use crate::report::{self, Format, Report, Style};
use crate::rules;
use crate::source::{self, Tree, harmless_objects};

/// The policy with every rule on.
fn every_rule() -> Policy {
    let select = Some(rules::ALL.iter().map(|rule| rule.meta().id.to_owned()).collect());
    let policy = Policy::of_profile(Profile::Recommended, &Overrides { select, ..Overrides::default() });
    policy.unwrap_or_else(|error| panic!("{error}"))
}

fn outcome(bytes: &[u8], parse_all: bool) -> Outcome {
    manifest::lint(
        &Lint { policy: &every_rule(), today: Date::MIN, with_ignores: true, parse_all },
        "f.yaml",
        bytes.to_vec(),
        &Role::File,
    )
}

fn rendered(outcome: Outcome, format: Format) -> String {
    let mut report = Report {
        counts: outcome.counts,
        findings: outcome.findings,
        errors: outcome.errors,
        suppressed: outcome.suppressed,
        outside: None,
    };
    report.findings.sort_by(report::Located::order);
    let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
    report::render(&report, format, style)
}

/// Any bytes are linted and reported in every format; places are in the text, and two runs are alike.
pub fn lint_holds(bytes: &[u8]) {
    let first = outcome(bytes, false);
    for located in first.findings.iter().chain(&first.errors) {
        for span in located.place.primary.iter().chain(&located.place.related) {
            assert!(span.start.line == span.end.line, "a span leaves its line");
            assert!(span.start.offset <= span.end.offset, "a span ends before it begins");
            if let Some(file) = &located.place.file {
                assert!(
                    file.text().get(span.start.offset..span.end.offset).is_some(),
                    "a span cuts a character"
                );
            }
        }
    }
    let json = rendered(first, Format::Json);
    assert_eq!(json, rendered(outcome(bytes, false), Format::Json), "two runs differ");
    let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("not JSON: {error}"));
    assert_eq!(parsed["version"], 1);
    for format in Format::ALL {
        let text = rendered(outcome(bytes, false), format);
        assert!(!text.contains('\u{1b}'), "an escape sequence of the input reaches the terminal");
    }
}

/// With the sniff and without it, a text that parses gets the same report.
pub fn sniff_holds(text: &str) {
    for chunk in source::split(text) {
        let part = &text[chunk.range.clone()];
        if harmless_objects(part, policy::holds_no_volume).is_none() {
            continue;
        }
        let parsed = Tree::parse(text, chunk.range).ok().flatten();
        assert!(
            parsed.is_none()
                || rendered(outcome(part.as_bytes(), true), Format::Json)
                    == rendered(outcome(part.as_bytes(), false), Format::Json),
            "skipped, and the parser sees more in it: {part:?}"
        );
    }
}

/// What is read in plain style, the YAML engine reads into the same tree.
pub fn plain_holds(text: &str) {
    for chunk in source::split(text) {
        if let Some(tree) = Tree::parse_plain(text, chunk.range.clone()) {
            let by_engine = Tree::parse_by_engine(text, chunk.range);
            assert_eq!(by_engine, Ok(Some(tree)), "{text:?}");
        }
    }
}

/// JSON is read as serde_json reads it, and nothing else passes for JSON.
pub fn json_holds(text: &str) {
    let ours = Tree::parse_json(text, 0..text.len());
    let theirs: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    match (&ours, &theirs) {
        (Ok(trees), Ok(values)) => assert_eq!(trees.len(), values.len()),
        (Ok(_), Err(error)) => assert!(
            error.to_string().contains("out of range") || error.to_string().contains("recursion"),
            "{error}"
        ),
        (Err(error), Ok(_)) => panic!("JSON that isn't read as such: {}", error.message),
        (Err(_), Err(_)) => {}
    }
    if let (Ok(trees), Ok(values)) = (ours, theirs) {
        for (tree, value) in trees.iter().zip(values) {
            if tree.irregular().is_empty() {
                let decoded: Result<Value, _> = source::decode(tree, tree.root());
                assert!(decoded.is_ok_and(|decoded| same(&decoded, &value)), "{value}");
            }
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // serde_json reads numbers of many digits a little less exactly.
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-12,
            (a, b) => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}

/// A path is what it is shown as; but for a server of Windows, whose name may look like a device.
fn reads_back(path: &HostPath) -> bool {
    let shown = path.to_string();
    shown.starts_with('\\') || HostPath::new(&shown) == *path
}

/// Paths are cleaned once and for all, and relations mirror one another.
pub fn paths_hold(a: &str, b: &str) {
    let (a, b) = (HostPath::new(a), HostPath::new(b));
    assert!(reads_back(&a), "{a:?}");
    let mirrored = match b.relation_to(&a) {
        Relation::Ancestor => Relation::Descendant,
        Relation::Descendant => Relation::Ancestor,
        other => other,
    };
    assert_eq!(a.relation_to(&b), mirrored);
    let joined = a.join(&b.to_string());
    assert!(reads_back(&joined), "{joined:?}");
    if let Some(pattern) = PathPattern::new(&a.to_string()) {
        assert!(matches!(a.relation(&pattern), Relation::Equal | Relation::Apart));
    }
    let _ = policy::options().catalog.classify(&a);
}

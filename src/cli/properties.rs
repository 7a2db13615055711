//! What must hold for any input: the fuzzers and the tests call the same functions, so that an input that a
//! fuzzer has found stays a test.
//!
//! Each panics where its property doesn't hold.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::lint::manifest::{self, Lint, Role};
use crate::admission::{self, Decision, Endpoint, Outcome, ReviewContext};
use crate::finding::Severity;
use crate::model::{HostPath, PathPattern, Relation};
use crate::policy::{self, Date, Overrides, Policy, Profile};
use crate::report::{self, Format, Report, Style};
use crate::rules;
use crate::source::{self, Tree, harmless_objects};

/// The policy with every rule on.
static EVERY_RULE: LazyLock<Policy> = LazyLock::new(|| {
    let select = Some(rules::ALL.iter().map(|rule| rule.meta().id.to_owned()).collect());
    let policy = Policy::of_profile(Profile::Recommended, &Overrides { select, ..Overrides::default() });
    policy.unwrap_or_else(|error| panic!("{error}"))
});

fn outcome(bytes: &[u8], parse_all: bool) -> manifest::Outcome {
    manifest::lint(
        &Lint { policy: &EVERY_RULE, today: Date::MIN, with_ignores: true, parse_all },
        "f.yaml",
        bytes.to_vec(),
        &Role::File,
    )
}

fn report(outcome: manifest::Outcome) -> Report {
    let mut report = Report {
        counts: outcome.counts,
        findings: outcome.findings,
        errors: outcome.errors,
        suppressed: outcome.suppressed,
        outside: None,
    };
    report.findings.sort_by(report::Located::order);
    report
}

fn rendered(report: &Report, format: Format) -> String {
    let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
    report::render(report, format, style)
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
    let first = report(first);
    let json = rendered(&first, Format::Json);
    assert_eq!(json, rendered(&report(outcome(bytes, false)), Format::Json), "two runs differ");
    let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("not JSON: {error}"));
    assert_eq!(parsed["version"], 1);
    for format in Format::ALL {
        let text = rendered(&first, format);
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
                || rendered(&report(outcome(part.as_bytes(), true)), Format::Json)
                    == rendered(&report(outcome(part.as_bytes(), false)), Format::Json),
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

fn decision(review: &str) -> Option<Decision> {
    let context = ReviewContext {
        policy: &EVERY_RULE,
        policy_hash: "0",
        today: Date::MIN,
        endpoint: Endpoint::Validate,
    };
    let decision = admission::review(review, &context).ok()?;
    let answer = serde_json::to_value(&decision.response).unwrap_or_default();
    let response = &answer["response"];
    assert_eq!(response["allowed"], decision.response.is_allowed());
    assert!(!response["uid"].as_str().unwrap_or_default().is_empty(), "an answer to nobody");
    let said = decision.response.warnings().iter().map(String::as_str).chain([decision.response.message()]);
    assert!(
        said.clone().all(|text| !text.chars().any(char::is_control)),
        "the API server drops what has control characters"
    );
    assert!(said.map(str::len).sum::<usize>() < 64 << 10, "an answer without bound");
    Some(decision)
}

/// Any text as a review gets an answer or none, the same each time, that the API server takes.
pub fn review_holds(text: &str) {
    let answer = |text| decision(text).map(|decision| serde_json::to_string(&decision.response).ok());
    assert_eq!(answer(text), answer(text));
}

/// Of any two objects: an update that changes nothing isn't denied, nor one whose creation wouldn't be.
pub fn ratchet_holds(old: &str, new: &str) {
    let (Ok(old), Ok(new)) = (serde_json::from_str::<Value>(old), serde_json::from_str::<Value>(new)) else {
        return;
    };
    let outcome = |operation: &str, object: &Value, old: &Value| {
        let request =
            json!({"uid": "u", "operation": operation, "namespace": "n", "object": object, "oldObject": old});
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        decision(&review.to_string()).map(|decision| decision.outcome)
    };
    assert_ne!(outcome("UPDATE", &new, &new), Some(Outcome::Deny), "an update that changes nothing");
    if outcome("UPDATE", &new, &old) == Some(Outcome::Deny) {
        assert_eq!(outcome("CREATE", &new, &Value::Null), Some(Outcome::Deny));
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

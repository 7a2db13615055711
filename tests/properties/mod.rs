//! Properties that hold for any input. The tests and the fuzzers share them, so a fuzzer's input
//! can become a test.
//!
//! Each public function panics if its property does not hold.

use std::sync::LazyLock;

use serde_json::{Value, json};
use volcheck::admission::{self, Decision, Endpoint, Outcome, ReviewContext};
use volcheck::finding::Severity;
use volcheck::lint::{self, LocatedFinding, Manifest, Options, Report, Role};
use volcheck::model::{HostPath, PathPattern, Relation};
use volcheck::policy::{self, Date, Overrides, Policy, Profile};
use volcheck::report::{self, Format, Style};
use volcheck::source::{self, count_skippable};

/// A policy that enables every rule.
static ALL_RULES: LazyLock<Policy> = LazyLock::new(|| {
    let policy = |overrides: &Overrides| {
        Policy::from_profile(Profile::Recommended, overrides).unwrap_or_else(|error| panic!("{error}"))
    };
    let rules = policy(&Overrides::default()).rules();
    let select = Some(rules.iter().map(|rule| rule.id.to_string()).collect());
    policy(&Overrides { select, ..Overrides::default() })
});

fn lint(bytes: &[u8], parse_all: bool) -> lint::Outcome {
    let options =
        Options { policy: &ALL_RULES, today: Date::MIN, with_ignores: true, parse_all, with_volumes: false };
    lint::check(Manifest { name: "f.yaml", bytes: bytes.to_vec(), role: Role::File }, &options)
}

fn report(outcome: lint::Outcome) -> Report {
    let mut report = Report {
        counts: outcome.counts,
        findings: outcome.findings,
        errors: outcome.unchecked.into_iter().map(|unchecked| unchecked.located).collect(),
        suppressed: outcome.suppressed,
        ..Report::new(&ALL_RULES)
    };
    report.findings.sort_by(LocatedFinding::order);
    report
}

fn render(report: &Report, format: Format) -> String {
    let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
    report::render(report, format, style)
}

/// Asserts that linting any bytes succeeds and is deterministic, that the spans are valid, and that
/// every format renders the report.
pub fn assert_lint_is_sound(bytes: &[u8]) {
    let first = lint(bytes, false);
    let unchecked = first.unchecked.iter().map(|unchecked| &unchecked.located);
    for located in first.findings.iter().chain(unchecked) {
        for span in located.location.spans() {
            assert!(span.start.line == span.end.line, "a span has several lines");
            assert!(span.start.offset <= span.end.offset, "a span ends before its start");
            if let Some(file) = &located.location.file {
                assert!(
                    file.text().get(span.start.offset..span.end.offset).is_some(),
                    "a span splits a character"
                );
            }
        }
    }
    let first = report(first);
    let json = render(&first, Format::Json);
    assert_eq!(json, render(&report(lint(bytes, false)), Format::Json), "two runs differ");
    let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("not JSON: {error}"));
    assert_eq!(parsed["version"], 1);
    for format in Format::ALL {
        let text = render(&first, format);
        assert!(!text.contains('\u{1b}'), "the report contains an escape character");
    }
}

/// Asserts that skipping documents without volumes does not change the report of a text that
/// parses.
pub fn assert_skipping_changes_nothing(text: &str) {
    for chunk in source::split_documents(text) {
        let part = &text[chunk.range.clone()];
        if count_skippable(part, policy::is_skipped_kind).is_none() {
            continue;
        }
        let parsed = source::parse(text, chunk.range).ok().flatten();
        assert!(
            parsed.is_none()
                || render(&report(lint(part.as_bytes(), true)), Format::Json)
                    == render(&report(lint(part.as_bytes(), false)), Format::Json),
            "skipped a document with findings: {part:?}"
        );
    }
}

/// Asserts that the general parser accepts every text that the fast reader accepts, and builds the
/// same tree.
pub fn assert_fast_reader_agrees(text: &str) {
    for chunk in source::split_documents(text) {
        if let Some(tree) = source::parse_fast(text, chunk.range.clone()) {
            let general = source::parse_general(text, chunk.range);
            assert_eq!(general, Ok(Some(tree)), "{text:?}");
        }
    }
}

/// Asserts that the JSON reader accepts all texts that serde_json accepts, and reads the same
/// values. It may also accept numbers that are out of range and deep nesting, which serde_json
/// rejects.
pub fn assert_json_reader_agrees(text: &str) {
    let ours = source::parse_json(text, 0..text.len());
    let theirs: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    match (&ours, &theirs) {
        (Ok(trees), Ok(values)) => assert_eq!(trees.len(), values.len()),
        (Ok(_), Err(error)) => assert!(
            error.to_string().contains("out of range") || error.to_string().contains("recursion"),
            "{error}"
        ),
        (Err(error), Ok(_)) => panic!("rejected JSON: {}", error),
        (Err(_), Err(_)) => {}
    }
    if let (Ok(trees), Ok(values)) = (ours, theirs) {
        for (tree, value) in trees.iter().zip(values) {
            if tree.irregular_mappings().is_empty() {
                let decoded: Result<Value, _> = source::decode(tree, tree.root());
                assert!(decoded.is_ok_and(|decoded| is_same(&decoded, &value)), "{value}");
            }
        }
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // serde_json is slightly less precise for numbers with many digits.
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-12,
            (a, b) => a == b,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| is_same(value, other)))
        }
        (a, b) => a == b,
    }
}

/// Checks `review` and asserts that the API server can use the response. Returns `None` if the text
/// is not a review.
pub fn decide(review: &str) -> Option<Decision> {
    let context = ReviewContext {
        policy: &ALL_RULES,
        policy_hash: "0",
        today: Date::MIN,
        endpoint: Endpoint::Validate,
        message: None,
    };
    let decision = admission::review(review, &context).ok()?;
    let body = serde_json::to_value(&decision.response).unwrap_or_default();
    let response = &body["response"];
    assert_eq!(response["allowed"], decision.response.is_allowed());
    assert!(!response["uid"].as_str().unwrap_or_default().is_empty(), "a response without uid");
    let messages = decision.response.warnings().iter().map(String::as_str);
    let messages = messages.chain(decision.response.message().lines());
    assert!(
        messages.clone().all(|text| !text.chars().any(char::is_control)),
        "the API server drops messages with control characters"
    );
    assert!(messages.map(str::len).sum::<usize>() < 64 << 10, "the messages exceed 64 KiB");
    Some(decision)
}

/// Asserts that reviewing any text is deterministic, and that the API server can use the response.
pub fn assert_review_is_sound(text: &str) {
    let response = |text| decide(text).map(|decision| serde_json::to_string(&decision.response).ok());
    assert_eq!(response(text), response(text));
}

/// Asserts that an update is not denied if it changes nothing, or if the new object could be
/// created.
pub fn assert_ratchet_is_sound(old: &str, new: &str) {
    let (Ok(old), Ok(new)) = (serde_json::from_str::<Value>(old), serde_json::from_str::<Value>(new)) else {
        return;
    };
    let outcome = |operation: &str, object: &Value, old: &Value| {
        let request =
            json!({"uid": "u", "operation": operation, "namespace": "n", "object": object, "oldObject": old});
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        decide(&review.to_string()).map(|decision| decision.outcome)
    };
    assert_ne!(outcome("UPDATE", &new, &new), Some(Outcome::Deny), "an update that changes nothing");
    if outcome("UPDATE", &new, &old) == Some(Outcome::Deny) {
        assert_eq!(outcome("CREATE", &new, &Value::Null), Some(Outcome::Deny));
    }
}

/// Checks whether the text of a path parses as the same path. Accepts all UNC paths, because the
/// name of a server may look like a device.
fn round_trips(path: &HostPath) -> bool {
    let text = path.to_string();
    text.starts_with('\\') || HostPath::new(&text) == *path
}

/// Asserts that cleaning is idempotent, and that the relation of `a` to `b` is the inverse of that
/// of `b` to `a`.
pub fn assert_paths_are_sound(a: &str, b: &str) {
    let (a, b) = (HostPath::new(a), HostPath::new(b));
    assert!(round_trips(&a), "{a:?}");
    let inverse = match b.relation_to(&a) {
        Relation::Ancestor => Relation::Descendant,
        Relation::Descendant => Relation::Ancestor,
        other => other,
    };
    assert_eq!(a.relation_to(&b), inverse);
    let joined = a.join(&b.to_string());
    assert!(round_trips(&joined), "{joined:?}");
    if let Some(pattern) = PathPattern::new(&a.to_string()) {
        assert!(matches!(a.relation(&pattern), Relation::Equal | Relation::Unrelated));
    }
    let _ = policy::options().catalog.classify(&a);
}

//! The recorded responses of an API server (`tests/data/apiserver`) are up to date, and volcheck
//! denies exactly the accepted manifests for which lint reports an error.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use serde_json::Value;
use volcheck::finding::Severity;
use volcheck::policy::{Overrides, Policy, Profile};
use volcheck::rules::Registry;

use crate::harness::{Harness, harness, root};
use crate::support;

#[derive(Deserialize)]
struct Case {
    id: String,
    topic: String,
    send: String,
    manifest: Option<String>,
    accepted: bool,
    setup: Option<Value>,
    note: Option<String>,
    request_path: Option<Value>,
    file_extension: Option<String>,
}

/// Topics whose cases depend on another case, on a controller or on another webhook.
const EXCLUDED_TOPICS: &[&str] = &[
    "binder",
    "controllers",
    "reapply",
    "statefulset-controller",
    "generic-ephemeral",
    "webhook-response",
    "mirror",
];

/// The ids of cases with another result in this cluster, and the reason.
const EXCLUDED_CASES: &[(&str, &str)] = &[
    (
        "prj-all",
        "recorded without the `ServiceAccount` admission plugin, which sets the account that a token needs",
    ),
    (
        "prj-conflict",
        "recorded without the `ServiceAccount` admission plugin, which sets the account that a token needs",
    ),
    ("y-ns-mismatch", "recorded with `--namespace`"),
];

/// Returns the cases that a single `kubectl apply` can reproduce.
fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/data/apiserver/cases.jsonl")).expect("the cases");
    let cases = text.lines().map(|line| serde_json::from_str::<Case>(line).expect("a case"));
    let is_plain = |case: &Case| {
        case.send == "apply"
            && case.manifest.is_some()
            && !EXCLUDED_TOPICS.contains(&case.topic.as_str())
            && !EXCLUDED_CASES.iter().any(|(id, _)| *id == case.id)
            && (&case.setup, &case.note, &case.request_path, &case.file_extension)
                == (&None, &None, &None, &None)
    };
    cases.filter(is_plain).collect()
}

/// Runs `check` for all cases on several threads. Returns the problems, prefixed with the ids of
/// their cases.
fn problems(cases: &[Case], check: impl Fn(&Case) -> Option<String> + Sync) -> Vec<String> {
    let (next, problems) = (AtomicUsize::new(0), Mutex::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(case).map(|problem| format!("{}: {problem}", case.id));
                    Vec::<String>::extend(&mut problems.lock().expect("a lock"), found);
                }
            });
        }
    });
    problems.into_inner().expect("a lock")
}

fn apply(harness: &Harness, case: &Case) -> (bool, String) {
    let manifest = case.manifest.as_deref().expect("a manifest");
    let done = harness.kubectl_with("admin", &["apply", "--dry-run=server", "-f", "-"], manifest);
    (done.is_success, done.stderr)
}

/// Returns the rules of lint's errors in Pods and PersistentVolumes, except rules that only lint
/// reports.
fn errors(policy: &Policy, case: &Case) -> Vec<String> {
    let outcome = support::lint(policy, "case.yaml", case.manifest.as_deref().expect("a manifest"));
    let findings = outcome.findings.into_iter().map(|located| located.finding);
    let is_shared = |rule: &str| Registry::built_in().find(rule).is_some_and(|rule| rule.lint_only.is_none());
    let is_denied = |kind: &str| ["Pod", "PersistentVolume"].contains(&kind);
    let errors = findings.filter(|finding| {
        finding.severity == Severity::Error
            && is_shared(finding.rule.as_str())
            && finding.object.as_ref().is_some_and(|object| is_denied(&object.kind))
    });
    errors.map(|finding| finding.rule.to_string()).collect()
}

#[test]
fn recorded_cases_are_current_and_agree_with_lint() {
    let harness = &*harness();
    let cases = cases();
    assert!(cases.len() > 600, "{}", cases.len());
    harness.uninstall();
    let outdated = problems(&cases, |case| {
        let (accepted, stderr) = apply(harness, case);
        (accepted != case.accepted).then(|| format!("accepted: {accepted}; {stderr}"))
    });
    assert!(outdated.is_empty(), "of {}: {outdated:#?}", cases.len());

    harness.install(crate::self_signed::VALUES);
    let policy = Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile");
    let different = problems(&cases, |case| {
        let (accepted, stderr) = apply(harness, case);
        let errors = if case.accepted { errors(&policy, case) } else { Vec::new() };
        let is_expected = match (case.accepted, errors.as_slice()) {
            (true, []) => accepted,
            (true, errors) => !accepted && errors.iter().all(|rule| stderr.contains(rule.as_str())),
            (false, _) => !accepted && !stderr.contains("denied the request: volcheck"),
        };
        (!is_expected).then(|| format!("accepted: {accepted}; {errors:?}; {stderr}"))
    });
    assert!(different.is_empty(), "of {}: {different:#?}", cases.len());
}

//! What the API server is known to do with volumes (`tests/data/apiserver`): it still does, and volcheck's verdict on
//! what it accepts is the linter's.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Deserialize;
use serde_json::Value;
use volcheck::finding::Severity;
use volcheck::policy::{Overrides, Policy, Profile};
use volcheck::rules::Registry;

use crate::support;
use crate::world::{World, root, world};

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

/// What leans on another case, on what a controller makes of it, or on another webhook.
const TOPICS: &[&str] = &[
    "binder",
    "controllers",
    "reapply",
    "statefulset-controller",
    "generic-ephemeral",
    "webhook-response",
    "mirror",
];

/// By id, and why it is another here.
const OTHERS: &[(&str, &str)] = &[
    ("prj-all", "a token needs a service account, which the admission plugin of that name gives"),
    ("prj-conflict", "a token needs a service account, which the admission plugin of that name gives"),
    ("y-ns-mismatch", "it was applied with another namespace on the command line"),
];

/// The cases that one `kubectl apply` repeats.
fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/data/apiserver/cases.jsonl")).expect("the cases");
    let cases = text.lines().map(|line| serde_json::from_str::<Case>(line).expect("a case"));
    let is_plain = |case: &Case| {
        case.send == "apply"
            && case.manifest.is_some()
            && !TOPICS.contains(&case.topic.as_str())
            && !OTHERS.iter().any(|(id, _)| *id == case.id)
            && (&case.setup, &case.note, &case.request_path, &case.file_extension)
                == (&None, &None, &None, &None)
    };
    cases.filter(is_plain).collect()
}

/// What `ask` says of each case that isn't right.
fn all(cases: &[Case], ask: impl Fn(&Case) -> Option<String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = ask(case).map(|problem| format!("{}: {problem}", case.id));
                    Vec::<String>::extend(&mut wrong.lock().expect("a lock"), found);
                }
            });
        }
    });
    wrong.into_inner().expect("a lock")
}

fn apply(world: &World, case: &Case) -> (bool, String) {
    let manifest = case.manifest.as_deref().expect("a manifest");
    let done = world.kubectl_with("admin", &["apply", "--dry-run=server", "-f", "-"], manifest);
    (done.is_success, done.stderr)
}

/// The errors of Pods and PersistentVolumes that the webhook sees, too.
fn errors(policy: &Policy, case: &Case) -> Vec<String> {
    let outcome = support::lint(policy, "case.yaml", case.manifest.as_deref().expect("a manifest"));
    let findings = outcome.findings.into_iter().map(|located| located.finding);
    let is_seen = |rule: &str| Registry::built_in().find(rule).is_some_and(|rule| rule.lint_only.is_none());
    let is_denied = |kind: &str| ["Pod", "PersistentVolume"].contains(&kind);
    let errors = findings.filter(|finding| {
        finding.severity == Severity::Error
            && is_seen(finding.rule.as_str())
            && finding.object.as_ref().is_some_and(|object| is_denied(&object.kind))
    });
    errors.map(|finding| finding.rule.to_string()).collect()
}

#[test]
fn what_is_known_of_the_api_server_holds_and_its_verdict_is_the_linter_s() {
    let world = &*world();
    let cases = cases();
    assert!(cases.len() > 600, "{}", cases.len());
    world.uninstall();
    let wrong = all(&cases, |case| {
        let (accepted, stderr) = apply(world, case);
        (accepted != case.accepted).then(|| format!("accepted: {accepted}; {stderr}"))
    });
    assert!(wrong.is_empty(), "of {}: {wrong:#?}", cases.len());

    world.install(crate::issued::VALUES);
    let policy = Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile");
    let wrong = all(&cases, |case| {
        let (accepted, stderr) = apply(world, case);
        let errors = if case.accepted { errors(&policy, case) } else { Vec::new() };
        let is_expected = match (case.accepted, errors.as_slice()) {
            (true, []) => accepted,
            (true, errors) => !accepted && errors.iter().all(|rule| stderr.contains(rule.as_str())),
            (false, _) => !accepted && !stderr.contains("denied the request: volcheck"),
        };
        (!is_expected).then(|| format!("accepted: {accepted}; {errors:?}; {stderr}"))
    });
    assert!(wrong.is_empty(), "of {}: {wrong:#?}", cases.len());
}

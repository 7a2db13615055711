//! Severities by place (`overrides`) and by date (`until` and `then`).

use serde_json::{Value, json};
use volcheck::admission::{self, Endpoint, ReviewContext};
use volcheck::finding::{RuleId, Severity};
use volcheck::lint::{self, Manifest, Options, Role};
use volcheck::policy::{Date, Level, MergedPolicy, Overrides, Policy};

use crate::one_verdict::create_review;
use crate::support::{TODAY, options, policy, temp_dir, volcheck_in};

/// A policy that enables only `sensitive-host-path`, as a warning.
const SENSITIVE: &str = "version: 1\nrules: {\"*\": off, sensitive-host-path: warning}\n";

fn pod(namespace: &str, name: &str, path: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": {
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}],
        "volumes": [{"name": "v", "hostPath": {"path": path, "type": "Directory"}}],
    }})
}

/// Returns the rules and severities that lint and the webhook report on a day, and checks that they
/// agree.
fn severities(policy: &Policy, object: &Value, today: Date) -> Vec<(String, Severity)> {
    let bytes = object.to_string().into_bytes();
    let manifest = Manifest { name: "pod.json", bytes, role: Role::File };
    let outcome = lint::check(manifest, &Options { today, ..options(policy) });
    let mut linted: Vec<_> = outcome
        .findings
        .iter()
        .map(|located| (located.finding.rule.to_string(), located.finding.severity))
        .collect();
    let context =
        ReviewContext { policy, policy_hash: "0123", today, endpoint: Endpoint::Validate, message: None };
    let mut review: Value = serde_json::from_str(&create_review(object)).expect("JSON");
    review["request"]["namespace"] = object["metadata"]["namespace"].clone();
    let decision = admission::review(&review.to_string(), &context).expect("a review");
    let mut reviewed: Vec<_> =
        decision.findings.iter().map(|finding| (finding.rule.to_string(), finding.severity)).collect();
    linted.sort();
    reviewed.sort();
    assert_eq!(linted, reviewed, "{object}");
    let has_error = linted.iter().any(|(_, severity)| *severity == Severity::Error);
    assert_eq!(decision.response.is_allowed(), !has_error, "{object}");
    linted
}

/// Returns the severity of the only finding about a Pod, or `None` if there is no finding.
fn severity(policy: &Policy, object: &Value, today: Date) -> Option<Severity> {
    let mut found = severities(policy, object, today);
    assert!(found.len() <= 1, "{found:?}");
    found.pop().map(|(_, severity)| severity)
}

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

#[test]
fn severity_changes_after_the_last_day() {
    let policy = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: {severity: warning, until: 2027-09-30, then: error}}\n",
    );
    let pod = pod("shop", "p", "/etc/kubernetes");
    assert_eq!(severity(&policy, &pod, day("2027-09-30")), Some(Severity::Warning));
    assert_eq!(severity(&policy, &pod, day("2027-10-01")), Some(Severity::Error));
}

#[test]
fn rules_can_be_disabled_until_or_after_a_date() {
    let later = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: {severity: off, until: 2027-09-30, then: error}}\n",
    );
    let earlier = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: {severity: error, until: 2027-09-30, then: off}}\n",
    );
    let pod = pod("shop", "p", "/etc/kubernetes");
    let rule = RuleId::new("sensitive-host-path");
    for (today, is_later) in [(day("2027-09-30"), false), (day("2027-10-01"), true)] {
        let enabled = Some(Severity::Error);
        assert_eq!(severity(&later, &pod, today), enabled.filter(|_| is_later), "{today}");
        assert_eq!(severity(&earlier, &pod, today), enabled.filter(|_| !is_later), "{today}");
        assert_eq!((later.is_enabled(rule, today), earlier.is_enabled(rule, today)), (is_later, !is_later));
    }
}

#[test]
fn all_rules_can_change_on_a_date() {
    let policy = policy("version: 1\nrules: {\"*\": {severity: info, until: 2027-09-30, then: error}}\n");
    let found = |today| severities(&policy, &pod("shop", "p", "/etc/kubernetes"), day(today));
    let (before, after) = (found("2027-09-30"), found("2027-10-01"));
    assert!(before.len() > 1 && before.iter().all(|(_, severity)| *severity == Severity::Info), "{before:?}");
    assert!(after.iter().all(|(_, severity)| *severity == Severity::Error), "{after:?}");
}

#[test]
fn overrides_lower_and_raise_severities_by_place() {
    let policy = policy(&format!(
        "{SENSITIVE}overrides:
- match: {{namespace: \"prod-*\"}}
  rules: {{sensitive-host-path: error}}
- match: {{namespace: \"*\", path: /etc/kubernetes/**, name: agent}}
  rules: {{sensitive-host-path: info}}
"
    ));
    for (namespace, name, path, expected) in [
        ("shop", "p", "/etc/kubernetes", Severity::Warning),
        ("prod-a", "p", "/etc/kubernetes", Severity::Error),
        // The last override that matches takes precedence.
        ("prod-a", "agent", "/etc/kubernetes/pki", Severity::Info),
        ("prod-a", "agent", "/var/log", Severity::Error),
        ("shop", "agent", "/etc/kubernetes", Severity::Info),
    ] {
        let found = severity(&policy, &pod(namespace, name, path), TODAY);
        assert_eq!(found, Some(expected), "{namespace}/{name}: {path}");
    }
}

#[test]
fn overrides_change_on_a_date() {
    let policy = policy(&format!(
        "{SENSITIVE}overrides:\n- match: {{namespace: legacy}}\n  rules: {{sensitive-host-path: {{severity: info, until: 2027-09-30, then: error}}}}\n"
    ));
    let legacy = pod("legacy", "p", "/etc/kubernetes");
    assert_eq!(severity(&policy, &legacy, day("2027-09-30")), Some(Severity::Info));
    assert_eq!(severity(&policy, &legacy, day("2027-10-01")), Some(Severity::Error));
    let other = pod("shop", "p", "/etc/kubernetes");
    assert_eq!(severity(&policy, &other, day("2027-10-01")), Some(Severity::Warning));
}

#[test]
fn overrides_enable_only_the_rules_that_they_name() {
    let text = |rules: &str| {
        format!(
            "version: 1\nrules: {{\"*\": off, writable-host-path: info}}\noverrides:\n- match: {{namespace: prod}}\n  rules: {rules}\n"
        )
    };
    let named = policy(&text("{sensitive-host-path: error}"));
    let found =
        |policy: &Policy, namespace| severities(policy, &pod(namespace, "p", "/etc/kubernetes"), TODAY);
    let error = |rule: &str| (rule.to_owned(), Severity::Error);
    let info = ("writable-host-path".to_owned(), Severity::Info);
    assert_eq!(found(&named, "prod"), [error("sensitive-host-path"), info.clone()]);
    assert_eq!(found(&named, "shop"), [info]);
    assert!(named.is_enabled(RuleId::new("sensitive-host-path"), TODAY));
    let all = policy(&text("{\"*\": error}"));
    assert_eq!(found(&all, "prod"), [error("writable-host-path")]);
    // The name of a rule takes precedence over `*`.
    let both = policy(&text("{\"*\": error, writable-host-path: warning}"));
    assert_eq!(found(&both, "prod"), [("writable-host-path".to_owned(), Severity::Warning)]);
}

#[test]
fn exemptions_apply_after_overrides() {
    let policy = policy(&format!(
        "{SENSITIVE}overrides:\n- match: {{namespace: prod}}\n  rules: {{sensitive-host-path: error}}\nexemptions:\n- {{rules: sensitive-host-path, match: {{namespace: prod, name: known}}, reason: r}}\n- {{rules: sensitive-host-path, match: {{namespace: prod, name: lowered}}, reason: r, severity: warning}}\n"
    ));
    for (name, expected) in
        [("p", Some(Severity::Error)), ("known", None), ("lowered", Some(Severity::Warning))]
    {
        assert_eq!(severity(&policy, &pod("prod", name, "/etc/kubernetes"), TODAY), expected, "{name}");
    }
}

#[test]
fn overrides_decide_which_finding_of_a_family_is_reported() {
    let policy = policy(
        "version: 1\nrules: {\"*\": off, host-path: warning, sensitive-host-path: error}\noverrides:\n- match: {namespace: shop}\n  rules: {sensitive-host-path: info}\n",
    );
    let found = |namespace| severities(&policy, &pod(namespace, "p", "/etc/kubernetes"), TODAY);
    assert_eq!(found("shop"), [("host-path".to_owned(), Severity::Warning)]);
    assert_eq!(found("other"), [("sensitive-host-path".to_owned(), Severity::Error)]);
}

#[test]
fn overrides_do_not_apply_to_forged_owners() {
    let text = format!(
        "{SENSITIVE}overrides:\n- match: {{namespace: shop, kind: DaemonSet, name: agent}}\n  rules: {{sensitive-host-path: error}}\n"
    );
    let mut object = pod("shop", "agent-x2x4q", "/etc/kubernetes");
    object["metadata"]["ownerReferences"] =
        json!([{"kind": "DaemonSet", "name": "agent", "controller": true}]);
    let policy = policy(&text);
    // The review is from a trusted controller.
    assert_eq!(severity(&policy, &object, TODAY), Some(Severity::Error));
    let mut review: Value = serde_json::from_str(&create_review(&object)).expect("JSON");
    review["request"]["userInfo"]["username"] = "alice".into();
    review["request"]["namespace"] = "shop".into();
    let context = ReviewContext {
        policy: &policy,
        policy_hash: "0123",
        today: TODAY,
        endpoint: Endpoint::Validate,
        message: None,
    };
    let decision = admission::review(&review.to_string(), &context).expect("a review");
    assert_eq!(decision.findings[0].severity, Severity::Warning);
}

#[test]
fn overrides_of_all_layers_take_precedence_over_rules() {
    let directory = temp_dir(&[
        (
            "volcheck.yaml",
            "version: 1\nextends: [./base.yaml]\nrules: {\"*\": off, sensitive-host-path: info}\noverrides:\n- match: {namespace: [b, c]}\n  rules: {sensitive-host-path: warning}\n",
        ),
        (
            "base.yaml",
            "version: 1\nrules: {sensitive-host-path: off}\noverrides:\n- match: {namespace: [a, b]}\n  rules: {sensitive-host-path: error}\n",
        ),
    ]);
    let file = directory.path().join("volcheck.yaml");
    let policy = Policy::load(&file, &Overrides::default()).expect("a policy");
    let found = |namespace| severity(&policy, &pod(namespace, "p", "/etc/kubernetes"), TODAY);
    assert_eq!(
        ["a", "b", "c", "d"].map(found),
        [Severity::Error, Severity::Warning, Severity::Warning, Severity::Info].map(Some)
    );
    let flags = |select: Option<&str>, ignore: &[&str]| {
        let select = select.map(|rule| vec![rule.to_owned()]);
        let ignore = ignore.iter().map(|rule| (*rule).to_owned()).collect();
        MergedPolicy::load(&file, &Overrides { select, ignore, ..Overrides::default() }).expect("a policy")
    };
    // A flag that disables a rule also disables it for the objects of overrides.
    for merged in [flags(None, &["sensitive-host-path"]), flags(Some("host-root"), &[])] {
        assert!(!merged.text(false).contains("overrides:"), "{}", merged.text(false));
        assert_eq!(severity(&merged.resolve(), &pod("a", "p", "/etc/kubernetes"), TODAY), None);
    }
    let selected = flags(Some("sensitive-host-path"), &[]).resolve();
    assert_eq!(severity(&selected, &pod("a", "p", "/etc/kubernetes"), TODAY), Some(Severity::Error));
}

#[test]
fn selecting_a_rule_that_is_disabled_on_some_day_enables_it() {
    let directory = temp_dir(&[(
        "volcheck.yaml",
        "version: 1\nrules: {host-root: {severity: error, until: 2027-09-30, then: off}}\n",
    )]);
    let overrides = Overrides { select: Some(vec!["host-root".to_owned()]), ..Overrides::default() };
    let policy = Policy::load(&directory.path().join("volcheck.yaml"), &overrides).expect("a policy");
    assert_eq!(policy.level(RuleId::new("host-root"), day("2028-01-01")), Level::Default);
}

const DATED: &str = "version: 1
rules:
  host-root: {severity: warning, until: 2027-09-30, then: error}
  unbounded-empty-dir: {severity: off, until: 2027-09-30, then: info, options: {defaultSize: 2Gi}}
overrides:
- match: {namespace: [a, \"b*\"], kind: DaemonSet, path: /var/log/**, access: write}
  rules:
    sensitive-host-path: {severity: info, until: 2027-10-31, then: warning}
- match: {namespace: \"no\"}
  rules: {\"*\": warning, host-root: error}
";

#[test]
fn policy_show_prints_overrides_and_dates_with_origins() {
    let directory = temp_dir(&[("volcheck.yaml", DATED)]);
    let (code, shown) = volcheck_in(directory.path(), &["policy", "show"]);
    assert_eq!(code, 0, "{shown}");
    let has_line = |start: &str, end: &str| {
        shown.lines().any(|line| line.trim_start().starts_with(start) && line.ends_with(end))
    };
    assert!(
        has_line("host-root: { severity: warning, until: 2027-09-30, then: error }", "# volcheck.yaml:3"),
        "{shown}"
    );
    let size = "unbounded-empty-dir: { severity: off, until: 2027-09-30, then: info, options: { defaultSize: 2Gi } }";
    assert!(has_line(size, "# volcheck.yaml:4"), "{shown}");
    assert!(has_line("# volcheck.yaml:6", "") && has_line("# volcheck.yaml:9", ""), "{shown}");
    std::fs::write(directory.path().join("shown.yaml"), &shown).expect("written");
    let load = |name: &str| {
        MergedPolicy::load(&directory.path().join(name), &Overrides::default()).expect("a policy")
    };
    let (original, again) = (load("volcheck.yaml"), load("shown.yaml"));
    assert_eq!((original.text(false), original.hash()), (again.text(false), again.hash()));
    assert!(original.text(false).contains("until: 2027-10-31"), "{}", original.text(false));
}

#[test]
fn announces_changes_in_the_last_month() {
    let changes = |today| -> Vec<String> {
        let policy = policy(DATED);
        policy.upcoming_changes(day(today)).map(|change| change.to_string()).collect()
    };
    assert!(changes("2027-08-30").is_empty());
    let upcoming = changes("2027-08-31");
    assert_eq!(upcoming.len(), 2, "{upcoming:?}");
    assert!(
        upcoming[0].ends_with(
            "volcheck.yaml:3: the severity of `host-root` changes from warning to error after 2027-09-30"
        ),
        "{upcoming:?}"
    );
    let last = changes("2027-10-31");
    assert!(
        last[0].ends_with("volcheck.yaml:8: the severity of `sensitive-host-path`, for the objects of this override, changes from info to warning after 2027-10-31"),
        "{last:?}"
    );
    assert_eq!(last.len(), 1, "{last:?}");
    assert!(changes("2027-11-01").is_empty());
}

#[test]
fn different_changes_on_one_line_are_separate() {
    let policy = policy(
        "version: 1\nrules: {host-root: {severity: info, until: 2027-09-30, then: error}, runtime-socket: {severity: \
         info, until: 2027-09-30, then: error}, untyped-host-path: {severity: off, until: 2027-09-29, then: warning}}\n",
    );
    let changes: Vec<_> =
        policy.upcoming_changes(day("2027-09-20")).map(|change| change.to_string()).collect();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes.iter().any(|change| change.contains("`host-root` and `runtime-socket`")), "{changes:?}");
}

#[test]
fn lint_and_policy_check_print_changes() {
    let today = volcheck::policy::today();
    let text = |until: Date| {
        format!("version: 1\nrules:\n  host-root: {{severity: info, until: {until}, then: error}}\n")
    };
    let manifest = pod("shop", "p", "/srv/x").to_string();
    let run = |until: Date, arguments: &[&str]| {
        let directory = temp_dir(&[("volcheck.yaml", &text(until)), ("pod.json", &manifest)]);
        volcheck_in(directory.path(), arguments)
    };
    let message = format!(
        "warning: volcheck.yaml:3: the severity of `host-root` changes from info to error after {today}"
    );
    // The warning does not affect the exit code, and goes to standard error.
    let (code, out) = run(today, &["lint", "--fail-on", "never", "--format", "json"]);
    assert!(code == 0 && out.contains(&format!("\n{message}\n")), "{out}");
    let (code, out) = run(today, &["policy", "check"]);
    assert!(code == 0 && out.starts_with(&format!("{message}\n")), "{out}");
    let past = day("2026-01-31");
    let (code, out) = run(past, &["policy", "check"]);
    assert_eq!(code, 0, "{out}");
    let expected = "warning: volcheck.yaml:3: the severity of `host-root` changes from info to error after 2026-01-31, which is in the past: set only the last severity\n";
    assert!(out.starts_with(expected), "{out}");
    assert!(!run(past, &["lint", "--fail-on", "never"]).1.contains("warning: volcheck.yaml"));
}

#[test]
fn unused_ignores_of_rules_that_only_an_override_enables_are_reported() {
    let text = "version: 1\nrules: {\"*\": off, unused-ignore: warning}\noverrides:\n- match: {namespace: prod}\n  rules: {host-root: error}\n";
    let manifest = "# volcheck: ignore-file[host-root] -- r\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n";
    let outcome = crate::support::lint(&policy(text), "pod.yaml", manifest);
    let rules: Vec<_> = outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect();
    assert_eq!(rules, ["unused-ignore"]);
}

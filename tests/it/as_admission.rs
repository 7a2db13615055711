//! `volcheck lint --as-admission`: the verdicts of the webhook on manifests.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use volcheck::admission::{self, Effect, Endpoint, ReviewContext};
use volcheck::finding::Severity;
use volcheck::input::{self, DiscoveryOptions};
use volcheck::lint::{self, ObjectVerdict, Options, Report, RunOptions};
use volcheck::policy::Policy;
use volcheck::rules::Registry;

use crate::one_verdict::{as_sent_by_api_server, create_review, objects, pod_of};
use crate::reports::assert_valid;
use crate::support::{manifests, matches_schema, name, options, policy, root, temp_dir, volcheck_in};

const POLICY: &str =
    "version: 1\nrules: {\"*\": off, sensitive-host-path: error, writable-host-path: warning}\n";

/// A pod spec with a volume at this path.
fn spec(path: &str) -> Value {
    json!({
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}],
        "volumes": [{"name": "v", "hostPath": {"path": path, "type": "Directory"}}],
    })
}

fn pod(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": spec("/etc/kubernetes")})
}

fn deployment(namespace: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": namespace}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec("/etc/kubernetes")},
    }})
}

fn namespace(name: &str, mode: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"volcheck.io/mode": mode}}})
}

/// Returns the report with the verdicts on the manifests at a path.
fn report(policy: &Policy, path: &Path) -> Report {
    let extensions = vec!["json".to_owned()];
    let settings = DiscoveryOptions { extensions, ..DiscoveryOptions::default() };
    let found = input::discover(&[path.to_string_lossy().into_owned()], &settings);
    let lint = Options { with_ignores: false, as_admission: true, ..options(policy) };
    lint::run(&found, &RunOptions { lint, is_complete: false }, &|| {}).report
}

/// Returns the verdicts on the objects, in order of their files.
fn verdicts(policy: &Policy, objects: &[Value]) -> Vec<(String, ObjectVerdict)> {
    let names: Vec<_> = (0..objects.len()).map(|index| format!("{index}.json")).collect();
    let texts: Vec<_> = objects.iter().map(Value::to_string).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let directory = temp_dir(&files);
    let report = report(policy, directory.path());
    assert!(report.errors.is_empty());
    let objects = report.reviewed_objects(Severity::Info);
    objects.iter().map(|object| (object.id.to_string(), object.verdict)).collect()
}

fn verdict(policy_text: &str, objects: &[Value]) -> Vec<ObjectVerdict> {
    let policy = policy(&format!("{POLICY}{policy_text}"));
    verdicts(&policy, objects).into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn modes_decide_the_verdicts() {
    use ObjectVerdict::{Audited, Denied, PodsDenied, Unchecked, Warned};
    for (text, of_pod, of_deployment) in [
        ("", Denied, PodsDenied),
        ("workloadMode: deny\n", Denied, Denied),
        ("modes: {shop: warn}\nworkloadMode: deny\n", Warned, Warned),
        ("modes: {\"s*\": audit}\n", Audited, Audited),
        ("modes: {shop: \"off\"}\n", Unchecked, Unchecked),
        ("modes: {other: warn}\n", Denied, PodsDenied),
    ] {
        assert_eq!(verdict(text, &[pod("shop"), deployment("shop")]), [of_pod, of_deployment], "{text}");
    }
}

#[test]
fn label_of_the_namespace_denies_pods() {
    use ObjectVerdict::{Denied, PodsDenied, Warned};
    let text = "modes: {\"*\": warn}\n";
    let objects = [pod("shop"), deployment("shop")];
    assert_eq!(verdict(text, &objects), [Warned, Warned]);
    let with = |label: Value| verdict(text, &[objects.as_slice(), &[label]].concat());
    assert_eq!(with(namespace("shop", "deny")), [Denied, PodsDenied]);
    assert_eq!(with(namespace("shop", "warn")), [Warned, Warned]);
    assert_eq!(with(namespace("other", "deny")), [Warned, Warned]);
    // The label has no effect on workloads themselves.
    let strict = verdict(
        "modes: {\"*\": warn}\nworkloadMode: deny\n",
        &[deployment("shop"), namespace("shop", "deny")],
    );
    assert_eq!(strict, [PodsDenied]);
}

#[test]
fn persistent_volumes_use_the_default_mode() {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/etc/kubernetes", "type": "Directory"},
    }});
    let objects = [volume];
    assert_eq!(verdict("modes: {default: warn}\n", &objects), [ObjectVerdict::Denied]);
    assert_eq!(verdict("modes: {\"*\": warn}\n", &objects), [ObjectVerdict::Warned]);
}

#[test]
fn omits_findings_that_the_webhook_does_not_report() {
    let custom = json!({"apiVersion": "example.io/v1", "kind": "Guess", "metadata": {"name": "g"}, "spec": {"template": spec("/etc/kubernetes")}});
    let embedded = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"pod.yaml": pod("shop").to_string()}});
    let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r"}, "spec": {"template": {"spec": spec("/etc/kubernetes")}}});
    assert_eq!(verdict("", &[custom, embedded]), []);
    // The webhook does not receive custom workloads, but it receives their Pods.
    assert_eq!(verdict("", &[rollout]), [ObjectVerdict::PodsDenied]);
}

/// Returns the verdict of the webhook on an object at an endpoint.
fn review(policy: &Policy, object: &Value, endpoint: Endpoint) -> Effect {
    let today = crate::support::TODAY;
    let context = ReviewContext { policy, policy_hash: "0123", today, endpoint, message: None };
    let review = create_review(&as_sent_by_api_server(object.clone()));
    let decision = admission::review(&review, &context).expect("a review");
    match (decision.response.is_allowed(), decision.response.warnings()) {
        (false, _) => Effect::Deny,
        (true, []) if decision.findings.is_empty() => Effect::Off,
        (true, []) => Effect::Audit,
        (true, _) => Effect::Warn,
    }
}

/// Checks that lint and the webhook agree on the effect on an object and on the Pods of a workload.
/// Returns false if lint could not check all of the object.
fn compare(policy: &Policy, object: &Value, file: &Path, at: &str) -> bool {
    fs::write(file, object.to_string()).expect("written");
    let report = report(policy, file);
    if !report.errors.is_empty() || !report.unknown_host_paths.is_empty() {
        return false;
    }
    let reviews = report.findings.iter().filter_map(|located| located.review);
    let (own, pods) =
        reviews.fold((None, None), |(own, pods), review| (review.object.max(own), review.pods.max(pods)));
    let endpoint = match object["kind"].as_str() {
        Some("Pod" | "PersistentVolume") => Endpoint::Validate,
        _ => Endpoint::Advise,
    };
    assert_eq!(own.unwrap_or(Effect::Off), review(policy, object, endpoint), "{at}: {object}");
    if let Some(pod) = pod_of(object) {
        let is_denied = review(policy, &pod, Endpoint::Validate) == Effect::Deny;
        assert_eq!(pods == Some(Effect::Deny), is_denied, "{at}: the Pods of {object}");
    }
    true
}

#[test]
fn agrees_with_the_webhook_on_every_fixture() {
    let policies = [
        "",
        "workloadMode: deny\n",
        "modes: {\"*\": warn}\n",
        "modes: {\"*\": audit}\n",
        "modes: {\"*\": \"off\"}\n",
    ]
    .map(|text| policy(&format!("version: 1\nprofile: restricted\n{text}")));
    let directory = temp_dir(&[]);
    let file = directory.path().join("object.json");
    let mut compared = 0;
    for rule in Registry::built_in().iter().filter(|rule| rule.lint_only.is_none()) {
        for path in manifests(&root().join("tests/fixtures").join(rule.id.as_str()).join("bad")) {
            let text = fs::read_to_string(&path).expect("a fixture");
            if text.contains("$patch") || text.contains("${") {
                continue;
            }
            // The chart does not send revisions and storage classes to the webhook.
            let is_sent =
                |object: &Value| object["kind"] != "ControllerRevision" && object["kind"] != "StorageClass";
            for object in objects(&text).iter().filter(|object| is_sent(object)) {
                let checked = policies.iter().filter(|policy| compare(policy, object, &file, &name(&path)));
                compared += checked.count();
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn exit_code_and_report_follow_the_verdicts() {
    let ignored = "# volcheck: ignore-file[sensitive-host-path] -- r\n";
    let pod_text = format!("{ignored}{}", pod("shop"));
    let directory = temp_dir(&[
        ("volcheck.yaml", &format!("{POLICY}modes: {{lax: warn}}\nlint: {{baseline: known.json}}\n")),
        ("known.json", "not a baseline"),
        ("lax.yaml", &pod("lax").to_string()),
        ("pod.yaml", &pod_text),
        ("workload.yaml", &deployment("shop").to_string()),
    ]);
    let run = |arguments: &[&str]| {
        volcheck_in(directory.path(), &[&["lint", "--as-admission"], arguments].concat())
    };
    let (code, out) = run(&["lax.yaml"]);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("warned       Pod lax/p (lax.yaml:1): sensitive-host-path, writable-host-path\n"),
        "{out}"
    );
    assert!(out.ends_with("The webhook would deny no objects and warn about 1 object.\n"), "{out}");
    // Neither comments nor the baseline apply.
    let (code, out) = run(&["pod.yaml"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("= verdict: denied\n"), "{out}");
    let (code, out) = run(&[]);
    assert_eq!(code, 1, "{out}");
    let summary = "The webhook would deny 1 object, deny the Pods of 1 object and warn about 1 object.\n";
    assert!(out.ends_with(summary), "{out}");
    assert_eq!(run(&["workload.yaml", "--quiet"]).0, 1);
    let (_, out) = run(&["--format", "concise"]);
    assert!(
        out.contains("(denied) (Pod shop/p)") && out.contains("(Pods denied) (Deployment shop/d)"),
        "{out}"
    );
    let (_, out) = run(&["--format", "json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let expected = json!({"denied": 1, "pods_denied": 1, "warned": 1, "audited": 0, "unchecked": 0, "omitted_findings": 0});
    assert_eq!(report["summary"]["verdicts"], expected);
    let findings = report["findings"].as_array().expect("findings");
    let of_workload = findings.iter().find(|finding| finding["object"]["kind"] == "Deployment");
    assert_eq!(
        of_workload.expect("a finding")["admission"],
        json!({"verdict": "pods_denied", "object": "warn", "pods": "deny"})
    );
    assert_valid(volcheck::report::SCHEMA, &out);
}

#[test]
fn reports_input_that_could_not_be_checked() {
    let directory = temp_dir(&[
        ("volcheck.yaml", POLICY),
        ("broken.yaml", "kind: [Pod"),
        (
            "namespace.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: [volcheck.io/mode]}\n",
        ),
    ]);
    for file in ["broken.yaml", "namespace.yaml"] {
        let (code, out) = volcheck_in(directory.path(), &["lint", "--as-admission", file]);
        assert_eq!(code, 2, "{out}");
    }
}

#[test]
fn rejects_flags_that_do_not_apply() {
    let directory = temp_dir(&[("volcheck.yaml", POLICY), ("pod.yaml", &pod("shop").to_string())]);
    let run = |arguments: &[&str]| {
        volcheck_in(directory.path(), &[&["lint", "--as-admission"], arguments].concat())
    };
    for arguments in [&["--fail-on", "warning"], &["--baseline", "known.json"]] {
        let (code, out) = run(arguments);
        assert!(code == 2 && out.contains("cannot be used with"), "{out}");
    }
    for arguments in [&["--format", "sarif"], &["--output", "junit=report.xml"]] {
        let (code, out) = run(arguments);
        assert!(code == 2 && out.contains("--as-admission does not support the format"), "{out}");
    }
    assert!(!directory.path().join("report.xml").exists());
    assert!(matches_schema(POLICY));
}

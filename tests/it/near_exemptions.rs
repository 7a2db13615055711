//! Exemptions that do not apply to a finding because of a single key.

use serde_json::{Value, json};
use volcheck::admission::{self, Endpoint, ReviewContext};
use volcheck::lint::Outcome;
use volcheck::policy::{self, Policy};

use crate::support::{TODAY, lint, policy, temp_dir, volcheck_in};

const MANIFEST: &str = "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log-agent, namespace: logging}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers:
      - name: agent
        image: agent
        volumeMounts:
        - {name: logs, mountPath: /logs}
      volumes:
      - {name: logs, hostPath: {path: /var/log/pods, type: Directory}}
";

/// Returns a policy that enables one rule, with an exemption from this rule.
fn exempting(rule: &str, scope: &str, rest: &str) -> Policy {
    policy(&format!(
        "version: 1\nrules: {{\"*\": off, {rule}: error}}\nexemptions:\n- rules: [{rule}]\n  match: {{{scope}}}\n  reason: the test\n{rest}"
    ))
}

fn note_of(outcome: &Outcome) -> Option<String> {
    let [located] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    let finding = &located.finding;
    finding.near_exemption.as_ref().map(|near| near.describe(finding))
}

/// Returns the note at the finding of `writable-host-path`, without the location of the exemption.
fn note_for(scope: &str, rest: &str) -> Option<String> {
    let note = note_of(&lint(&exempting("writable-host-path", scope, rest), "m.yaml", MANIFEST))?;
    let (start, end) = note.split_once(":4 ").expect("the line of the exemption");
    assert!(start.starts_with("the exemption at "), "{note}");
    Some(end.to_owned())
}

#[test]
fn names_the_only_key_that_does_not_match() {
    const NAMED: &str = "namespace: logging, kind: DaemonSet, name: log-agent";
    let in_logging = |rest: &str| format!("namespace: logging, {rest}");
    for (scope, key) in [
        ("namespace: logs, name: log-agent".to_owned(), "namespace`: `logs` does not match `logging`"),
        ("namespace: loging".to_owned(), "namespace`: `loging` does not match `logging`"),
        (
            "namespace: [a, b, c, d], name: log-agent".to_owned(),
            "namespace`: `a`, `b`, `c` … does not match `logging`",
        ),
        (in_logging("kind: Deployment, name: log-agent"), "kind`: `Deployment` does not match `DaemonSet`"),
        (in_logging("kind: Daemonset"), "kind`: `Daemonset` does not match `DaemonSet`"),
        (in_logging("name: log-agents"), "name`: `log-agents` does not match `log-agent`"),
        (in_logging("name: agent"), "name`: `agent` does not match `log-agent`"),
        (in_logging("volume: log"), "volume`: `log` does not match `logs`"),
        (in_logging("container: agents"), "container`: `agents` does not match `agent`"),
        (in_logging("path: /var/log"), "path`: `/var/log` does not match `/var/log/pods`"),
        (in_logging("path: /var/log/pods/*"), "path`: `/var/log/pods/*` does not match `/var/log/pods`"),
        (in_logging("path: /var/log/pod"), "path`: `/var/log/pod` does not match `/var/log/pods`"),
        (format!("{NAMED}, path: /var/logs/pods"), "path`: `/var/logs/pods` does not match `/var/log/pods`"),
    ] {
        assert_eq!(note_for(&scope, ""), Some(format!("matches except for `{key}")), "{scope}");
    }
}

#[test]
fn names_access_and_expired_exemptions() {
    let scope = "namespace: logging, name: log-agent";
    let outcome =
        lint(&exempting("sensitive-host-path", &format!("{scope}, access: read"), ""), "m.yaml", MANIFEST);
    let note = note_of(&outcome).expect("a note");
    assert!(note.ends_with("matches except for `access`: `read` does not match `write`"), "{note}");
    assert_eq!(note_for(scope, "  expires: 2020-01-01\n").as_deref(), Some("expired on 2020-01-01"));
    let policy = policy(&format!(
        "version: 1\nrules: {{\"*\": off, untyped-host-path: error}}\nexemptions:\n- rules: \"*\"\n  match: {{{scope}, access: read}}\n  reason: r\n"
    ));
    let untyped = MANIFEST.replace(", type: Directory", "");
    assert_eq!(note_of(&lint(&policy, "m.yaml", &untyped)), None);
    assert_eq!(note_for("namespace: logs, name: log-agent", "  expires: 2020-01-01\n"), None);
}

#[test]
fn ignores_exemptions_for_other_objects() {
    for scope in [
        // Two keys do not match.
        "namespace: logs, kind: Deployment, name: log-agent",
        // The exemption is not about this object.
        "namespace: monitoring",
        "namespace: monitoring, name: \"*\"",
        "namespace: monitoring, path: /var/log/**",
        "namespace: logging, name: fluentd",
        "namespace: logging, name: log-*-agent",
        "namespace: logging, kind: Deployment",
        "namespace: logging, name: log-agent, path: /var/lib/agent",
        "namespace: logging, name: log-agent, container: init",
        "namespace: logging, user: alice",
    ] {
        assert_eq!(note_for(scope, ""), None, "{scope}");
    }
}

#[test]
fn names_the_namespace_of_a_pack() {
    let directory = temp_dir(&[
        ("volcheck.yaml", "version: 1\nextends: [node-agents/upstream/fluent-bit]\n"),
        (
            "m.yaml",
            &MANIFEST
                .replace("log-agent", "fluent-bit")
                .replace("namespace: logging", "namespace: observability")
                .replace("/var/log/pods", "/var/log"),
        ),
    ]);
    let text = volcheck_in(directory.path(), &["lint"]).1;
    assert!(
        text.contains(
            "= note: the exemption at node-agents/upstream/fluent-bit matches except for `namespace`: "
        ),
        "{text}"
    );
}

#[test]
fn reports_and_denials_contain_the_note() {
    let policy_text = "version: 1\nrules: {\"*\": off, writable-host-path: error}\nexemptions:\n- rules: [writable-host-path]\n  match: {namespace: logs, name: log-agent}\n  reason: the test\n";
    let directory = temp_dir(&[("volcheck.yaml", policy_text), ("m.yaml", MANIFEST)]);
    let note =
        "the exemption at volcheck.yaml:4 matches except for `namespace`: `logs` does not match `logging`";
    let (code, text) = volcheck_in(directory.path(), &["lint"]);
    assert!(code == 1 && text.contains(&format!("= note: {note}\n")), "{text}");
    let (_, text) = volcheck_in(directory.path(), &["lint", "--format", "json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let near =
        json!({ "origin": "volcheck.yaml:4", "key": "namespace", "expected": "`logs`", "found": "logging" });
    assert_eq!(report["findings"][0]["near_exemption"], near);

    let policy = Policy::load(&directory.path().join("volcheck.yaml"), &policy::Overrides::default())
        .expect("a policy");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "log-agent", "namespace": "logging" },
        "spec": {
            "containers": [{ "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
            "volumes": [{ "name": "v", "hostPath": { "path": "/var/log", "type": "Directory" } }],
        },
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" }, "name": "log-agent", "namespace": "logging",
            "operation": "CREATE", "userInfo": { "username": "alice" }, "object": pod,
        },
    });
    let context = ReviewContext {
        policy: &policy,
        policy_hash: "0123",
        today: TODAY,
        endpoint: Endpoint::Validate,
        message: None,
    };
    let decision = admission::review(&review.to_string(), &context).expect("a review");
    let message = decision.response.message();
    assert!(message.contains("; note: the exemption at ") && message.lines().count() == 1, "{message}");
}

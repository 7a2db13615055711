//! What admission answers: modes, endpoints, the ratchet, subresources, and what the API server takes.

use proptest::prelude::*;
use serde_json::{Value, json};
use volcheck::admission::{self, Decision, Endpoint, Outcome, ReviewError, Terms};
use volcheck::policy::Policy;

use crate::support::{TODAY, all_rules, policy};

/// A request that the API server could send.
#[derive(Clone)]
struct Request(Value);

impl Request {
    fn new(operation: &str, object: Value) -> Self {
        let kind = object["kind"].as_str().unwrap_or("Pod").to_owned();
        let api_version = object["apiVersion"].as_str().unwrap_or("v1").to_owned();
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = if kind == "Pod" { "pods".to_owned() } else { format!("{}s", kind.to_lowercase()) };
        Self(json!({
            "uid": "u-1", "operation": operation, "name": object["metadata"]["name"], "namespace": "shop",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": object, "oldObject": null, "dryRun": false, "options": {"kind": "CreateOptions"},
        }))
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    fn old(self, object: &Value) -> Self {
        self.with("oldObject", object.clone())
    }

    fn text(&self) -> String {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": self.0}).to_string()
    }

    fn at(&self, endpoint: Endpoint, policy: &Policy) -> Decision {
        let terms = Terms { policy, policy_hash: "0123", today: TODAY, endpoint };
        admission::review(&self.text(), &terms).expect("a review")
    }

    fn answer(&self, policy: &Policy) -> Decision {
        self.at(Endpoint::Validate, policy)
    }
}

/// A Pod with these host paths, each mounted by the containers beside it.
fn pod(volumes: &[(&str, &[&str])]) -> Value {
    let names: Vec<_> = volumes.iter().flat_map(|(_, containers)| *containers).collect();
    let mounts = |container: &&&str| -> Vec<Value> {
        let own = volumes.iter().filter(|(_, containers)| containers.contains(container));
        own.map(
            |(path, _)| json!({"name": volume(path), "mountPath": format!("/host{path}"), "readOnly": true}),
        )
        .collect()
    };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "nodeName": "node-1",
        "containers": names.iter().map(|name| json!({"name": name, "image": "i", "volumeMounts": mounts(name)})).collect::<Vec<_>>(),
        "volumes": volumes.iter().map(|(path, _)| json!({"name": volume(path), "hostPath": {"path": path, "type": "Directory"}})).collect::<Vec<_>>(),
    }})
}

fn volume(path: &str) -> String {
    path.trim_matches('/').replace(['/', '.'], "-")
}

fn deployment(pod: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {}, "template": {"metadata": {}, "spec": pod["spec"]}}})
}

/// Secrets of the node alone: one finding a volume.
fn secrets() -> Policy {
    policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n")
}

fn bad() -> Value {
    pod(&[("/etc/kubernetes", &["a"])])
}

#[test]
fn a_denial_says_all_and_fits() {
    let decision =
        Request::new("CREATE", pod(&[("/etc/kubernetes", &["a"]), ("/root", &["a"])])).answer(&secrets());
    let answer = serde_json::to_value(&decision.answer).expect("JSON");
    let response = &answer["response"];
    assert_eq!(
        (&answer["apiVersion"], &answer["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
    let message = response["status"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with(
            "volcheck: 2 problems in Pod shop/p: [sensitive-host-path] spec.volumes[0].hostPath.path: "
        ),
        "{message}"
    );
    assert!(message.ends_with("; see \"volcheck explain sensitive-host-path\""), "{message}");
    let causes = response["status"]["details"]["causes"].as_array().expect("causes");
    assert_eq!(causes.len(), 2);
    assert_eq!(
        (&causes[1]["reason"], &causes[1]["field"]),
        (&json!("sensitive-host-path"), &json!("spec.volumes[1].hostPath.path"))
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"volcheck-rules": "sensitive-host-path", "volcheck-policy": "0123"})
    );
    assert!(response.get("patch").is_none() && response.get("warnings").is_none());
    assert_eq!(decision.outcome, Outcome::Deny);
    // Whatever a user writes, the message stays within bounds, and each warning on one short line.
    let long = format!("/etc/kubernetes/{}\n\u{1b}[31m", "x".repeat(4_000));
    let many: Vec<_> = (0..40)
        .map(|at| json!({"name": format!("v{at}"), "hostPath": {"path": format!("{long}{at}"), "type": ""}}))
        .collect();
    let mut hostile = bad();
    hostile["spec"]["volumes"] = many.into();
    let policy = policy("version: 1\nrules: {\"*\": off, host-path: error, unused-volume: warning}\n");
    let decision = Request::new("CREATE", hostile).answer(&policy);
    let (message, warnings) = (decision.answer.message(), decision.answer.warnings());
    assert!(message.contains("and 30 more") && message.len() < 10_000, "{}", message.len());
    assert_eq!(warnings.len(), 11);
    assert!(warnings.iter().chain([&message.to_owned()]).all(|text| !text.chars().any(char::is_control)));
    assert!(warnings.iter().all(|text| text.chars().count() <= 240));
}

#[test]
fn endpoints_differ_in_what_they_enforce() {
    let lax = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nmodes: {shop: warn}\n");
    let outcome = |policy: &Policy, endpoint, object: &Value| {
        Request::new("CREATE", object.clone()).at(endpoint, policy).outcome
    };
    let own = deployment(&bad());
    for (endpoint, policy, object, expected) in [
        (Endpoint::Validate, &secrets(), &bad(), Outcome::Deny),
        (Endpoint::Strict, &secrets(), &bad(), Outcome::Deny),
        (Endpoint::Advise, &secrets(), &bad(), Outcome::Warn),
        (Endpoint::Validate, &lax, &bad(), Outcome::Warn),
        (Endpoint::Strict, &lax, &bad(), Outcome::Deny),
        (Endpoint::Advise, &lax, &bad(), Outcome::Warn),
        (Endpoint::Advise, &secrets(), &own, Outcome::Warn),
        (Endpoint::Strict, &secrets(), &own, Outcome::Warn),
    ] {
        assert_eq!(outcome(policy, endpoint, object), expected, "{endpoint:?} {object}");
    }
    let strict = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nworkloadMode: deny\n");
    assert_eq!(outcome(&strict, Endpoint::Advise, &own), Outcome::Deny);
}

#[test]
fn what_can_t_be_read_is_denied_where_an_error_would_be() {
    let broken = || {
        let mut pod = bad();
        pod["spec"]["volumes"] = json!("none");
        Request::new("CREATE", pod)
    };
    let strictly = broken().answer(&secrets());
    assert!(!strictly.answer.is_allowed() && strictly.outcome == Outcome::Error);
    let answer = serde_json::to_value(&strictly.answer).expect("JSON");
    assert_eq!(answer["response"]["status"]["code"], 400);
    assert!(
        strictly.answer.message().starts_with("volcheck: the object can't be read: "),
        "{}",
        strictly.answer.message()
    );
    let advised = broken().at(Endpoint::Advise, &secrets());
    assert!(advised.answer.is_allowed() && advised.answer.warnings().len() == 1);
    assert!(advised.answer.audit_annotations()["volcheck-error"].contains("can't be read"));
    let audited = policy("version: 1\nmodes: {\"*\": audit}\n");
    let audited = broken().answer(&audited);
    assert!(audited.answer.is_allowed() && audited.answer.warnings().is_empty());
    assert!(audited.answer.audit_annotations().contains_key("volcheck-error"));
    // As deep as the API server would never let it.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let text = Request::new("CREATE", bad()).text().replacen("\"Directory\"", &deep, 1);
    let terms = Terms { policy: &secrets(), policy_hash: "", today: TODAY, endpoint: Endpoint::Validate };
    assert!(!admission::review(&text, &terms).expect("a review").answer.is_allowed());
}

/// A small text may stand for much: each mount of a long path is a path of its own to judge.
#[test]
fn what_costs_too_much_to_judge_is_denied() {
    let rules = policy("version: 1\n");
    let mounted = |path: &str, count: usize, part: &str| {
        let mount =
            |at| json!({"name": "v", "mountPath": format!("/{at}"), "subPath": part, "readOnly": true});
        let mounts: Vec<_> = (0..count).map(mount).collect();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
            "nodeName": "n", "containers": [{"name": "c", "image": "i", "volumeMounts": mounts}],
            "volumes": [{"name": "v", "hostPath": {"path": path, "type": "Directory"}}],
        }});
        let created = Request::new("CREATE", pod).answer(&rules);
        (created.outcome, created.answer.message().to_owned())
    };
    let often = "volcheck: the object can't be read: host path mounts are too many or too long to check";
    let long = "volcheck: the object can't be read: path is longer than 4096 bytes (`PATH_MAX`)";
    for (path, count, part, message) in [
        ("/a".repeat(2000), 1300, "", often),
        ("/srv/a".to_owned(), 4900, "", often),
        ("/srv/a".to_owned(), 2000, "x", often),
        ("/proc/1/cwd".repeat(250_000), 1, "", long),
        ("/srv".to_owned(), 1, &"/proc/1/cwd".repeat(100_000), long),
        (format!("/{}", "a".repeat(100_000)), 2500, "", long),
    ] {
        let (outcome, said) = mounted(&path, count, part);
        assert_eq!(
            (outcome, said.split(';').next()),
            (Outcome::Error, Some(message)),
            "{count} of {}",
            path.len()
        );
    }
    assert_eq!(mounted("/srv/a", 1500, "").0, Outcome::Allow);
    assert_eq!(mounted(&format!("/{}", "a".repeat(4095)), 100, "").0, Outcome::Allow);
}

/// Three bytes of a text may be a container.
#[test]
fn more_items_than_can_be_judged_are_denied() {
    let created = |spec: Value| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        let created = Request::new("CREATE", pod).answer(&policy("version: 1\n"));
        (created.outcome, created.answer.message().to_owned())
    };
    let volumes = |count: usize| {
        (0..count).map(|at| json!({"name": format!("v{at}"), "emptyDir": {}})).collect::<Vec<_>>()
    };
    let half = vec![json!({}); 2501];
    for spec in [
        json!({"containers": vec![json!({}); 2_000_000]}),
        json!({"containers": vec![Value::Null; 1_000_000]}),
        json!({"containers": [{"env": half}, {"volumeMounts": half}]}),
        json!({"containers": [], "volumes": volumes(5001)}),
        json!({"containers": [], "volumes": [{"name": "v", "projected": {"sources": vec![json!({}); 5001]}}]}),
        json!({"nodeSelector": (0..50_001).map(|at| (at.to_string(), json!(""))).collect::<serde_json::Map<_, _>>()}),
    ] {
        let (outcome, message) = created(spec);
        let start = "volcheck: the object can't be read: too many items to check";
        assert!(outcome == Outcome::Error && message.starts_with(start), "{message}");
    }
    let mounted = |mount: Value| json!({"containers": [{"name": "c", "volumeMounts": [mount]}]});
    let variables = |count: usize| (0..count).map(|at| format!("$({at})")).collect::<String>();
    let keys = (0..5002).map(|at| format!("\"k{at}\":0,")).collect::<String>();
    for (spec, said) in [
        (
            json!({"containers": [{"volumeMounts": vec![json!({"subPathExpr": variables(501)}); 2]}]}),
            "sub paths have too many variables to check",
        ),
        (mounted(json!({"subPathExpr": variables(100_000)})), "path is longer than 4096 bytes (`PATH_MAX`)"),
        (mounted(json!({"mountPath": "/a".repeat(2049)})), "path is longer than 4096 bytes (`PATH_MAX`)"),
        (mounted(json!({"name": "n".repeat(254)})), "name is longer than 253 bytes"),
        (json!({"containers": [], "volumes": [{"KEYS": 0, "name": "v"}]}), "too many items to check"),
    ] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        let text = Request::new("CREATE", pod).text().replace("\"KEYS\":0,", &keys);
        let policy = policy("version: 1\n");
        let terms = Terms { policy: &policy, policy_hash: "", today: TODAY, endpoint: Endpoint::Validate };
        let decision = admission::review(&text, &terms).expect("a review");
        assert_eq!(decision.outcome, Outcome::Error, "{said}");
        assert!(decision.answer.message().contains(said), "{}", decision.answer.message());
    }
    for list in ["volumes", "containers"] {
        let named = json!({list: [{"name": "n".repeat(254)}]});
        assert_eq!(created(named).1, "volcheck: the object can't be read: name is longer than 253 bytes");
    }
    // As many may come, and then each object has as many of its own.
    for _ in 0..2 {
        assert_ne!(created(json!({"containers": [], "volumes": volumes(5000)})).0, Outcome::Error);
    }
}

#[test]
fn what_is_created_or_updated_is_there() {
    for (operation, is_answered) in [
        ("CREATE", false),
        ("UPDATE", false),
        ("", false),
        ("NEW", false),
        ("DELETE", true),
        ("CONNECT", true),
    ] {
        let text = Request::new(operation, Value::Null).text();
        let terms = Terms { policy: &secrets(), policy_hash: "", today: TODAY, endpoint: Endpoint::Validate };
        let reviewed = admission::review(&text, &terms);
        assert_eq!(reviewed.is_ok(), is_answered, "{operation}");
    }
}

#[test]
fn what_is_of_no_known_kind_is_let_in_and_noted() {
    let runner =
        json!({"apiVersion": "ci.example/v1", "kind": "Runner", "metadata": {"name": "r"}, "spec": {}});
    let text = Request::new("CREATE", runner).text().replace("\"pods\"", "\"runners\"");
    let terms = Terms { policy: &secrets(), policy_hash: "", today: TODAY, endpoint: Endpoint::Validate };
    let decision = admission::review(&text, &terms).expect("a review");
    let answer = serde_json::to_value(decision.answer).expect("JSON");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["auditAnnotations"]["volcheck-unjudged"], "runners");
}

#[test]
fn an_object_is_of_the_kind_that_the_review_says() {
    let nameless = |mut pod: Value| {
        let fields = pod.as_object_mut().expect("an object");
        fields.retain(|key, _| key != "kind" && key != "apiVersion");
        pod
    };
    let created = |object: Value| Request::new("CREATE", object).answer(&secrets()).outcome;
    assert_eq!(created(nameless(bad())), Outcome::Deny);
    // What was bad before is known as such, by the same kind.
    let updated = Request::new("UPDATE", bad()).old(&nameless(bad())).answer(&secrets());
    assert!(updated.answer.is_allowed() && !updated.ratcheted.is_empty());
}

#[test]
fn what_the_review_does_not_know_the_kind_of_is_judged_by_its_own() {
    let good = pod(&[(&volume("/srv"), &[])]);
    for kind in [
        Value::Null,
        json!({}),
        json!({"group": "example.io", "version": "v1", "kind": "Pod"}),
        json!({"group": "", "version": "v1", "kind": "Unknown"}),
    ] {
        let outcome = |object: &Value| {
            Request::new("CREATE", object.clone()).with("kind", kind.clone()).answer(&secrets()).outcome
        };
        assert_eq!((outcome(&bad()), outcome(&good)), (Outcome::Deny, Outcome::Allow), "{kind}");
    }
}

#[test]
fn what_is_no_review_gets_no_verdict() {
    let terms = Terms { policy: &all_rules(), policy_hash: "", today: TODAY, endpoint: Endpoint::Validate };
    let error = |text: &str| admission::review(text, &terms).expect_err("no review");
    assert!(matches!(error(""), ReviewError::Json(_)));
    assert!(matches!(error("[]"), ReviewError::Json(_)));
    assert!(matches!(error("{}"), ReviewError::Kind { .. }));
    assert!(matches!(
        error(r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}"#),
        ReviewError::Kind { .. }
    ));
    assert!(matches!(
        error(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#),
        ReviewError::NoRequest
    ));
    assert!(matches!(
        error(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#),
        ReviewError::NoUid
    ));
    let whole = Request::new("CREATE", bad()).text();
    for end in 0..whole.len() {
        assert!(matches!(error(&whole[..end]), ReviewError::Json(_)), "{end}");
    }
}

#[test]
fn an_update_is_denied_for_what_it_adds_alone() {
    let rules = secrets();
    let update = |object: &Value, old: &Value| Request::new("UPDATE", object.clone()).old(old).answer(&rules);
    let two = pod(&[("/etc/kubernetes", &["a"]), ("/root", &["a"])]);
    let same = update(&bad(), &bad());
    assert_eq!(same.outcome, Outcome::Warn);
    assert_eq!(same.ratcheted, ["sensitive-host-path"]);
    assert_eq!(same.answer.audit_annotations()["volcheck-ratcheted"], "sensitive-host-path");
    let added = update(&two, &bad());
    assert_eq!(added.outcome, Outcome::Deny);
    assert!(
        added.answer.message().contains("1 problem") && added.answer.message().contains("/root"),
        "{}",
        added.answer.message()
    );
    assert_eq!(added.answer.warnings().len(), 1);
    assert_eq!(update(&bad(), &two).outcome, Outcome::Warn);
    assert_eq!(
        update(&pod(&[("/root", &["a"])]), &bad()).outcome,
        Outcome::Deny,
        "another finding is another"
    );
    // What was there can't be known: all is new.
    assert_eq!(Request::new("UPDATE", bad()).answer(&rules).outcome, Outcome::Deny);
    assert_eq!(update(&bad(), &json!({"apiVersion": "v1", "kind": "Pod", "spec": 3})).outcome, Outcome::Deny);
    // An old object is no excuse for a creation.
    assert_eq!(Request::new("CREATE", bad()).old(&bad()).answer(&rules).outcome, Outcome::Deny);
}

#[test]
fn mending_is_no_step_back() {
    let logs = |read_only: bool, container: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {}, "template": {"spec": {
            "containers": [{"name": container, "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": read_only}]}],
            "volumes": [{"name": "v", "hostPath": {"path": "/var/log", "type": "Directory"}}]}}}})
    };
    let of =
        |rules: &str| policy(&format!("version: 1\nworkloadMode: deny\nrules: {{\"*\": off, {rules}}}\n"));
    let update = |policy: &Policy, new: &Value, old: &Value| {
        Request::new("UPDATE", new.clone()).old(old).answer(policy).outcome
    };
    let (writable, read_only) = (logs(false, "c"), logs(true, "c"));
    // What the worse one of a family hid comes up when that is mended.
    let family = of("sensitive-host-path: info, host-path: warning");
    let found = |object: &Value| {
        let findings = Request::new("CREATE", object.clone()).answer(&family).findings;
        findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(found(&writable), ["host-path"]);
    let both = of("sensitive-host-path: error, host-path: error");
    assert_eq!(update(&both, &read_only, &writable), Outcome::Warn);
    // Less access is no new finding, more is; and another container's is.
    let same = of("sensitive-host-path: error");
    assert_eq!(update(&same, &read_only, &writable), Outcome::Warn);
    assert_eq!(update(&same, &writable, &read_only), Outcome::Deny);
    let by_container = of("writable-host-path: error");
    assert_eq!(update(&by_container, &logs(false, "d"), &writable), Outcome::Deny);
}

#[test]
fn what_goes_may_go() {
    let rules = secrets();
    let mut going = bad();
    going["metadata"]["deletionTimestamp"] = json!("2026-06-01T00:00:00Z");
    let clean = pod(&[]);
    for (object, old) in [(&going, &going), (&going, &clean), (&bad(), &going)] {
        let decision = Request::new("UPDATE", object.clone()).old(old).answer(&rules);
        assert_eq!((decision.outcome, decision.findings.len()), (Outcome::Allow, 0));
    }
    // Nobody can create what goes already; and a deletion brings nothing in.
    assert_eq!(Request::new("CREATE", going.clone()).answer(&rules).outcome, Outcome::Deny);
    let deletion = Request::new("DELETE", Value::Null).old(&bad()).with("name", "p");
    assert_eq!(deletion.answer(&rules).outcome, Outcome::Allow);
    assert_eq!(
        Request::new("CONNECT", bad()).with("subResource", "exec").answer(&rules).outcome,
        Outcome::Allow
    );
}

#[test]
fn subresources_that_carry_a_pod_are_judged_known_or_not() {
    let rules = secrets();
    let of = |subresource: &str, object: Value| {
        Request::new("UPDATE", object).old(&pod(&[])).with("subResource", subresource).answer(&rules)
    };
    for subresource in ["ephemeralcontainers", "resize", "of-a-later-kubernetes"] {
        assert_eq!(of(subresource, bad()).outcome, Outcome::Deny, "{subresource}");
    }
    for subresource in ["status", "exec", "attach", "portforward", "proxy", "log", "binding", "eviction"] {
        assert_eq!(of(subresource, bad()).outcome, Outcome::Allow, "{subresource}");
    }
    let other = Request::new("UPDATE", json!({"apiVersion": "v1", "kind": "PodCheckpoint"}))
        .with("resource", json!({"resource": "pods"}))
        .with("subResource", "checkpoint")
        .answer(&rules);
    assert_eq!(other.outcome, Outcome::Allow);
    assert_eq!(other.answer.audit_annotations()["volcheck-unjudged"], "pods/checkpoint");
    let scale = Request::new("UPDATE", json!({"apiVersion": "autoscaling/v1", "kind": "Scale"}))
        .with("resource", json!({"resource": "deployments"}))
        .with("subResource", "scale")
        .answer(&rules);
    assert_eq!(scale.outcome, Outcome::Allow);
    assert_eq!(scale.answer.audit_annotations()["volcheck-unjudged"], "deployments/scale");
}

/// With `matchPolicy: Equivalent` the object comes in the version that is registered; a later Kubernetes may have one more.
#[test]
fn a_kind_is_judged_in_whatever_version_it_is_asked_about() {
    let rules = secrets();
    let judged = |asked: &str, sent: Value| {
        let mut object = deployment(&bad());
        object["apiVersion"] = asked.into();
        let decision = Request::new("CREATE", object).with("requestKind", sent).answer(&rules);
        decision.answer.audit_annotations()["volcheck-rules"].clone()
    };
    let old = json!({"group": "extensions", "version": "v1beta1", "kind": "Deployment"});
    for asked in ["apps/v1", "apps/v1beta2", "apps/v3"] {
        assert_eq!(judged(asked, old.clone()), "sensitive-host-path", "{asked}");
    }
    let mut later = bad();
    later["apiVersion"] = "v2".into();
    assert_eq!(Request::new("CREATE", later).answer(&rules).outcome, Outcome::Deny);
}

#[test]
fn an_ephemeral_container_that_reaches_the_node_is_new() {
    let rules =
        policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error, writable-host-path: error}\n");
    let before = bad();
    let mut after = before.clone();
    after["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "i", "volumeMounts": [{"name": "etc-kubernetes", "mountPath": "/m"}]}]);
    let decision =
        Request::new("UPDATE", after).old(&before).with("subResource", "ephemeralcontainers").answer(&rules);
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(
        decision.answer.message().contains("spec.ephemeralContainers[0].volumeMounts[0]"),
        "{}",
        decision.answer.message()
    );
}

/// The Pod with an ephemeral container that mounts this volume, or a part of it.
fn debugged(pod: &Value, mount: Value) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "i", "volumeMounts": [mount]}]);
    pod
}

#[test]
fn what_was_there_hides_nothing_that_is_new() {
    let rules = policy("version: 1\nworkloadMode: deny\n");
    for (path, part) in [
        ("/", "run/docker.sock"),
        ("/var", "run/docker.sock"),
        ("/var/lib/kubelet", "plugins"),
        ("/root", ".docker/config.json"),
    ] {
        let mut old = pod(&[(path, &["a"])]);
        old["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = part.into();
        assert_eq!(Request::new("CREATE", old.clone()).answer(&rules).outcome, Outcome::Deny, "{path}");
        let whole = json!({"name": volume(path), "mountPath": "/m", "readOnly": true});
        let mut two = old.clone();
        two["spec"]["containers"]
            .as_array_mut()
            .expect("containers")
            .push(json!({"name": "b", "image": "i", "volumeMounts": [whole.clone()]}));
        let updates = [
            Request::new("UPDATE", debugged(&old, whole))
                .old(&old)
                .with("subResource", "ephemeralcontainers"),
            Request::new("UPDATE", deployment(&two)).old(&deployment(&old)),
        ];
        for update in updates {
            let decision = update.answer(&rules);
            assert_eq!(decision.outcome, Outcome::Deny, "{path}: {}", update.text());
            assert!(
                decision.answer.message().contains(&format!("`{path}`")),
                "{}",
                decision.answer.message()
            );
        }
        assert_eq!(Request::new("UPDATE", old.clone()).old(&old).answer(&rules).outcome, Outcome::Warn);
    }
}

#[test]
fn what_is_excused_for_a_workload_is_not_for_whoever_debugs_it() {
    let rules = policy(
        "version: 1\nexemptions: [{rules: [\"*\"], match: {namespace: shop, kind: DaemonSet, name: agent}, reason: ours}]\n",
    );
    let mut agent = pod(&[("/run/docker.sock", &["a"])]);
    let volumes = agent["spec"]["volumes"].as_array_mut().expect("volumes");
    volumes.push(json!({"name": "scratch", "emptyDir": {}}));
    agent["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true}]);
    let controller = json!({"username": "system:serviceaccount:kube-system:daemon-set-controller"});
    let made = Request::new("CREATE", agent.clone()).with("userInfo", controller).answer(&rules);
    assert_eq!((made.outcome, made.exempted.is_empty()), (Outcome::Allow, false));
    let of = |mount: Value| {
        let debugged = debugged(&agent, mount);
        Request::new("UPDATE", debugged).old(&agent).with("subResource", "ephemeralcontainers").answer(&rules)
    };
    let reaching = of(json!({"name": "run-docker-sock", "mountPath": "/m"}));
    assert_eq!(reaching.outcome, Outcome::Deny);
    assert!(reaching.answer.message().contains("[runtime-socket]"), "{}", reaching.answer.message());
    // One that mounts nothing of it may look.
    assert_eq!(of(json!({"name": "scratch", "mountPath": "/m"})).outcome, Outcome::Warn);
}

#[test]
fn an_owner_that_a_tenant_writes_spares_him_nothing() {
    let rules = policy(
        "version: 1\nrules: {\"*\": off, shared-host-path: error, unpinned-host-path: error, app-data-host-path: error}\n",
    );
    let mut shared = pod(&[("/srv/shared", &["a", "b"])]);
    shared["spec"]["nodeName"] = "".into();
    for container in shared["spec"]["containers"].as_array_mut().expect("containers") {
        container["volumeMounts"][0]["readOnly"] = false.into();
    }
    let found = |object: &Value, user: &str| {
        let user = json!({"username": user});
        let decision = Request::new("CREATE", object.clone()).with("userInfo", user).answer(&rules);
        decision.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    let honest = found(&shared, "alice");
    assert!(!honest.is_empty());
    let mut forged = shared.clone();
    forged["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true}]);
    assert_eq!(found(&forged, "alice"), honest);
    assert_eq!(found(&forged, "system:serviceaccount:kube-system:daemon-set-controller"), [""; 0]);
}

#[test]
fn a_mirror_pod_passes_by_the_node_s_true_identity_alone() {
    let rules = secrets();
    let mut mirror = bad();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "abc"});
    let by = |object: &Value, user: &str, groups: &[&str]| {
        let user = json!({"username": user, "groups": groups});
        Request::new("CREATE", object.clone()).with("userInfo", user).answer(&rules)
    };
    let true_one = by(&mirror, "system:node:node-1", &["system:nodes", "system:authenticated"]);
    assert_eq!(true_one.outcome, Outcome::Warn);
    assert_eq!(true_one.answer.audit_annotations()["volcheck-mirror-pod"], "true");
    assert_eq!(true_one.answer.audit_annotations()["volcheck-rules"], "sensitive-host-path");
    for (object, user, groups) in [
        (&mirror, "alice", &["system:nodes"][..]),
        (&mirror, "system:node:node-1", &["system:authenticated"]),
        (&mirror, "system:node:node-2", &["system:nodes"]),
        (&mirror, "system:node:", &["system:nodes"]),
        (&bad(), "system:node:node-1", &["system:nodes"]),
    ] {
        assert_eq!(by(object, user, groups).outcome, Outcome::Deny, "{user}");
    }
}

#[test]
fn nothing_that_a_tenant_writes_excuses_him() {
    let rules = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nextends: [node-agents]\nmodes: {kube-system: audit}\n",
    );
    let mut pod = bad();
    pod["metadata"] = json!({
        "name": "node-exporter", "namespace": "kube-system",
        "labels": {"volcheck.io/mode": "off", "app.kubernetes.io/name": "node-exporter", "pod-template-hash": "x"},
        "annotations": {
            "ignore.volcheck.io/sensitive-host-path": "mine", "volcheck.io/mode": "off",
            "kubernetes.io/config.mirror": "x",
        },
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "node-exporter", "controller": true}],
    });
    let decision = Request::new("CREATE", pod).answer(&rules);
    assert_eq!(decision.outcome, Outcome::Deny, "{:?}", decision.exempted);
}

#[test]
fn what_the_operator_excuses_is_said_in_the_audit_log() {
    let rules = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nexemptions: [{rules: [sensitive-host-path], match: {namespace: shop}, reason: ours}]\n",
    );
    let decision = Request::new("CREATE", bad()).answer(&rules);
    assert_eq!((decision.outcome, decision.exempted.len()), (Outcome::Allow, 1));
    assert_eq!(decision.answer.audit_annotations()["volcheck-exempt"], "sensitive-host-path");
}

#[test]
fn objects_without_a_namespace_have_the_mode_of_all() {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/etc/kubernetes"}}});
    let outcome = |modes: &str| {
        let rules = policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error}}\nmodes: {modes}\n"
        ));
        Request::new("CREATE", volume.clone()).with("namespace", "").answer(&rules).outcome
    };
    assert_eq!(outcome("{}"), Outcome::Deny);
    assert_eq!(outcome("{\"*\": warn, shop: deny}"), Outcome::Warn);
    assert_eq!(outcome("{\"shop-*\": warn}"), Outcome::Deny);
}

/// Pods whose volumes and mounts vary.
fn any_pod() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        Just("/etc/kubernetes"),
        Just("/root"),
        Just("/run/docker.sock"),
        Just("/srv//x"),
        Just("/"),
        Just("/var/log"),
    ];
    let mount = (0..2_usize, any::<bool>());
    proptest::collection::vec((path, any::<bool>(), proptest::collection::vec(mount, 0..3)), 0..4).prop_map(|volumes| {
        let mut mounts = [Vec::new(), Vec::new()];
        let mut list = Vec::new();
        for (at, (path, typed, by)) in volumes.into_iter().enumerate() {
            let name = format!("v{at}");
            list.push(json!({"name": name, "hostPath": {"path": path, "type": if typed { "Directory" } else { "" }}}));
            for (container, read_only) in by {
                mounts[container].push(json!({"name": name, "mountPath": format!("/m{at}"), "readOnly": read_only}));
            }
        }
        let containers: Vec<_> = mounts.into_iter().zip(["a", "b"]).map(|(mounts, name)| json!({"name": name, "image": "i", "volumeMounts": mounts})).collect();
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, "volumes": list}})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// An update that changes nothing is never denied; one that only takes away isn't either; and what is denied of
    /// an update would be of the creation.
    #[test]
    fn the_ratchet_is_reflexive_and_never_denies_more_than_a_creation(old in any_pod(), new in any_pod(), gone in any::<prop::sample::Index>()) {
        let rules = all_rules();
        let update = |new: &Value, old: &Value| Request::new("UPDATE", new.clone()).old(old).answer(&rules);
        prop_assert_ne!(update(&new, &new).outcome, Outcome::Deny);
        let creation = Request::new("CREATE", new.clone()).answer(&rules);
        if update(&new, &old).outcome == Outcome::Deny {
            prop_assert_eq!(creation.outcome, Outcome::Deny);
        }
        // Without one of its mounts it has no finding that it hadn't, but for those of a volume that nothing uses.
        let quiet = policy("version: 1\nprofile: restricted\nrules: {unused-volume: off, missing-scratch-volume: off}\n");
        let mut less = new.clone();
        let containers = less["spec"]["containers"].as_array_mut().expect("containers");
        let container = gone.index(containers.len());
        if let Some(mounts) = containers[container]["volumeMounts"].as_array_mut() {
            mounts.pop();
        }
        let decision = Request::new("UPDATE", less.clone()).old(&new).answer(&quiet);
        prop_assert_ne!(decision.outcome, Outcome::Deny, "{} after {}: {}", less, new, decision.answer.message());
    }
}

//! Admission: modes, endpoints, the ratchet, subresources, and the limits of the response.

use proptest::prelude::*;
use serde_json::{Value, json};
use volcheck::admission::{self, Decision, Endpoint, Outcome, ReviewContext, ReviewError};
use volcheck::policy::Policy;

use crate::support::{TODAY, all_rules, policy};

/// An admission request as the API server sends it.
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

    fn review_at(&self, endpoint: Endpoint, policy: &Policy) -> Decision {
        review_text(&self.text(), endpoint, policy).expect("a review")
    }

    fn review(&self, policy: &Policy) -> Decision {
        self.review_at(Endpoint::Validate, policy)
    }
}

fn review_text(text: &str, endpoint: Endpoint, policy: &Policy) -> Result<Decision, ReviewError> {
    admission::review(
        text,
        &ReviewContext { policy, policy_hash: "0123", today: TODAY, endpoint, message: None },
    )
}

/// Returns a Pod with these host paths, each mounted by the named containers.
fn pod(volumes: &[(&str, &[&str])]) -> Value {
    let names: Vec<_> = volumes.iter().flat_map(|(_, containers)| *containers).collect();
    let mounts = |container: &&&str| -> Vec<Value> {
        let mounted = volumes.iter().filter(|(_, containers)| containers.contains(container));
        mounted.map(
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

/// Returns a policy with one rule, which reports each sensitive host path once.
fn sensitive_paths() -> Policy {
    policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n")
}

fn bad() -> Value {
    pod(&[("/etc/kubernetes", &["a"])])
}

#[test]
fn denial_lists_all_errors_within_limits() {
    let decision = Request::new("CREATE", pod(&[("/etc/kubernetes", &["a"]), ("/root", &["a"])]))
        .review(&sensitive_paths());
    let review = serde_json::to_value(&decision.response).expect("JSON");
    let response = &review["response"];
    assert_eq!(
        (&review["apiVersion"], &review["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
    assert_eq!(
        (&response["status"]["code"], &response["status"]["reason"]),
        (&json!(403), &json!("Forbidden"))
    );
    let message = response["status"]["message"].as_str().expect("a message");
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "volcheck: 2 problems in Pod shop/p:");
    for (line, index) in lines[1..3].iter().zip(0..) {
        let start = format!("[sensitive-host-path] spec.volumes[{index}].hostPath.path: ");
        assert!(line.starts_with(&start) && line.contains("; help: "), "{line}");
    }
    assert_eq!(lines[3..], ["see \"volcheck explain sensitive-host-path\""]);
    let causes = response["status"]["details"]["causes"].as_array().expect("causes");
    assert_eq!(causes.len(), 2);
    assert_eq!(
        (&causes[1]["reason"], &causes[1]["field"]),
        (&json!("sensitive-host-path"), &json!("spec.volumes[1].hostPath.path"))
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({
            "verdict": "deny", "rules": "sensitive-host-path", "severities": "sensitive-host-path=error",
            "policy": "0123",
        })
    );
    assert!(response.get("patch").is_none() && response.get("warnings").is_none());
    assert_eq!(decision.outcome, Outcome::Deny);
    // Hostile input: the message is bounded, and each warning is one short line.
    let long = format!("/etc/kubernetes/{}\n\u{1b}[31m", "x".repeat(4_000));
    let many: Vec<_> = (0..40)
        .map(|at| json!({"name": format!("v{at}"), "hostPath": {"path": format!("{long}{at}"), "type": ""}}))
        .collect();
    let mut hostile = bad();
    hostile["spec"]["volumes"] = many.into();
    let policy = policy("version: 1\nrules: {\"*\": off, host-path: error, unused-volume: warning}\n");
    let decision = Request::new("CREATE", hostile).review(&policy);
    let (message, warnings) = (decision.response.message(), decision.response.warnings());
    assert!(message.contains("and 30 more") && message.len() < 10_000, "{}", message.len());
    assert_eq!(warnings.len(), 11);
    let lines = warnings.iter().map(String::as_str).chain(message.lines());
    assert!(lines.clone().all(|text| !text.chars().any(char::is_control)));
    assert!(warnings.iter().all(|text| text.chars().count() <= 240));
    // A long path hides neither the help nor the number of the other errors.
    assert_eq!(message.matches("; help: ").count(), 10, "{message}");
}

#[test]
fn operator_message_replaces_the_explain_command() {
    let message = "see https://wiki.example/volumes or ask #platform";
    let review = |object: &Value| {
        let policy = sensitive_paths();
        let (policy, endpoint) = (&policy, Endpoint::Validate);
        let context =
            ReviewContext { policy, policy_hash: "0", today: TODAY, endpoint, message: Some(message) };
        let decision = admission::review(&Request::new("CREATE", object.clone()).text(), &context);
        decision.expect("a review").response.message().to_owned()
    };
    let mut broken = bad();
    broken["spec"]["volumes"] = json!("none");
    for denial in [review(&bad()), review(&broken)] {
        assert!(
            denial.ends_with(&format!("; {message}")) && !denial.contains("volcheck explain"),
            "{denial}"
        );
        assert!(denial.contains("; help: ") && denial.lines().count() == 1, "{denial}");
    }
}

/// kubectl shows each warning text only once per command.
#[test]
fn warnings_name_the_object_and_the_field() {
    let rules = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: warning}\n");
    let warnings =
        |object: &Value| Request::new("CREATE", object.clone()).review(&rules).response.warnings().to_vec();
    let mut second = bad();
    second["metadata"]["name"] = "q".into();
    let (first, second) = (warnings(&bad()), warnings(&second));
    assert!(
        first[0].starts_with(
            "volcheck: Pod shop/p: [sensitive-host-path] spec.volumes[0].hostPath.path: sensitive host path "
        ),
        "{first:?}"
    );
    assert_ne!(first, second);
    // The rule, the field and the start of the message fit even if all names have their maximum
    // length.
    let mut long = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": format!("{}-7", "n".repeat(250))},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": bad()["spec"]}}}}});
    long["metadata"]["namespace"] = "m".repeat(63).into();
    let rules = policy("version: 1\n");
    let decision = Request::new("CREATE", long).review(&rules);
    let parts = [
        "nn-7: its Pods will be denied: [sensitive-host-path] ",
        "spec.jobTemplate.spec.template.spec.volumes[0].hostPath.path: sens",
    ];
    let warning = &decision.response.warnings()[0];
    assert!(parts.iter().all(|part| warning.contains(part)), "{warning}");
    assert!(warning.chars().count() <= 240, "{warning}");
}

#[test]
fn workload_warnings_announce_the_denial_of_pods() {
    let announced = |policy_text: &str, object: &Value| {
        let decision =
            Request::new("CREATE", object.clone()).review_at(Endpoint::Advise, &policy(policy_text));
        assert_eq!(decision.outcome, Outcome::Warn, "{policy_text}");
        decision.response.warnings()[0].contains(": its Pods will be denied: [")
    };
    let error = "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\n";
    assert!(announced(error, &deployment(&bad())));
    assert!(!announced(&format!("{error}modes: {{shop: warn}}\n"), &deployment(&bad())));
    assert!(!announced(&error.replace("error", "warning"), &deployment(&bad())));
    assert!(!announced(error, &bad()), "a Pod has no Pods");
    // The webhook denies no Pods because of a claim template.
    let mut stateful = deployment(&pod(&[]));
    stateful["kind"] = "StatefulSet".into();
    stateful["spec"]["volumeClaimTemplates"] =
        json!([{"metadata": {"name": "data"}, "spec": {"volumeName": "pv"}}]);
    assert!(!announced("version: 1\nrules: {\"*\": off, unclassed-claim: error}\n", &stateful));
    // An existing error of a Deployment also denies its new Pods.
    let update = Request::new("UPDATE", deployment(&bad())).old(&deployment(&bad()));
    let decision = update.review_at(Endpoint::Advise, &sensitive_paths());
    assert!(decision.response.warnings()[0].contains("its Pods will be denied"));
}

#[test]
fn reports_what_mode_deny_would_deny() {
    let with_mode = |mode: &str| {
        policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error}}\nmodes: {{shop: {mode}}}\n"
        ))
    };
    let result = |request: &Request, endpoint, mode: &str| {
        let decision = request.review_at(endpoint, &with_mode(mode));
        let verdict = decision.response.audit_annotations().get("verdict").cloned();
        (decision.would_deny.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(), verdict)
    };
    let (create, none) = (Request::new("CREATE", bad()), Vec::<&str>::new());
    let verdict = |text: &str| Some(text.to_owned());
    let would_deny = (vec!["sensitive-host-path"], verdict("would-deny"));
    for mode in ["warn", "audit"] {
        assert_eq!(result(&create, Endpoint::Validate, mode), would_deny, "{mode}");
    }
    assert_eq!(result(&create, Endpoint::Validate, "deny"), (none.clone(), verdict("deny")));
    assert_eq!(result(&create, Endpoint::Validate, "\"off\""), (none.clone(), None));
    let good = Request::new("CREATE", pod(&[]));
    assert_eq!(result(&good, Endpoint::Validate, "warn"), (none.clone(), verdict("allow")));
    // Mode deny does not deny on this endpoint, and denies no workloads.
    assert_eq!(result(&create, Endpoint::Advise, "warn"), (none.clone(), verdict("warn")));
    let workload = Request::new("CREATE", deployment(&bad()));
    assert_eq!(result(&workload, Endpoint::Advise, "warn"), (none.clone(), verdict("warn")));
    let strict = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nmodes: {shop: warn}\nworkloadMode: deny\n",
    );
    assert_eq!(workload.review_at(Endpoint::Advise, &strict).would_deny, ["sensitive-host-path"]);
    // Mode deny does not deny an update because of existing errors.
    let update = Request::new("UPDATE", bad()).old(&bad());
    assert_eq!(result(&update, Endpoint::Validate, "warn"), (none.clone(), verdict("warn")));
    // An object that cannot be checked.
    let mut broken = bad();
    broken["spec"]["volumes"] = json!("none");
    let broken = Request::new("CREATE", broken);
    let unchecked = (vec!["invalid-field-value"], verdict("would-deny"));
    assert_eq!(result(&broken, Endpoint::Validate, "warn"), unchecked);
    assert_eq!(result(&broken, Endpoint::Validate, "deny"), (none.clone(), verdict("error")));
    assert_eq!(result(&broken, Endpoint::Advise, "warn"), (none.clone(), verdict("error")));
    let large = Request::new("CREATE", {
        let mut pod = bad();
        pod["spec"]["containers"] = vec![json!({}); 5001].into();
        pod
    });
    assert_eq!(result(&large, Endpoint::Validate, "audit").0, ["unanalyzed-document"]);
    // The mirror Pod of a static Pod is never denied.
    let mut mirror = bad();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "abc"});
    let node = json!({"username": "system:node:node-1", "groups": ["system:nodes"]});
    let mirror = Request::new("CREATE", mirror).with("userInfo", node);
    assert_eq!(result(&mirror, Endpoint::Validate, "warn"), (none, verdict("warn")));
}

#[test]
fn endpoint_and_mode_decide_the_outcome() {
    let lax = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nmodes: {shop: warn}\n");
    let outcome = |policy: &Policy, endpoint, object: &Value| {
        Request::new("CREATE", object.clone()).review_at(endpoint, policy).outcome
    };
    let workload = deployment(&bad());
    for (endpoint, policy, object, expected) in [
        (Endpoint::Validate, &sensitive_paths(), &bad(), Outcome::Deny),
        (Endpoint::Strict, &sensitive_paths(), &bad(), Outcome::Deny),
        (Endpoint::Advise, &sensitive_paths(), &bad(), Outcome::Warn),
        (Endpoint::Validate, &lax, &bad(), Outcome::Warn),
        (Endpoint::Strict, &lax, &bad(), Outcome::Deny),
        (Endpoint::Advise, &lax, &bad(), Outcome::Warn),
        (Endpoint::Advise, &sensitive_paths(), &workload, Outcome::Warn),
        (Endpoint::Strict, &sensitive_paths(), &workload, Outcome::Warn),
    ] {
        assert_eq!(outcome(policy, endpoint, object), expected, "{endpoint:?} {object}");
    }
    let strict = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nworkloadMode: deny\n");
    assert_eq!(outcome(&strict, Endpoint::Advise, &workload), Outcome::Deny);
}

#[test]
fn probing_pods_are_denied_only_in_dry_runs() {
    let annotated = |nonce: &str| {
        let mut pod = pod(&[]);
        pod["metadata"]["annotations"] = json!({admission::PROBE_ANNOTATION: nonce});
        pod
    };
    let probe = |nonce: &str| Request::new("CREATE", annotated(nonce)).with("dryRun", true);
    for mode in ["deny", "warn", "audit", "\"off\""] {
        let policy = policy(&format!("version: 1\nmodes: {{shop: {mode}}}\n"));
        for endpoint in [Endpoint::Validate, Endpoint::Strict] {
            let decision = probe("abc").review_at(endpoint, &policy);
            assert!(!decision.response.is_allowed() && decision.findings.is_empty(), "{mode}");
            assert!(decision.response.message().starts_with("volcheck: probe `abc`: the mode"), "{mode}");
            assert_eq!(decision.response.audit_annotations()["probe"], "abc");
        }
        // Neither the endpoint that never denies Pods nor a request that creates a Pod is affected.
        assert!(probe("abc").review_at(Endpoint::Advise, &policy).response.is_allowed());
        assert!(Request::new("CREATE", annotated("abc")).review(&policy).response.is_allowed());
        assert!(Request::new("CREATE", pod(&[])).with("dryRun", true).review(&policy).response.is_allowed());
    }
    // The annotation does not hide findings.
    let mut bad = bad();
    bad["metadata"]["annotations"] = json!({admission::PROBE_ANNOTATION: "abc"});
    assert_eq!(Request::new("CREATE", bad).review(&sensitive_paths()).outcome, Outcome::Deny);
    let hostile = probe(&"\n\u{1b}x".repeat(1000)).review(&sensitive_paths());
    let message = hostile.response.message();
    assert!(message.len() < 2000 && !message.chars().any(char::is_control), "{message}");
}

#[test]
fn undecodable_object_is_treated_like_an_error() {
    let broken = || {
        let mut pod = bad();
        pod["spec"]["volumes"] = json!("none");
        Request::new("CREATE", pod)
    };
    let denied = broken().review(&sensitive_paths());
    assert!(!denied.response.is_allowed() && denied.outcome == Outcome::Error);
    let review = serde_json::to_value(&denied.response).expect("JSON");
    assert_eq!(review["response"]["status"]["code"], 400);
    assert!(
        denied.response.message().starts_with(
            "volcheck: Pod shop/p could not be checked: [invalid-field-value] spec.volumes: invalid type: string \"none\""
        ),
        "{}",
        denied.response.message()
    );
    let advised = broken().review_at(Endpoint::Advise, &sensitive_paths());
    assert!(advised.response.is_allowed() && advised.response.warnings().len() == 1);
    assert!(advised.response.audit_annotations()["error"].contains("could not be checked"));
    let audited = policy("version: 1\nmodes: {\"*\": audit}\n");
    let audited = broken().review(&audited);
    assert!(audited.response.is_allowed() && audited.response.warnings().is_empty());
    assert!(audited.response.audit_annotations().contains_key("error"));
    // The nesting is deeper than the API server allows.
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let text = Request::new("CREATE", bad()).text().replacen("\"Directory\"", &deep, 1);
    assert!(
        !review_text(&text, Endpoint::Validate, &sensitive_paths()).expect("a review").response.is_allowed()
    );
}

/// Reviews the creation of a Pod with this spec. Returns the outcome and the reason for a denial.
fn create_pod(spec: Value) -> (Outcome, String) {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    let decision = Request::new("CREATE", pod).review(&policy("version: 1\n"));
    (decision.outcome, decision.response.message().to_owned())
}

/// Asserts that the object could not be checked and that the message contains `reason`.
#[track_caller]
fn assert_unchecked((outcome, message): (Outcome, String), reason: &str) {
    let start = "volcheck: Pod shop/p could not be checked: [unanalyzed-document] spec.";
    let help = "; help: use fewer items, fewer host path mounts, or shorter paths and names; see ";
    assert!(
        outcome == Outcome::Error
            && message.starts_with(start)
            && message.contains(reason)
            && message.contains(help),
        "no {reason:?} in {outcome:?}: {message}"
    );
}

/// Each mount of a volume adds a path to check, so a small object can be expensive.
#[test]
fn denies_objects_that_are_too_expensive() {
    let mounted = |path: &str, count: usize, sub_path: &str| {
        let mount =
            |at| json!({"name": "v", "mountPath": format!("/{at}"), "subPath": sub_path, "readOnly": true});
        let mounts: Vec<_> = (0..count).map(mount).collect();
        create_pod(json!({
            "nodeName": "n", "containers": [{"name": "c", "image": "i", "volumeMounts": mounts}],
            "volumes": [{"name": "v", "hostPath": {"path": path, "type": "Directory"}}],
        }))
    };
    for (path, count, sub_path, reason) in [
        ("/a".repeat(2000), 1300, "", "too many host path mounts"),
        ("/srv/a".to_owned(), 4900, "", "too many host path mounts"),
        ("/srv/a".to_owned(), 1100, "x", "too many host path mounts"),
        ("/proc/1/cwd".repeat(250_000), 1, "", "4096 bytes"),
        ("/srv".to_owned(), 1, &"/proc/1/cwd".repeat(100_000), "4096 bytes"),
        (format!("/{}", "a".repeat(100_000)), 2500, "", "4096 bytes"),
    ] {
        assert_unchecked(mounted(&path, count, sub_path), reason);
    }
    assert_eq!(mounted("/srv/a", 900, "").0, Outcome::Allow);
    assert_eq!(mounted(&format!("/{}", "a".repeat(4095)), 100, "").0, Outcome::Allow);
}

/// An item can be as short as three bytes of JSON (`{},`) but needs much more memory once decoded.
#[test]
fn denies_objects_with_too_many_items() {
    let volumes = |count: usize| {
        (0..count).map(|at| json!({"name": format!("v{at}"), "emptyDir": {}})).collect::<Vec<_>>()
    };
    let node_selector: serde_json::Map<_, _> = (0..50_001).map(|at| (at.to_string(), json!(""))).collect();
    let half = vec![json!({}); 2501];
    for spec in [
        json!({"containers": vec![json!({}); 2_000_000]}),
        json!({"containers": vec![Value::Null; 1_000_000]}),
        json!({"containers": [{"env": half}, {"volumeMounts": half}]}),
        json!({"containers": [], "volumes": volumes(5001)}),
        json!({"containers": [], "volumes": [{"name": "v", "projected": {"sources": vec![json!({}); 5001]}}]}),
        json!({"nodeSelector": node_selector}),
    ] {
        assert_unchecked(create_pod(spec), "too many items");
    }
    // Each key of a volume may be its source, so keys count as items too.
    let keys = (0..5002).map(|at| format!("\"k{at}\":0,")).collect::<String>();
    let mut pod = bad();
    pod["spec"]["volumes"] = json!([{"KEYS": 0, "name": "v"}]);
    let text = Request::new("CREATE", pod).text().replace("\"KEYS\":0,", &keys);
    let decision = review_text(&text, Endpoint::Validate, &sensitive_paths()).expect("a review");
    assert_unchecked((decision.outcome, decision.response.message().to_owned()), "too many items");
    // An object at the limit is accepted, and each object is counted separately.
    for _ in 0..2 {
        assert_ne!(create_pod(json!({"containers": [], "volumes": volumes(5000)})).0, Outcome::Error);
    }
}

#[test]
fn errors_about_limits_name_the_field_and_the_limit() {
    let mounts: Vec<_> = (0..6000).map(|at| json!({"name": "v", "mountPath": format!("/{at}")})).collect();
    let (_, message) = create_pod(json!({"containers": [{"name": "c", "volumeMounts": mounts}]}));
    let expected =
        "spec.containers[0].volumeMounts[5000]: too many items: volcheck checks at most 5000 list items";
    assert!(message.contains(expected), "{message}");
    let mounts: Vec<_> = (0..3000).map(|at| json!({"name": "v", "mountPath": format!("/{at}")})).collect();
    let (_, message) = create_pod(json!({
        "containers": [{"name": "c", "volumeMounts": mounts}],
        "volumes": [{"name": "v", "hostPath": {"path": "/srv", "type": ""}}],
    }));
    let expected = "spec.volumes[0].hostPath.path: too many host path mounts: at least 3001 volumes and mounts with 12004 bytes";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn denies_overlong_names_paths_and_expressions() {
    let mounted = |mount: Value| json!({"containers": [{"name": "c", "volumeMounts": [mount]}]});
    let variables = |count: usize| (0..count).map(|at| format!("$({at})")).collect::<String>();
    let many_variables = vec![json!({"subPathExpr": variables(501)}); 2];
    let long_name = "n".repeat(254);
    for (spec, reason) in [
        (json!({"containers": [{"volumeMounts": many_variables}]}), "too many variables"),
        (mounted(json!({"subPathExpr": variables(100_000)})), "4096 bytes"),
        (mounted(json!({"mountPath": "/a".repeat(2049)})), "4096 bytes"),
        (mounted(json!({"name": long_name})), "253 bytes"),
        (json!({"volumes": [{"name": long_name}]}), "253 bytes"),
        (json!({"containers": [{"name": long_name}]}), "253 bytes"),
    ] {
        assert_unchecked(create_pod(spec), reason);
    }
}

#[test]
fn requires_an_object_unless_deleting_or_connecting() {
    for (operation, is_valid) in [
        ("CREATE", false),
        ("UPDATE", false),
        ("", false),
        ("NEW", false),
        ("DELETE", true),
        ("CONNECT", true),
    ] {
        let text = Request::new(operation, Value::Null).text();
        let reviewed = review_text(&text, Endpoint::Validate, &sensitive_paths());
        assert_eq!(reviewed.is_ok(), is_valid, "{operation}");
    }
}

#[test]
fn admits_unknown_kinds_with_an_audit_annotation() {
    let runner =
        json!({"apiVersion": "ci.example/v1", "kind": "Runner", "metadata": {"name": "r"}, "spec": {}});
    let text = Request::new("CREATE", runner).text().replace("\"pods\"", "\"runners\"");
    let decision = review_text(&text, Endpoint::Validate, &sensitive_paths()).expect("a review");
    assert!(decision.response.is_allowed());
    assert_eq!(decision.response.audit_annotations()["unchecked"], "runners");
}

#[test]
fn request_kind_applies_to_objects_without_a_kind() {
    let without_kind = |mut pod: Value| {
        let fields = pod.as_object_mut().expect("an object");
        fields.retain(|key, _| key != "kind" && key != "apiVersion");
        pod
    };
    let created = |object: Value| Request::new("CREATE", object).review(&sensitive_paths()).outcome;
    assert_eq!(created(without_kind(bad())), Outcome::Deny);
    // The old object is decoded as the same kind.
    let updated = Request::new("UPDATE", bad()).old(&without_kind(bad())).review(&sensitive_paths());
    assert!(updated.response.is_allowed() && !updated.preexisting.is_empty());
}

#[test]
fn object_kind_is_the_fallback() {
    let good = pod(&[(&volume("/srv/app"), &[])]);
    for kind in [
        Value::Null,
        json!({}),
        json!({"group": "example.io", "version": "v1", "kind": "Pod"}),
        json!({"group": "", "version": "v1", "kind": "Unknown"}),
    ] {
        let outcome = |object: &Value| {
            Request::new("CREATE", object.clone())
                .with("kind", kind.clone())
                .review(&sensitive_paths())
                .outcome
        };
        assert_eq!((outcome(&bad()), outcome(&good)), (Outcome::Deny, Outcome::Allow), "{kind}");
    }
}

#[test]
fn rejects_input_that_is_not_a_review() {
    let policy = all_rules();
    let error = |text: &str| review_text(text, Endpoint::Validate, &policy).expect_err("no review");
    assert!(matches!(error(""), ReviewError::Empty));
    assert!(matches!(error("[]"), ReviewError::Field(_)));
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
        assert!(matches!(error(&whole[..end]), ReviewError::Empty | ReviewError::Syntax { .. }), "{end}");
    }
}

#[test]
fn review_errors_are_short() {
    let long = "x\n".repeat(1_000_000);
    let policy = all_rules();
    for review in [
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": long}),
        json!({"apiVersion": long, "kind": long}),
    ] {
        let error = review_text(&review.to_string(), Endpoint::Validate, &policy).expect_err("no review");
        let message = error.to_string();
        assert!(message.len() < 1_000, "{} bytes", message.len());
        assert!(!message.chars().any(char::is_control), "{message}");
    }
}

#[test]
fn update_is_denied_only_for_new_findings() {
    let rules = sensitive_paths();
    let update = |object: &Value, old: &Value| Request::new("UPDATE", object.clone()).old(old).review(&rules);
    let two = pod(&[("/etc/kubernetes", &["a"]), ("/root", &["a"])]);
    let same = update(&bad(), &bad());
    assert_eq!(same.outcome, Outcome::Warn);
    assert_eq!(same.preexisting, ["sensitive-host-path"]);
    assert_eq!(same.response.audit_annotations()["preexisting-rules"], "sensitive-host-path");
    let added = update(&two, &bad());
    assert_eq!(added.outcome, Outcome::Deny);
    assert!(
        added.response.message().contains("1 problem") && added.response.message().contains("/root"),
        "{}",
        added.response.message()
    );
    assert_eq!(added.response.warnings().len(), 1);
    assert_eq!(update(&bad(), &two).outcome, Outcome::Warn);
    assert_eq!(
        update(&pod(&[("/root", &["a"])]), &bad()).outcome,
        Outcome::Deny,
        "a finding for another path is new"
    );
    // If the old object is missing or cannot be decoded, all findings are new.
    assert_eq!(Request::new("UPDATE", bad()).review(&rules).outcome, Outcome::Deny);
    assert_eq!(update(&bad(), &json!({"apiVersion": "v1", "kind": "Pod", "spec": 3})).outcome, Outcome::Deny);
    // The old object of a CREATE is ignored.
    assert_eq!(Request::new("CREATE", bad()).old(&bad()).review(&rules).outcome, Outcome::Deny);
}

#[test]
fn update_that_fixes_a_finding_is_admitted() {
    let logs = |read_only: bool, container: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {}, "template": {"spec": {
            "containers": [{"name": container, "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": read_only}]}],
            "volumes": [{"name": "v", "hostPath": {"path": "/var/log", "type": "Directory"}}]}}}})
    };
    let with_rules =
        |rules: &str| policy(&format!("version: 1\nworkloadMode: deny\nrules: {{\"*\": off, {rules}}}\n"));
    let update = |policy: &Policy, new: &Value, old: &Value| {
        Request::new("UPDATE", new.clone()).old(old).review(policy).outcome
    };
    let (writable, read_only) = (logs(false, "c"), logs(true, "c"));
    // If the reported finding of a family is fixed, the finding that it hid becomes visible.
    let family = with_rules("sensitive-host-path: info, host-path: warning");
    let found = |object: &Value| {
        let findings = Request::new("CREATE", object.clone()).review(&family).findings;
        findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(found(&writable), ["host-path"]);
    let both = with_rules("sensitive-host-path: error, host-path: error");
    assert_eq!(update(&both, &read_only, &writable), Outcome::Warn);
    // A finding with more access or in another container is new. A finding with less access is not.
    let same = with_rules("sensitive-host-path: error");
    assert_eq!(update(&same, &read_only, &writable), Outcome::Warn);
    assert_eq!(update(&same, &writable, &read_only), Outcome::Deny);
    let by_container = with_rules("writable-host-path: error");
    assert_eq!(update(&by_container, &logs(false, "d"), &writable), Outcome::Deny);
}

#[test]
fn update_of_a_terminating_object_is_admitted() {
    let rules = sensitive_paths();
    let mut terminating = bad();
    terminating["metadata"]["deletionTimestamp"] = json!("2026-06-01T00:00:00Z");
    let clean = pod(&[]);
    for (object, old) in [(&terminating, &terminating), (&terminating, &clean), (&bad(), &terminating)] {
        let decision = Request::new("UPDATE", object.clone()).old(old).review(&rules);
        assert_eq!((decision.outcome, decision.findings.len()), (Outcome::Allow, 0));
    }
    // CREATE requests for terminating objects are checked. DELETE and CONNECT requests add no
    // volumes.
    assert_eq!(Request::new("CREATE", terminating.clone()).review(&rules).outcome, Outcome::Deny);
    let deletion = Request::new("DELETE", Value::Null).old(&bad()).with("name", "p");
    assert_eq!(deletion.review(&rules).outcome, Outcome::Allow);
    assert_eq!(
        Request::new("CONNECT", bad()).with("subResource", "exec").review(&rules).outcome,
        Outcome::Allow
    );
}

/// The API server accepts ephemeral containers for a terminating Pod.
#[test]
fn ephemeral_containers_of_terminating_pods_are_checked() {
    let rules = sensitive_paths();
    let mut terminating = bad();
    terminating["metadata"]["deletionTimestamp"] = json!("2026-06-01T00:00:00Z");
    let debugged = with_debugger(&terminating, json!({"name": "etc-kubernetes", "mountPath": "/m"}));
    let update = |old: &Value| {
        let request = Request::new("UPDATE", debugged.clone()).old(old);
        request.with("subResource", "ephemeralcontainers").review(&rules).outcome
    };
    assert_eq!((update(&terminating), update(&debugged)), (Outcome::Deny, Outcome::Warn));
}

#[test]
fn checks_subresources_that_contain_a_pod() {
    let rules = sensitive_paths();
    let update = |subresource: &str, object: Value| {
        Request::new("UPDATE", object).old(&pod(&[])).with("subResource", subresource).review(&rules)
    };
    for subresource in ["ephemeralcontainers", "resize", "future-subresource"] {
        assert_eq!(update(subresource, bad()).outcome, Outcome::Deny, "{subresource}");
    }
    for subresource in ["status", "exec", "attach", "portforward", "proxy", "log", "binding", "eviction"] {
        assert_eq!(update(subresource, bad()).outcome, Outcome::Allow, "{subresource}");
    }
    let other = Request::new("UPDATE", json!({"apiVersion": "v1", "kind": "PodCheckpoint"}))
        .with("resource", json!({"resource": "pods"}))
        .with("subResource", "checkpoint")
        .review(&rules);
    assert_eq!(other.outcome, Outcome::Allow);
    assert_eq!(other.response.audit_annotations()["unchecked"], "pods/checkpoint");
    let scale = Request::new("UPDATE", json!({"apiVersion": "autoscaling/v1", "kind": "Scale"}))
        .with("resource", json!({"resource": "deployments"}))
        .with("subResource", "scale")
        .review(&rules);
    assert_eq!(scale.outcome, Outcome::Allow);
    assert_eq!(scale.response.audit_annotations()["unchecked"], "deployments/scale");
}

/// With `matchPolicy: Equivalent`, the API server converts the object to the registered version,
/// which may be newer than the versions that volcheck knows.
#[test]
fn checks_every_version_of_a_kind() {
    let rules = sensitive_paths();
    let reported = |converted: &str, sent: Value| {
        let mut object = deployment(&bad());
        object["apiVersion"] = converted.into();
        let decision = Request::new("CREATE", object).with("requestKind", sent).review(&rules);
        decision.response.audit_annotations()["rules"].clone()
    };
    let old = json!({"group": "extensions", "version": "v1beta1", "kind": "Deployment"});
    for converted in ["apps/v1", "apps/v1beta2", "apps/v3"] {
        assert_eq!(reported(converted, old.clone()), "sensitive-host-path", "{converted}");
    }
    let mut later = bad();
    later["apiVersion"] = "v2".into();
    assert_eq!(Request::new("CREATE", later).review(&rules).outcome, Outcome::Deny);
}

#[test]
fn reports_host_access_of_new_ephemeral_containers() {
    let rules =
        policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error, writable-host-path: error}\n");
    let before = bad();
    let mut after = before.clone();
    after["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "i", "volumeMounts": [{"name": "etc-kubernetes", "mountPath": "/m"}]}]);
    let decision =
        Request::new("UPDATE", after).old(&before).with("subResource", "ephemeralcontainers").review(&rules);
    assert_eq!(decision.outcome, Outcome::Deny);
    assert!(
        decision.response.message().contains("spec.ephemeralContainers[0].volumeMounts[0]"),
        "{}",
        decision.response.message()
    );
}

/// Returns a copy of the Pod with an ephemeral container that has this mount.
fn with_debugger(pod: &Value, mount: Value) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "i", "volumeMounts": [mount]}]);
    pod
}

#[test]
fn preexisting_finding_does_not_hide_a_new_one() {
    let rules = policy("version: 1\nworkloadMode: deny\n");
    for (path, part) in [
        ("/", "run/docker.sock"),
        ("/var", "run/docker.sock"),
        ("/var/lib/kubelet", "plugins"),
        ("/root", ".docker/config.json"),
    ] {
        let mut old = pod(&[(path, &["a"])]);
        old["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = part.into();
        assert_eq!(Request::new("CREATE", old.clone()).review(&rules).outcome, Outcome::Deny, "{path}");
        let whole = json!({"name": volume(path), "mountPath": "/m", "readOnly": true});
        let mut two = old.clone();
        two["spec"]["containers"]
            .as_array_mut()
            .expect("containers")
            .push(json!({"name": "b", "image": "i", "volumeMounts": [whole.clone()]}));
        let updates = [
            Request::new("UPDATE", with_debugger(&old, whole))
                .old(&old)
                .with("subResource", "ephemeralcontainers"),
            Request::new("UPDATE", deployment(&two)).old(&deployment(&old)),
        ];
        for update in updates {
            let decision = update.review(&rules);
            assert_eq!(decision.outcome, Outcome::Deny, "{path}: {}", update.text());
            assert!(
                decision.response.message().contains(&format!("`{path}`")),
                "{}",
                decision.response.message()
            );
        }
        assert_eq!(Request::new("UPDATE", old.clone()).old(&old).review(&rules).outcome, Outcome::Warn);
    }
}

#[test]
fn workload_exemption_does_not_cover_debug_containers() {
    let rules = policy(
        "version: 1\nexemptions: [{rules: [\"*\"], match: {namespace: shop, kind: DaemonSet, name: agent}, reason: ours}]\n",
    );
    let mut agent = pod(&[("/run/docker.sock", &["a"])]);
    let volumes = agent["spec"]["volumes"].as_array_mut().expect("volumes");
    volumes.push(json!({"name": "scratch", "emptyDir": {}}));
    agent["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true}]);
    let controller = json!({"username": "system:serviceaccount:kube-system:daemon-set-controller"});
    let created = Request::new("CREATE", agent.clone()).with("userInfo", controller).review(&rules);
    assert_eq!((created.outcome, created.exempted.is_empty()), (Outcome::Allow, false));
    let debug_with = |mount: Value| {
        Request::new("UPDATE", with_debugger(&agent, mount))
            .old(&agent)
            .with("subResource", "ephemeralcontainers")
            .review(&rules)
    };
    let with_socket = debug_with(json!({"name": "run-docker-sock", "mountPath": "/m"}));
    assert_eq!(with_socket.outcome, Outcome::Deny);
    assert!(
        with_socket.response.message().contains("[runtime-socket]"),
        "{}",
        with_socket.response.message()
    );
    // A debug container without the socket is admitted.
    assert_eq!(debug_with(json!({"name": "scratch", "mountPath": "/m"})).outcome, Outcome::Warn);
}

#[test]
fn only_trusted_controllers_determine_the_owner() {
    let owned = |name: &str| {
        let mut pod = bad();
        pod["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "2", "controller": true},
        ]);
        pod
    };
    let controller = json!({"username": "system:serviceaccount:kube-system:replicaset-controller"});
    let alice = json!({"username": "alice"});
    let owner = |object: Value, user: &Value, policy: &Policy| {
        Request::new("CREATE", object).with("userInfo", user.clone()).review(policy).owner
    };
    let warn = policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nmodes: {shop: warn}\n");
    for policy in [&sensitive_paths(), &warn] {
        let owner_of = |object, user| owner(object, user, policy);
        let found = owner_of(owned("web-1"), &controller).expect("an owner");
        assert_eq!(
            [found.api_version, found.kind, found.name, found.uid],
            ["apps/v1", "ReplicaSet", "web-1", "2"]
        );
        assert_eq!(owner_of(owned("web-1"), &alice), None);
        assert_eq!(owner_of(owned(&"x".repeat(254)), &controller), None);
        assert_eq!(owner_of(bad(), &controller), None);
        assert_eq!(owner_of(pod(&[]), &controller), None);
    }
}

#[test]
fn forged_owner_references_grant_no_exemption() {
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
        let decision = Request::new("CREATE", object.clone()).with("userInfo", user).review(&rules);
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
fn only_the_node_can_create_its_mirror_pod() {
    let rules = sensitive_paths();
    let mut mirror = bad();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "abc"});
    let create_as = |object: &Value, user: &str, groups: &[&str]| {
        let user = json!({"username": user, "groups": groups});
        Request::new("CREATE", object.clone()).with("userInfo", user).review(&rules)
    };
    let genuine = create_as(&mirror, "system:node:node-1", &["system:nodes", "system:authenticated"]);
    assert_eq!(genuine.outcome, Outcome::Warn);
    assert_eq!(genuine.response.audit_annotations()["mirror-pod"], "true");
    assert_eq!(genuine.response.audit_annotations()["rules"], "sensitive-host-path");
    for (object, user, groups) in [
        (&mirror, "alice", &["system:nodes"][..]),
        (&mirror, "system:node:node-1", &["system:authenticated"]),
        (&mirror, "system:node:node-2", &["system:nodes"]),
        (&mirror, "system:node:", &["system:nodes"]),
        (&bad(), "system:node:node-1", &["system:nodes"]),
    ] {
        assert_eq!(create_as(object, user, groups).outcome, Outcome::Deny, "{user}");
    }
}

#[test]
fn tenants_cannot_exempt_themselves() {
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
    let decision = Request::new("CREATE", pod).review(&rules);
    assert_eq!(decision.outcome, Outcome::Deny, "{:?}", decision.exempted);
}

/// Returns the Pod that `kubectl debug node/node-1` of Kubernetes 1.37 creates.
fn node_debugger() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": "node-debugger-node-1-x7k2p", "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}},
    "spec": {
        "nodeName": "node-1", "hostNetwork": true, "hostPID": true, "hostIPC": true, "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "containers": [{"name": "debugger", "image": "busybox", "stdin": true, "tty": true,
            "volumeMounts": [{"name": "host-root", "mountPath": "/host"}]}],
        "volumes": [{"name": "host-root", "hostPath": {"path": "/", "type": ""}}],
    }})
}

fn user(name: &str, groups: &[&str]) -> Value {
    json!({"username": name, "groups": groups})
}

/// The exemption that docs/webhook.md recommends for `kubectl debug node`.
#[test]
fn documented_exemption_admits_node_debuggers_of_a_group() {
    let page = std::fs::read_to_string(crate::support::root().join("docs/webhook.md")).expect("the page");
    let (_, rest) = page.split_once("```yaml\nexemptions:\n").expect("the example");
    let (example, _) = rest.split_once("```").expect("the end of the example");
    let rules = policy(&format!("version: 1\nexemptions:\n{example}"));
    let create = |object: &Value, namespace: &str, user: Value| {
        let request = Request::new("CREATE", object.clone()).with("userInfo", user);
        request.with("namespace", namespace).review(&rules)
    };
    let admin = user("alice", &["system:authenticated", "node-debuggers"]);
    let admitted = create(&node_debugger(), "node-debug", admin.clone());
    assert_eq!(admitted.outcome, Outcome::Allow, "{}", admitted.response.message());
    let used = &admitted.response.audit_annotations()["exemptions"];
    assert!(used.contains("volcheck.yaml:") && used.contains("(node debugging"), "{used}");
    let mut renamed = node_debugger();
    renamed["metadata"]["name"] = "web".into();
    for (object, namespace, user) in [
        (&node_debugger(), "node-debug", user("bob", &["system:authenticated"])),
        (&node_debugger(), "shop", admin.clone()),
        (&renamed, "node-debug", admin),
    ] {
        assert_eq!(create(object, namespace, user).outcome, Outcome::Deny, "{namespace}");
    }
}

#[test]
fn exemptions_for_users_match_names_and_groups() {
    let outcome = |scope: &str, requester: Value| {
        let rules = policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error}}\nexemptions: [{{rules: \"*\", match: {{namespace: shop, {scope}}}, reason: ours}}]\n"
        ));
        Request::new("CREATE", bad()).with("userInfo", requester).review(&rules).outcome
    };
    let alice = || user("https://login.example#alice", &["/platform/debug", "CORP\\admins"]);
    for scope in [
        "user: \"https://login.example#alice\"",
        "user: \"https://login.example#*\"",
        "user: [bob, '/.*#alice/']",
        "group: /platform/debug",
        "group: 'CORP\\admins'",
        "group: 'CORP\\*'",
        "user: \"*alice\", group: \"*debug\"",
    ] {
        assert_eq!(outcome(scope, alice()), Outcome::Allow, "{scope}");
        assert_eq!(outcome(scope, user("mallory", &["system:authenticated"])), Outcome::Deny, "{scope}");
    }
    // Both keys must match, and the glob is literal except for its wildcards.
    for scope in ["user: bob, group: \"*debug\"", "user: \"https://login?example#bob*\"", "user: \"alice\""] {
        assert_eq!(outcome(scope, alice()), Outcome::Deny, "{scope}");
    }
    assert_eq!(outcome("user: alice", json!({})), Outcome::Deny);
}

/// A controller creates the Pods of all users, so its requests say nothing about a person.
#[test]
fn exemptions_for_users_never_cover_workloads_or_their_pods() {
    let rules = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\ntrustedControllers: [rollouts]\n\
         exemptions: [{rules: \"*\", match: {namespace: shop, group: [\"*\"]}, reason: ours}]\n",
    );
    let outcome = |object: Value, name: &str| {
        let request = Request::new("CREATE", object).with("userInfo", user(name, &["system:authenticated"]));
        request.review_at(Endpoint::Validate, &rules).outcome
    };
    assert_eq!(outcome(bad(), "alice"), Outcome::Allow);
    for controller in [
        "system:serviceaccount:kube-system:replicaset-controller",
        "system:kube-controller-manager",
        "rollouts",
    ] {
        assert_eq!(outcome(bad(), controller), Outcome::Deny, "{controller}");
    }
    // The Pods of the Deployment are denied, so its warning stays.
    assert_eq!(outcome(deployment(&bad()), "alice"), Outcome::Warn);
    // A debug container that another user adds is checked on its own.
    let debugged = with_debugger(&bad(), json!({"name": "etc-kubernetes", "mountPath": "/m"}));
    let add = |groups: &[&str]| {
        let request =
            Request::new("UPDATE", debugged.clone()).old(&bad()).with("userInfo", user("bob", groups));
        request.with("subResource", "ephemeralcontainers").review(&rules).outcome
    };
    assert_eq!((add(&["other"]), add(&[])), (Outcome::Allow, Outcome::Deny));
}

#[test]
fn audit_annotation_names_used_exemptions() {
    let exemption = |rule: &str, extra: &str| {
        format!("- {{rules: {rule}, match: {{namespace: shop}}, reason: {}{extra}}}\n", "because ".repeat(50))
    };
    let used = |entries: String| {
        let rules = policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error, host-path: error}}\nexemptions:\n{entries}"
        ));
        let decision = Request::new("CREATE", bad()).review(&rules);
        decision.response.audit_annotations().get("exemptions").cloned().unwrap_or_default()
    };
    let both = used(exemption("sensitive-host-path", ", severity: info") + &exemption("host-path", ""));
    assert!(
        both.contains("volcheck.yaml:4 (because ") && both.contains("volcheck.yaml:5 (because "),
        "{both}"
    );
    assert!(both.chars().count() <= 2 * 242, "{both}");
    assert_eq!(used(exemption("host-root", "")), "");
}

#[test]
fn audit_annotation_lists_exempted_rules() {
    let rules = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error}\nexemptions: [{rules: [sensitive-host-path], match: {namespace: shop}, reason: ours}]\n",
    );
    let decision = Request::new("CREATE", bad()).review(&rules);
    assert_eq!((decision.outcome, decision.exempted.len()), (Outcome::Allow, 1));
    assert_eq!(decision.response.audit_annotations()["exempted-rules"], "sensitive-host-path");
}

#[test]
fn lowered_findings_do_not_deny() {
    let decision = |severity: &str| {
        let rules = policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error}}\nexemptions: [{{rules: [sensitive-host-path], match: {{namespace: shop}}, reason: ours, severity: {severity}}}]\n"
        ));
        Request::new("CREATE", bad()).review(&rules)
    };
    assert_eq!(decision("warning").outcome, Outcome::Warn);
    let info = decision("info");
    assert_eq!((info.outcome, info.exempted.len()), (Outcome::Allow, 0));
    assert_eq!(info.response.audit_annotations()["rules"], "sensitive-host-path");
}

#[test]
fn cluster_scoped_objects_use_the_default_mode() {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/etc/kubernetes"}}});
    let outcome = |modes: &str| {
        let rules = policy(&format!(
            "version: 1\nrules: {{\"*\": off, sensitive-host-path: error}}\nmodes: {modes}\n"
        ));
        Request::new("CREATE", volume.clone()).with("namespace", "").review(&rules).outcome
    };
    assert_eq!(outcome("{}"), Outcome::Deny);
    assert_eq!(outcome("{\"*\": warn, shop: deny}"), Outcome::Warn);
    assert_eq!(outcome("{\"shop-*\": warn}"), Outcome::Deny);
}

/// The controller manager binds a PersistentVolume and a claim by updating both.
#[test]
fn binding_is_denied_only_for_new_errors() {
    let rules = policy("version: 1\n");
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/etc/kubernetes", "type": ""},
    }});
    let create = Request::new("CREATE", volume.clone()).with("namespace", "").review(&rules);
    assert_eq!(create.outcome, Outcome::Deny);
    for rule in ["host-path-persistent-volume", "sensitive-host-path", "untyped-host-path"] {
        assert!(create.response.message().contains(&format!("[{rule}]")), "{}", create.response.message());
    }
    let update = |change: &dyn Fn(&mut Value)| {
        let mut new = volume.clone();
        change(&mut new);
        Request::new("UPDATE", new).with("namespace", "").old(&volume).review(&rules)
    };
    let bound =
        update(&|new| new["spec"]["claimRef"] = json!({"namespace": "shop", "name": "data", "uid": "u"}));
    assert_eq!(bound.outcome, Outcome::Warn);
    assert!(bound.preexisting.iter().any(|rule| *rule == *"host-path-persistent-volume"));
    let recycled = update(&|new| new["spec"]["persistentVolumeReclaimPolicy"] = "Recycle".into());
    assert_eq!(recycled.outcome, Outcome::Deny);
    let message = recycled.response.message();
    assert!(
        message.starts_with("volcheck: 1 problem") && message.contains("[recycled-persistent-volume]"),
        "{message}"
    );
    // A new affinity fixes one finding and adds none.
    let pinned =
        update(&|new| new["spec"]["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{}]}}));
    assert_eq!(pinned.outcome, Outcome::Warn);
}

#[test]
fn claims_are_checked_at_creation_and_binding() {
    let claim = |volume_name: &str, annotations: Value| {
        let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "annotations": annotations},
            "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"}});
        if !volume_name.is_empty() {
            claim["spec"]["volumeName"] = volume_name.into();
        }
        claim
    };
    let unbound = claim("", json!({}));
    let chosen = claim("pv", json!({}));
    let bound = claim(
        "pv",
        json!({"pv.kubernetes.io/bound-by-controller": "yes", "pv.kubernetes.io/bind-completed": "yes"}),
    );
    let create = |object: &Value| Request::new("CREATE", object.clone());
    let update = |object: &Value| Request::new("UPDATE", object.clone()).old(&unbound);
    for (request, expected) in [
        (create(&unbound), Outcome::Allow),
        (create(&chosen), Outcome::Warn),
        (update(&chosen), Outcome::Warn),
        (update(&bound), Outcome::Allow),
    ] {
        assert_eq!(
            request.review_at(Endpoint::Advise, &policy("version: 1\n")).outcome,
            expected,
            "{}",
            request.0
        );
    }
    let strict = |mode: &str| {
        let rules = policy(&format!("version: 1\nrules: {{unclassed-claim: error}}\nworkloadMode: {mode}\n"));
        create(&chosen).review_at(Endpoint::Advise, &rules).outcome
    };
    assert_eq!((strict("warn"), strict("deny")), (Outcome::Warn, Outcome::Deny));
}

/// Generates Pods with varying volumes and mounts.
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
        for (at, (path, typed, mounted_by)) in volumes.into_iter().enumerate() {
            let name = format!("v{at}");
            list.push(json!({"name": name, "hostPath": {"path": path, "type": if typed { "Directory" } else { "" }}}));
            for (container, read_only) in mounted_by {
                mounts[container].push(json!({"name": name, "mountPath": format!("/m{at}"), "readOnly": read_only}));
            }
        }
        let containers: Vec<_> = mounts.into_iter().zip(["a", "b"]).map(|(mounts, name)| json!({"name": name, "image": "i", "volumeMounts": mounts})).collect();
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, "volumes": list}})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// An update that changes nothing or only removes mounts is never denied. Any other update is
    /// denied only if creating the new object is denied too.
    #[test]
    fn update_is_never_stricter_than_create(old in any_pod(), new in any_pod(), removed in any::<prop::sample::Index>()) {
        let rules = all_rules();
        let update = |new: &Value, old: &Value| Request::new("UPDATE", new.clone()).old(old).review(&rules);
        prop_assert_ne!(update(&new, &new).outcome, Outcome::Deny);
        let created = Request::new("CREATE", new.clone()).review(&rules);
        if update(&new, &old).outcome == Outcome::Deny {
            prop_assert_eq!(created.outcome, Outcome::Deny);
        }
        // Removing a mount adds no finding, except that it can leave the volume unused.
        let without_usage = policy("version: 1\nprofile: restricted\nrules: {unused-volume: off, missing-scratch-volume: off}\n");
        let mut less = new.clone();
        let containers = less["spec"]["containers"].as_array_mut().expect("containers");
        let container = removed.index(containers.len());
        if let Some(mounts) = containers[container]["volumeMounts"].as_array_mut() {
            mounts.pop();
        }
        let decision = Request::new("UPDATE", less.clone()).old(&new).review(&without_usage);
        prop_assert_ne!(decision.outcome, Outcome::Deny, "{} after {}: {}", less, new, decision.response.message());
    }
}

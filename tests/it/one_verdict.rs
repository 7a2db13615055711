//! One verdict: the webhook reports the same findings for an object as lint does for its manifest.

use std::fs;

use serde_json::{Value, json};
use volcheck::admission::{self, AdmissionResponse, Endpoint, ReviewContext, ReviewError};
use volcheck::finding::{Finding, Severity};
use volcheck::model::{is_built_in, known_sources};
use volcheck::policy::{Date, Policy, is_skipped_kind};
use volcheck::rules::Registry;
use volcheck::source::{self, decode, split_documents};

use crate::support::{TODAY, all_rules, lint, manifests, name, root};

/// Returns the objects of built-in kinds in a manifest, including the items of lists.
pub fn objects(text: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    for chunk in split_documents(text) {
        let Ok(Some(tree)) = source::parse(text, chunk.range) else { continue };
        if let Ok(value) = decode::<Value>(&tree, tree.root()) {
            collect(value, &mut objects);
        }
    }
    objects
}

fn collect(value: Value, objects: &mut Vec<Value>) {
    if let Some(items) = value.get("items").and_then(Value::as_array) {
        return items.clone().into_iter().for_each(|item| collect(item, objects));
    }
    let group = value["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    // A strategic merge patch for kustomize is never sent to an API server.
    let is_patch = value.to_string().contains("\"$patch\"");
    let Some(kind) = value["kind"].as_str() else { return };
    if is_built_in(group, kind) {
        objects.extend((!is_patch).then_some(value));
    } else if !is_skipped_kind(value["apiVersion"].as_str().unwrap_or_default(), kind) {
        collect_embedded(&value, objects);
    }
}

/// Adds the objects of built-in kinds in an object of another kind.
fn collect_embedded(value: &Value, objects: &mut Vec<Value>) {
    let children: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return,
    };
    for child in children {
        match child["apiVersion"].is_string() && (child["metadata"].is_object() || child["spec"].is_object())
        {
            true => collect(child.clone(), objects),
            false => collect_embedded(child, objects),
        }
    }
}

/// Returns the object as the API server sends it to webhooks. Nulls and unknown volume sources are
/// removed, and defaults are set. Pods get the token volume that the `ServiceAccount` admission
/// plugin adds.
pub fn as_sent_by_api_server(mut object: Value) -> Value {
    drop_nulls(&mut object);
    set_defaults(&mut object);
    if object["kind"] == "Pod" {
        add_token_volume(&mut object["spec"]);
    }
    object
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn set_defaults(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(host_path) = map.get_mut("hostPath").and_then(Value::as_object_mut) {
                host_path.entry("type").or_insert_with(|| json!(""));
            }
            if let Some(volumes) = map.get_mut("volumes").and_then(Value::as_array_mut) {
                for volume in volumes.iter_mut().filter_map(Value::as_object_mut) {
                    volume.retain(|key, _| key == "name" || known_sources().any(|known| known == key));
                    if volume.len() == usize::from(volume.contains_key("name")) {
                        volume.insert("emptyDir".to_owned(), json!({}));
                    }
                }
            }
            if map.get("readOnly") == Some(&json!(false)) {
                map.remove("readOnly");
            }
            map.values_mut().for_each(set_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(set_defaults),
        _ => {}
    }
}

/// Adds the volume with the service account token. Mounts the volume in each container that has no
/// mount at the path of the token.
fn add_token_volume(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    let volume = json!({"name": "kube-api-access-x2x4v", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt"}},
    ]}});
    let at = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mount = json!({"name": "kube-api-access-x2x4v", "mountPath": at, "readOnly": true});
    if let Some(volumes) = spec.entry("volumes").or_insert_with(|| json!([])).as_array_mut() {
        volumes.push(volume);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else { continue };
            let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
            let Some(mounts) = mounts.as_array_mut() else { continue };
            if mounts.iter().all(|mount| mount["mountPath"] != at) {
                mounts.push(mount.clone());
            }
        }
    }
}

/// Returns the names of a StatefulSet's claim templates.
fn claim_names(workload: &Value) -> Vec<&str> {
    let templates = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.filter_map(|claim| claim["metadata"]["name"].as_str()).collect()
}

/// Returns a Pod that a controller would create for the workload. Returns `None` if objects of its
/// kind have no Pods, or if the API server rejects the workload because it has no selector.
pub fn pod_of(workload: &Value) -> Option<Value> {
    let kind = workload["kind"].as_str()?;
    if workload["apiVersion"] == "apps/v1" && workload["spec"]["selector"].is_null() {
        return None;
    }
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    let (template, owner) = match kind {
        "Deployment" => (&workload["spec"]["template"], ("ReplicaSet", format!("{name}-7d9c5f6b8d"))),
        "CronJob" => {
            (&workload["spec"]["jobTemplate"]["spec"]["template"], ("Job", format!("{name}-28512345")))
        }
        "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => {
            (&workload["spec"]["template"], (kind, name.to_owned()))
        }
        _ => return None,
    };
    let mut spec = template["spec"].clone();
    let mut metadata = template["metadata"].clone();
    if !metadata.is_object() {
        metadata = json!({});
    }
    metadata["name"] = json!(format!("{}-x2x4q", owner.1));
    metadata["namespace"] = workload["metadata"]["namespace"].clone();
    metadata["ownerReferences"] = json!([{"kind": owner.0, "name": owner.1, "controller": true}]);
    if kind == "Deployment" {
        metadata["labels"]["pod-template-hash"] = json!("7d9c5f6b8d");
    }
    for name in claim_names(workload) {
        let volume = json!({"name": name, "persistentVolumeClaim": {"claimName": "claim"}});
        if !spec["volumes"].is_array() {
            spec["volumes"] = json!([]);
        }
        let volumes = spec["volumes"].as_array_mut()?;
        volumes.retain(|volume| volume["name"] != name);
        volumes.push(volume);
    }
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

/// Returns the review that the API server would send when `object` is created.
pub fn create_review(object: &Value) -> String {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": object["kind"]},
            "namespace": object["metadata"]["namespace"].as_str().unwrap_or("default"),
            "operation": "CREATE",
            // A trusted controller, because lint trusts the owner references in manifests, too.
            "userInfo": {"username": "system:kube-controller-manager"},
            "object": object,
        },
    });
    review.to_string()
}

/// Returns the response to a review and the findings that it is based on.
fn review(
    text: &str,
    policy: &Policy,
    today: Date,
) -> Result<(AdmissionResponse, Vec<Finding>), ReviewError> {
    let context =
        ReviewContext { policy, policy_hash: "0123", today, endpoint: Endpoint::Validate, message: None };
    admission::review(text, &context).map(|decision| (decision.response, decision.findings))
}

/// The rules that can report shadowed volumes and claim templates, which a workload contains but
/// its Pods do not.
const WORKLOAD_RULES: &[&str] = &[
    "deleted-claim",
    "mismatched-volume-mode",
    "shadowed-volume",
    "unclassed-claim",
    "writable-read-only-claim",
];

/// Returns the part of a finding that must be equal in lint and admission.
fn key(finding: &Finding) -> String {
    format!("{} {} {}", finding.rule, finding.severity, finding.fingerprint)
}

/// Returns the sorted keys of the findings that both lint and admission must report.
fn shared_keys<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<String> {
    let is_shared = |finding: &&Finding| {
        Registry::built_in().find(finding.rule.as_str()).is_some_and(|rule| rule.lint_only.is_none())
    };
    let mut keys: Vec<_> =
        findings.filter(is_shared).filter(|finding| !finding.is_heuristic).map(key).collect();
    keys.sort();
    keys
}

/// Compares the findings of lint and admission for a manifest. Returns a description of the
/// differences. Returns `None` if there are no differences, or if the manifest cannot be compared:
/// lint could not check all of it, it is a kustomize patch, or it contains placeholders.
pub fn differences(policy: &Policy, name: &str, text: &str) -> Option<String> {
    let outcome = lint(policy, name, text);
    let is_checked = outcome.unchecked.is_empty() && outcome.unknown_host_paths.is_empty();
    if !is_checked || text.contains("$patch") || text.contains("${") {
        return None;
    }
    let is_built_in =
        |finding: &&Finding| finding.object.as_ref().is_some_and(|id| is_built_in(&id.group, &id.kind));
    let linted = shared_keys(outcome.findings.iter().map(|located| &located.finding).filter(is_built_in));
    let mut reviewed = Vec::new();
    for object in objects(text) {
        let result = review(&create_review(&as_sent_by_api_server(object.clone())), policy, TODAY);
        let (_, findings) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(pod) = pod_of(&object) {
            let result = review(&create_review(&as_sent_by_api_server(pod)), policy, TODAY);
            let (response, of_pod) = result.unwrap_or_else(|error| panic!("{name}: its Pod: {error}"));
            // A volume for a claim template exists only in the Pod. The finding that no container
            // mounts it is not an error.
            let is_of_pod = |finding: &&Finding| !WORKLOAD_RULES.contains(&finding.rule.as_str());
            let of_workload = findings.iter().filter(is_of_pod);
            let has_error = of_workload.clone().any(|finding| finding.severity == Severity::Error);
            let claims = claim_names(&object);
            let of_pod = of_pod.iter().filter(is_of_pod).filter(|finding| {
                finding.rule != "unused-volume" || !claims.contains(&&*finding.fingerprint.volume)
            });
            let (of_workload, of_pod) = (shared_keys(of_workload), shared_keys(of_pod));
            if of_workload != of_pod || response.is_allowed() == has_error {
                return Some(format!("{name}:\n  workload  {of_workload:#?}\n  its Pod   {of_pod:#?}"));
            }
        }
        reviewed.extend(findings);
    }
    let reviewed = shared_keys(reviewed.iter());
    (linted != reviewed).then(|| format!("{name}:\n  lint      {linted:#?}\n  admission {reviewed:#?}"))
}

#[test]
fn lint_and_admission_agree_on_every_fixture() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for rule in Registry::built_in().iter() {
        for kind in ["bad", "good"] {
            for path in manifests(&root().join("tests/fixtures").join(rule.id.as_str()).join(kind)) {
                let text = fs::read_to_string(&path).expect("fixture");
                problems.extend(differences(&policy, &name(&path), &text));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn denies_only_objects_with_errors() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}],
        "volumes": [{"name": "v", "hostPath": {"path": "/srv/x", "type": "Directory"}}],
    }});
    let policy = all_rules();
    let (response, _) = review(&create_review(&pod), &policy, TODAY).expect("a review");
    assert!(!response.is_allowed());
    assert!(
        response.message().contains("[writable-host-path] spec.containers[0].volumeMounts[0]"),
        "{}",
        response.message()
    );
    let none = Policy::from_profile(volcheck::policy::Profile::None, &Default::default()).expect("a profile");
    let (response, _) = review(&create_review(&pod), &none, TODAY).expect("a review");
    assert!(response.is_allowed());
}

#[test]
fn namespace_and_workload_modes_weaken_denials() {
    let spec = json!({
        "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": true}]}],
        "volumes": [{"name": "v", "hostPath": {"path": "/run/docker.sock", "type": "Socket"}}],
    });
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
        "selector": {}, "template": {"metadata": {}, "spec": spec},
    }});
    // Returns whether the object is admitted, the number of warnings and the number of findings.
    let outcome = |policy: &str, object: &Value| {
        let policy = crate::support::policy(&format!(
            "version: 1\nrules: {{\"*\": off, runtime-socket: error}}\n{policy}"
        ));
        let (response, findings) = review(&create_review(object), &policy, TODAY).expect("a review");
        (response.is_allowed(), response.warnings().len(), findings.len())
    };
    assert_eq!(outcome("", &pod), (false, 0, 1));
    assert_eq!(outcome("", &deployment), (true, 1, 1));
    assert_eq!(outcome("workloadMode: deny\n", &deployment), (false, 0, 1));
    for (mode, expected) in
        [("deny", (false, 0, 1)), ("warn", (true, 1, 1)), ("audit", (true, 0, 1)), ("off", (true, 0, 0))]
    {
        assert_eq!(
            outcome(&format!("modes: {{\"*\": \"{mode}\"}}\nworkloadMode: deny\n"), &pod),
            expected,
            "{mode}"
        );
        assert_eq!(
            outcome(&format!("modes: {{\"*\": {mode}}}\nworkloadMode: deny\n"), &deployment),
            expected,
            "{mode}"
        );
        assert_eq!(outcome(&format!("modes: {{other: {mode}}}\n"), &pod), (false, 0, 1), "{mode}");
    }
}

#[test]
fn owner_references_count_only_from_trusted_controllers() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": "agent-x1", "namespace": "ns",
        "ownerReferences": [{"kind": "DaemonSet", "name": "agent", "controller": true}],
    }, "spec": {
        "containers": [{"name": "c", "image": "x"}],
        "volumes": [{"name": "v", "hostPath": {"path": "/run/docker.sock", "type": "Socket"}}],
    }});
    let policy = crate::support::policy(
        "version: 1\nrules: {\"*\": off, runtime-socket: error}\ntrustedControllers: [\"system:serviceaccount:argo:rollouts\"]\nexemptions: [{rules: [runtime-socket], match: {namespace: \"*\", kind: DaemonSet, name: agent}, reason: r}]\n",
    );
    let allowed = |user: &str| {
        let mut value: Value = serde_json::from_str(&create_review(&pod)).expect("JSON");
        value["request"]["userInfo"] = json!({"username": user});
        review(&value.to_string(), &policy, TODAY).expect("a review").0.is_allowed()
    };
    for user in [
        "system:serviceaccount:kube-system:daemon-set-controller",
        "system:kube-controller-manager",
        "system:serviceaccount:argo:rollouts",
    ] {
        assert!(allowed(user), "{user}");
    }
    for user in [
        "",
        "tenant",
        "system:serviceaccount:kube-system:default",
        "system:serviceaccount:tenant:daemon-set-controller",
        "system:serviceaccount:kube-system:x-daemon-set-controller",
    ] {
        assert!(!allowed(user), "{user}");
    }
    // Lint trusts the owner reference in a manifest.
    assert_eq!(lint(&policy, "pod.json", &pod.to_string()).findings.len(), 0);
}

//! One verdict: what lint finds in a manifest, admission finds in the object as the API server hands it on.

use std::fs;

use serde_json::{Value, json};
use volcheck::admission::{self, Answer, Endpoint, ReviewError, Terms};
use volcheck::finding::{Finding, Severity};
use volcheck::model::{is_built_in, known_sources};
use volcheck::policy::{Date, Policy};
use volcheck::rules::Registry;
use volcheck::source::{self, decode, split_documents};

use crate::support::{TODAY, all_rules, lint, manifests, name, root};

/// The objects of a text that admission judges, each with its text as JSON.
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
    // A part of an object, for kustomize to put into one, never comes to an API server.
    let is_part = value.to_string().contains("\"$patch\"");
    if !is_part && value["kind"].as_str().is_some_and(|kind| is_built_in(group, kind)) {
        objects.push(value);
    }
}

/// The object as the API server would store and hand it on: nulls and unknown volume sources dropped, defaults
/// filled in, and, for a Pod, the volume of its ServiceAccount's token added (`reference` of admission plugins).
pub fn as_handed_on(mut object: Value) -> Value {
    drop_nulls(&mut object);
    default(&mut object);
    if object["kind"] == "Pod" {
        add_token(&mut object["spec"]);
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

fn default(value: &mut Value) {
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
            map.values_mut().for_each(default);
        }
        Value::Array(items) => items.iter_mut().for_each(default),
        _ => {}
    }
}

/// As the ServiceAccount admission plugin adds it to nearly every Pod.
fn add_token(spec: &mut Value) {
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

/// The names of a StatefulSet's claims.
fn claims(workload: &Value) -> Vec<&str> {
    let templates = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.filter_map(|claim| claim["metadata"]["name"].as_str()).collect()
}

/// The Pod that a controller makes of a workload; none of what makes no Pod itself.
fn pod_of(workload: &Value) -> Option<Value> {
    let kind = workload["kind"].as_str()?;
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
    for name in claims(workload) {
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

/// The review that the API server would send for the creation of `object`.
pub fn creation(object: &Value) -> String {
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
            // Who makes the Pods of workloads: a manifest's owner is believed, and anybody else's isn't.
            "userInfo": {"username": "system:kube-controller-manager"},
            "object": object,
        },
    });
    review.to_string()
}

/// The answer to a review, and the findings behind it.
fn review(text: &str, policy: &Policy, today: Date) -> Result<(Answer, Vec<Finding>), ReviewError> {
    let terms = Terms { policy, policy_hash: "0123", today, endpoint: Endpoint::Validate };
    admission::review(text, &terms).map(|decision| (decision.answer, decision.findings))
}

/// What makes findings the same in both places.
fn key(finding: &Finding) -> String {
    format!("{} {} {}", finding.rule, finding.severity, finding.fingerprint)
}

fn both_places<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<String> {
    let lint_only = |finding: &&Finding| {
        Registry::built_in().find(finding.rule.as_str()).is_some_and(|rule| rule.lint_only.is_none())
    };
    let mut keys: Vec<_> =
        findings.filter(lint_only).filter(|finding| !finding.is_heuristic).map(key).collect();
    keys.sort();
    keys
}

/// What differs between the two places for a text.
pub fn differences(policy: &Policy, name: &str, text: &str) -> Option<String> {
    let outcome = lint(policy, name, text);
    if !outcome.unchecked.is_empty() || text.contains("$patch") {
        return None;
    }
    let built_in =
        |finding: &&Finding| finding.object.as_ref().is_some_and(|id| is_built_in(&id.group, &id.kind));
    let linted = both_places(outcome.findings.iter().map(|located| &located.finding).filter(built_in));
    let mut reviewed = Vec::new();
    for object in objects(text) {
        let answer = review(&creation(&as_handed_on(object.clone())), policy, TODAY);
        let (_, findings) = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(pod) = pod_of(&object) {
            let answer = review(&creation(&as_handed_on(pod)), policy, TODAY);
            let (answer, made) = answer.unwrap_or_else(|error| panic!("{name}: its Pod: {error}"));
            // What a workload alone shows, and what its Pod alone does: no error either way.
            let own = findings.iter().filter(|finding| finding.rule != "shadowed-volume");
            let claims = claims(&object);
            let made = made.iter().filter(|finding| {
                finding.rule != "unused-volume" || !claims.contains(&&*finding.fingerprint.volume)
            });
            let (own, made) = (both_places(own), both_places(made));
            let has_error = findings.iter().any(|finding| finding.severity == Severity::Error);
            if own != made || answer.is_allowed() == has_error {
                return Some(format!("{name}:\n  workload  {own:#?}\n  its Pod   {made:#?}"));
            }
        }
        reviewed.extend(findings);
    }
    let reviewed = both_places(reviewed.iter());
    (linted != reviewed).then(|| format!("{name}:\n  lint      {linted:#?}\n  admission {reviewed:#?}"))
}

#[test]
fn every_fixture_gets_the_same_findings_in_both_places() {
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
fn a_review_is_denied_exactly_when_there_is_an_error() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/m"}]}],
        "volumes": [{"name": "v", "hostPath": {"path": "/srv/x", "type": "Directory"}}],
    }});
    let policy = all_rules();
    let (answer, _) = review(&creation(&pod), &policy, TODAY).expect("a review");
    assert!(!answer.is_allowed());
    assert!(
        answer.message().contains("[writable-host-path] spec.containers[0].volumeMounts[0]"),
        "{}",
        answer.message()
    );
    let none = Policy::from_profile(volcheck::policy::Profile::None, &Default::default()).expect("a profile");
    let (answer, _) = review(&creation(&pod), &none, TODAY).expect("a review");
    assert!(answer.is_allowed());
}

#[test]
fn a_namespace_s_mode_and_that_of_workloads_weaken_what_follows() {
    let spec = json!({
        "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/m", "readOnly": true}]}],
        "volumes": [{"name": "v", "hostPath": {"path": "/run/docker.sock", "type": "Socket"}}],
    });
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
        "selector": {}, "template": {"metadata": {}, "spec": spec},
    }});
    // Whether it comes in, with how many warnings, and how many findings.
    let answer = |policy: &str, object: &Value| {
        let policy = crate::support::policy(&format!(
            "version: 1\nrules: {{\"*\": off, runtime-socket: error}}\n{policy}"
        ));
        let (answer, findings) = review(&creation(object), &policy, TODAY).expect("a review");
        let answer = serde_json::to_value(answer).expect("JSON");
        let warnings = answer["response"]["warnings"].as_array().map_or(0, Vec::len);
        (answer["response"]["allowed"] == true, warnings, findings.len())
    };
    assert_eq!(answer("", &pod), (false, 0, 1));
    assert_eq!(answer("", &deployment), (true, 1, 1));
    assert_eq!(answer("workloadMode: deny\n", &deployment), (false, 0, 1));
    for (mode, expected) in
        [("deny", (false, 0, 1)), ("warn", (true, 1, 1)), ("audit", (true, 0, 1)), ("off", (true, 0, 0))]
    {
        assert_eq!(
            answer(&format!("modes: {{\"*\": \"{mode}\"}}\nworkloadMode: deny\n"), &pod),
            expected,
            "{mode}"
        );
        assert_eq!(
            answer(&format!("modes: {{\"*\": {mode}}}\nworkloadMode: deny\n"), &deployment),
            expected,
            "{mode}"
        );
        assert_eq!(answer(&format!("modes: {{other: {mode}}}\n"), &pod), (false, 0, 1), "{mode}");
    }
}

#[test]
fn an_owner_is_believed_from_a_controller_alone() {
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
        let mut value: Value = serde_json::from_str(&creation(&pod)).expect("JSON");
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
    // A manifest's word is taken.
    assert_eq!(lint(&policy, "pod.json", &pod.to_string()).findings.len(), 0);
}

//! Each key of a policy counts: without it, the same manifests and reviews get another answer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::policy::said;
use crate::support::folder;

/// A policy with every key that there is.
fn full() -> Value {
    json!({
        "version": 1,
        "profile": "restricted",
        "extends": ["base.yaml"],
        "rules": {
            "conflicting-read-only": "off",
            "unbounded-empty-dir": {"severity": "info", "options": {"defaultSize": "3Gi"}},
        },
        "hostPaths": {
            "allow": [{"path": "/var/log", "readOnly": true}, {"path": "/srv"}],
            "catalog": [{"path": "/srv/sock", "class": "agent-socket", "reason": "ours", "severity": "warning", "type": "Socket"}],
        },
        "dataDirectories": [{"path": "/ledger", "reason": "books"}],
        "scratchDirectories": [{"path": "/sketch", "reason": "drafts"}],
        "modes": {"audited": "audit"},
        "workloadMode": "deny",
        "trustedControllers": ["system:serviceaccount:argo:rollouts"],
        "ignores": "none",
        "heuristic": false,
        "workloads": [{"group": "example.io", "kind": "Runner", "podSpecs": ["spec.inner"]}],
        "exemptions": [
            {
                "rules": ["writable-host-path"],
                "match": {"namespace": "logs", "kind": "DaemonSet", "name": "agent-a", "volume": "logs", "container": "writer", "path": "/srv/a/**"},
                "reason": "it writes there",
            },
            {"rules": ["sensitive-host-path"], "match": {"namespace": "logs", "access": "read"}, "reason": "it looks"},
            {"rules": ["writable-host-path", "sensitive-host-path"], "match": {"namespace": "*", "name": ["log", "sketch"]}, "reason": "to see what is behind it"},
            {"rules": ["host-root"], "match": {"namespace": "*"}, "reason": "no more", "expires": "2020-01-31"},
        ],
        "lint": {"exclude": ["skipped/**"], "namespace": "shop", "baseline": "known.json"},
    })
}

/// A volume of the node, and the mounts of it: container, path, whether it is read-only.
type Volume<'v> = (&'v str, &'v str, &'v str, &'v [(&'v str, &'v str, bool)]);

fn spec(volumes: &[Volume<'_>]) -> Value {
    let containers: BTreeSet<_> = volumes.iter().flat_map(|volume| volume.3).map(|mount| mount.0).collect();
    let mounts = |container: &str| -> Vec<Value> {
        let all = volumes.iter().flat_map(|volume| volume.3.iter().map(move |mount| (volume.0, mount)));
        all.filter(|(_, mount)| mount.0 == container)
            .map(|(name, mount)| json!({"name": name, "mountPath": mount.1, "readOnly": mount.2}))
            .collect()
    };
    json!({
        "containers": containers.iter().map(|name| json!({"name": name, "image": "i", "volumeMounts": mounts(name)})).collect::<Vec<_>>(),
        "volumes": volumes.iter().map(|volume| json!({"name": volume.0, "hostPath": {"path": volume.1, "type": volume.2}})).collect::<Vec<_>>(),
    })
}

fn workload(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    let (version, metadata) = ("apps/v1", json!({"name": name, "namespace": namespace}));
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {"selector": {"matchLabels": {"a": "a"}}, "template": {"metadata": {"labels": {"a": "a"}}, "spec": spec}}})
}

fn pod(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
}

/// The manifests: what the policy's exemption is for with a near miss for each of its keys, and something for
/// each other key.
fn manifests() -> Vec<Value> {
    let writes = |path| spec(&[("logs", path, "Directory", &[("writer", "/m", false)])]);
    let custom = |kind: &str, key: &str| json!({"apiVersion": "example.io/v1", "kind": kind, "metadata": {"name": "r"}, "spec": {key: writes("/srv/r")}});
    let mut annotated = pod(
        "annotated",
        &json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "e", "emptyDir": {}}]}),
    );
    annotated["metadata"]["annotations"] = json!({"ignore.volcheck.io/unbounded-empty-dir": "why not"});
    vec![
        workload(
            "DaemonSet",
            "logs",
            "agent-a",
            &spec(&[
                ("logs", "/srv/a/b", "Directory", &[("writer", "/m", false), ("other", "/m", false)]),
                ("data", "/srv/a/c", "Directory", &[("writer", "/n", false)]),
            ]),
        ),
        workload("DaemonSet", "logs", "agent-a", &writes("/srv/b")),
        workload("DaemonSet", "logs", "agent-b", &writes("/srv/a/b")),
        workload("DaemonSet", "else", "agent-a", &writes("/srv/a/b")),
        workload("Deployment", "logs", "agent-a", &writes("/srv/a/b")),
        workload(
            "Deployment",
            "logs",
            "look",
            &spec(&[("v", "/etc/kubernetes", "Directory", &[("c", "/m", true)])]),
        ),
        workload(
            "Deployment",
            "logs",
            "touch",
            &spec(&[("v", "/etc/kubernetes", "Directory", &[("c", "/m", false)])]),
        ),
        workload("Deployment", "logs", "root", &spec(&[("v", "/", "Directory", &[("c", "/m", true)])])),
        pod(
            "log",
            &spec(&[
                ("v", "/var/log", "Directory", &[("c", "/m", true)]),
                ("w", "/var/log", "Directory", &[("c", "/n", false)]),
            ]),
        ),
        pod("socket", &spec(&[("v", "/srv/sock", "", &[("c", "/m", true)])])),
        pod("unclean", &spec(&[("v", "/srv//x", "Directory", &[("c", "/m", true)])])),
        pod("ledger", &spec(&[("v", "/srv/x", "Directory", &[("c", "/ledger", false)])])),
        pod("sketch", &spec(&[("v", "/srv/x", "Directory", &[("c", "/sketch", false)])])),
        annotated,
        custom("Runner", "inner"),
        custom("Guess", "template"),
    ]
}

/// A review of the creation of `object` by `user`.
fn review(object: &Value, namespace: &str, user: &str) -> String {
    let kind = object["kind"].as_str().expect("a kind");
    let (group, resource) = if kind == "Pod" { ("", "pods") } else { ("apps", "deployments") };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource},
        "namespace": namespace, "operation": "CREATE", "userInfo": {"username": user}, "object": object,
    }})
    .to_string()
}

/// All that volcheck says under a policy.
fn answers(folder: &Path, policy: &Value) -> String {
    fs::write(folder.join("volcheck.yaml"), policy.to_string()).expect("written");
    let mut text = said(folder, &["lint", "--format", "json", "--show-suppressed"]).1;
    for file in ["audited.json", "deployment.json", "owned.json"] {
        text.push_str(&said(folder, &["review", file]).1);
    }
    text
}

/// The keys of a schema, as paths: `exemptions[].match.name`, `rules.*.severity`.
fn keys(schema: &Value, node: &Value, path: &str, out: &mut BTreeSet<String>) {
    let node = match node["$ref"].as_str() {
        Some(name) => &schema["$defs"][name.rsplit('/').next().unwrap_or_default()],
        None => node,
    };
    for part in ["anyOf", "oneOf"].iter().filter_map(|word| node[word].as_array()).flatten() {
        keys(schema, part, path, out);
    }
    for (key, inner) in node["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(schema, inner, &path, out);
        out.insert(path);
    }
    keys_if(schema, &node["additionalProperties"], &format!("{path}.*"), out);
    keys_if(schema, &node["items"], &format!("{path}[]"), out);
}

fn keys_if(schema: &Value, node: &Value, path: &str, out: &mut BTreeSet<String>) {
    if node.is_object() {
        keys(schema, node, path, out);
    }
}

/// Takes the key at a path out of the first place that has it; whether there was one.
fn remove(value: &mut Value, path: &str) -> bool {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, is_list) = (head.trim_end_matches("[]"), head.ends_with("[]"));
    let Some(map) = value.as_object_mut() else { return false };
    if rest.is_empty() {
        return map.remove(name).is_some();
    }
    if name == "*" {
        return map.values_mut().any(|inner| remove(inner, rest));
    }
    match map.get_mut(name) {
        Some(Value::Array(items)) if is_list => items.iter_mut().any(|inner| remove(inner, rest)),
        Some(inner) => remove(inner, rest),
        None => false,
    }
}

#[test]
fn each_key_of_a_policy_counts() {
    let text = json!({"apiVersion": "v1", "kind": "List", "items": manifests()}).to_string();
    let base = "version: 1\nrules: {unclean-host-path: off}\n";
    let deployment = workload("Deployment", "shop", "d", &manifests()[9]["spec"]);
    let mut owned = pod("agent-a-1", &manifests()[0]["spec"]["template"]["spec"]);
    owned["metadata"]["namespace"] = "logs".into();
    owned["metadata"]["ownerReferences"] =
        json!([{"kind": "DaemonSet", "name": "agent-a", "controller": true}]);
    let known = pod("known", &spec(&[("v", "/etc/kubernetes", "Directory", &[("c", "/m", true)])]));
    let folder = folder(&[
        ("base.yaml", base),
        ("list.json", &text),
        ("known.yaml", &known.to_string()),
        ("skipped/broken.yaml", "kind: [Pod"),
        ("audited.json", &review(&pod("p", &manifests()[7]["spec"]["template"]["spec"]), "audited", "u")),
        ("deployment.json", &review(&deployment, "shop", "u")),
        ("owned.json", &review(&owned, "logs", "system:serviceaccount:argo:rollouts")),
    ]);
    fs::write(folder.path().join("volcheck.yaml"), full().to_string()).expect("written");
    let (code, out) = said(folder.path(), &["baseline", "known.yaml"]);
    assert_eq!(code, 0, "{out}");
    let whole = answers(folder.path(), &full());
    let schema: Value = serde_json::from_str(&volcheck::policy::schema()).expect("JSON");
    let mut all = BTreeSet::new();
    keys(&schema, &schema, "", &mut all);
    // The schema leaves these to the type of the model.
    all.extend(["group", "kind", "podSpecs"].map(|key| format!("workloads[].{key}")));
    assert!(all.len() > 40, "{all:?}");
    let mut idle = Vec::new();
    for key in all {
        let mut without = full();
        assert!(
            remove(&mut without, &key),
            "the policy here lacks `{key}`: add it, with something that it changes"
        );
        if answers(folder.path(), &without) == whole {
            idle.push(key);
        }
    }
    assert!(idle.is_empty(), "without these, nothing changes: {idle:#?}");
}

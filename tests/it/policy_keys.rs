//! Every key of the policy has an effect: without it, volcheck reports different results for the
//! same manifests and reviews.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{temp_dir, volcheck_in};

/// Returns a policy that sets every key.
fn full_policy() -> Value {
    json!({
        "version": 1,
        "profile": "restricted",
        "extends": ["base.yaml"],
        "rules": {
            "conflicting-read-only": "off",
            "unbounded-empty-dir": {"severity": "info", "options": {"defaultSize": "3Gi"}},
        },
        "hostPaths": {
            "allowOnly": [{"path": "/var/log", "readOnly": true}, {"path": "/srv"}],
            "catalog": [{"path": "/srv/sock", "class": "agent-socket", "reason": "ours", "severity": "warning", "type": "Socket"}],
        },
        "kubernetesVersion": "1.24",
        "volumeTypes": {"allowOnly": ["hostPath", "emptyDir", "glusterfs"]},
        "claims": {"requireClass": true},
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
                "reason": "the agent writes its logs",
            },
            {"rules": ["sensitive-host-path"], "match": {"namespace": "logs", "access": "read"}, "reason": "read access is needed"},
            {"rules": ["writable-host-path", "sensitive-host-path"], "match": {"namespace": "*", "name": ["log", "sketch"]}, "reason": "reveals the other findings of the family"},
            {"rules": ["host-root"], "match": {"namespace": "*"}, "reason": "no longer needed", "expires": "2020-01-31"},
            {"rules": ["untyped-host-path"], "match": {"namespace": "*", "name": "socket"}, "reason": "the agent creates it", "severity": "info"},
            {"rules": ["host-root"], "match": {"namespace": "audited", "user": "alice"}, "reason": "for another user than that of the review"},
            {"rules": ["host-root"], "match": {"namespace": "audited", "group": "admins"}, "reason": "for a group that the user is not in"},
        ],
        "lint": {"exclude": ["skipped/**"], "namespace": "shop", "baseline": "known.json"},
    })
}

/// A `hostPath` volume: name, path, type and mounts. A mount is a container name, a mount path, and
/// whether the mount is read-only.
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

/// Returns the manifests. For each key in the `match` of the first exemption, there is a workload,
/// volume or container that only this key excludes. Each other key of the policy affects at least
/// one manifest.
fn manifests() -> Vec<Value> {
    let writes = |path| spec(&[("logs", path, "Directory", &[("writer", "/m", false)])]);
    let custom = |kind: &str, key: &str| json!({"apiVersion": "example.io/v1", "kind": kind, "metadata": {"name": "r"}, "spec": {key: writes("/srv/r")}});
    let mut annotated = pod(
        "annotated",
        &json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "e", "emptyDir": {}}]}),
    );
    annotated["metadata"]["annotations"] = json!({"ignore.volcheck.io/unbounded-empty-dir": "a small cache"});
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
            "reader",
            &spec(&[("v", "/etc/kubernetes", "Directory", &[("c", "/m", true)])]),
        ),
        workload(
            "Deployment",
            "logs",
            "writer",
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
        pod(
            "network",
            &json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "g", "glusterfs": {"path": "v"}}]}),
        ),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"}, "spec": {"accessModes": ["ReadWriteOnce"]}}),
        custom("Runner", "inner"),
        custom("Guess", "template"),
    ]
}

/// Returns the review of a CREATE request by `user`.
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

/// Returns the output of volcheck with a policy, for the manifests and the reviews.
fn output(directory: &Path, policy: &Value) -> String {
    fs::write(directory.join("volcheck.yaml"), policy.to_string()).expect("written");
    let mut text = volcheck_in(directory, &["lint", "--format", "json", "--show-suppressed"]).1;
    for file in ["audited.json", "deployment.json", "owned.json"] {
        text.push_str(&volcheck_in(directory, &["review", file]).1);
    }
    text
}

/// Collects the keys of a schema as paths such as `exemptions[].match.name` or `rules.*.severity`.
fn keys(schema: &Value, node: &Value, path: &str, out: &mut BTreeSet<String>) {
    let node = match node["$ref"].as_str() {
        Some(name) => &schema["$defs"][name.rsplit('/').next().unwrap_or_default()],
        None => node,
    };
    for part in ["anyOf", "oneOf"].iter().filter_map(|keyword| node[keyword].as_array()).flatten() {
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

/// Removes the first occurrence of the key at a path, and returns whether there was one.
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
fn every_policy_key_has_an_effect() {
    let text = json!({"apiVersion": "v1", "kind": "List", "items": manifests()}).to_string();
    let base = "version: 1\nrules: {unclean-host-path: off}\n";
    let deployment = workload("Deployment", "shop", "d", &manifests()[9]["spec"]);
    let mut owned = pod("agent-a-1", &manifests()[0]["spec"]["template"]["spec"]);
    owned["metadata"]["namespace"] = "logs".into();
    owned["metadata"]["ownerReferences"] =
        json!([{"kind": "DaemonSet", "name": "agent-a", "controller": true}]);
    let known = pod("known", &spec(&[("v", "/etc/kubernetes", "Directory", &[("c", "/m", true)])]));
    let directory = temp_dir(&[
        ("base.yaml", base),
        ("list.json", &text),
        ("known.yaml", &known.to_string()),
        ("skipped/broken.yaml", "kind: [Pod"),
        ("audited.json", &review(&pod("p", &manifests()[7]["spec"]["template"]["spec"]), "audited", "u")),
        ("deployment.json", &review(&deployment, "shop", "u")),
        ("owned.json", &review(&owned, "logs", "system:serviceaccount:argo:rollouts")),
    ]);
    fs::write(directory.path().join("volcheck.yaml"), full_policy().to_string()).expect("written");
    let (code, out) = volcheck_in(directory.path(), &["baseline", "known.yaml"]);
    assert_eq!(code, 0, "{out}");
    let expected = output(directory.path(), &full_policy());
    let schema: Value = serde_json::from_str(&volcheck::policy::schema()).expect("JSON");
    let mut all = BTreeSet::new();
    keys(&schema, &schema, "", &mut all);
    // The schema does not list the keys of custom workloads.
    all.extend(["group", "kind", "podSpecs"].map(|key| format!("workloads[].{key}")));
    assert!(all.len() > 40, "{all:?}");
    let mut unused = Vec::new();
    for key in all {
        let mut without = full_policy();
        assert!(
            remove(&mut without, &key),
            "`full_policy` does not set `{key}`: add it, and a manifest that it affects"
        );
        if output(directory.path(), &without) == expected {
            unused.push(key);
        }
    }
    assert!(unused.is_empty(), "keys without an effect: {unused:#?}");
}

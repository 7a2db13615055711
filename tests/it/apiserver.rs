//! Compares volcheck with a real API server. `tests/data/apiserver` contains manifests with
//! volumes, and the recorded responses of the API server and kubectl. Except for the listed cases,
//! lint can check every accepted manifest and reports a problem in every rejected manifest. The
//! model contains the same volumes and mounts as the stored objects.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use volcheck::lint::{Manifest, Options, Role, check};
use volcheck::model::{self, Object, Pod, TypeMeta, Volume, VolumeSource};
use volcheck::policy::{self, Policy};
use volcheck::source::{self, File, NodeId, Tree, View, decode, split_documents};

use crate::support::{all_rules, options, root};

#[derive(Deserialize)]
struct Case {
    id: String,
    send: String,
    manifest: Option<String>,
    manifest_base64: Option<String>,
    accepted: bool,
    message: String,
    stored: Value,
}

/// Accepted cases that lint cannot check completely: the id prefix, and the reason.
const UNCHECKED: &[(&str, &str)] = &[(
    "y-latin1",
    "kubectl replaces each invalid byte with U+FFFD; volcheck reports that the file is not UTF-8",
)];

/// Rejected cases for which lint reports nothing: the id prefix, and the reason.
const UNREPORTED: &[(&str, &str)] = &[
    ("vol-configmap-empty", NO_RULE),
    ("vol-secret-empty", NO_RULE),
    ("vol-pvc-empty", NO_RULE),
    ("vol-csi-empty", NO_RULE),
    ("dev-both", DEVICES),
    ("dev-dup", DEVICES),
    ("dev-backstep", DEVICES),
    ("dev-empty", DEVICES),
    ("num-mode-", "file modes in volumes are not read"),
    ("pv-nosource", NO_RULE),
    ("pv-source-null", NO_RULE),
    ("pv-emptydir", "unknown keys of a PersistentVolume are not read"),
    ("img-", NO_RULE),
    ("prj-", NO_RULE),
    ("warn-overlap-projected", NO_RULE),
    ("cm-", NO_RULE),
    ("sec-name-", NO_RULE),
    ("gen-", NO_RULE),
    ("pvc-", CLAIMS),
    ("sts-vct-", CLAIMS),
    ("sts-ret-", CLAIMS),
    ("sc-", CLAIMS),
    ("ver-", "all versions are checked alike, because the served versions depend on the cluster"),
    ("y-sep-in-block-col0", OTHER),
    ("y-value-", "a ConfigMap has no volumes, so its values are not read"),
    ("y-json-comment", OTHER),
    ("y-empty", OTHER),
    ("y-comment-only", OTHER),
    ("y-scalar-", OTHER),
    ("y-nokind", OTHER),
    ("y-noapiversion", OTHER),
    ("y-kind-null", OTHER),
    ("y-list-no", OTHER),
    ("y-list-null", OTHER),
    ("y-list-empty", OTHER),
    ("y-list-other-api", "any object with a list in `items` is expanded, regardless of its kind"),
    ("y-list-lower", "any object with a list in `items` is expanded, regardless of its kind"),
    ("y-list-in-cm-kind-foolist", "any object with a list in `items` is expanded, regardless of its kind"),
    ("y-list-nested", "nested lists are expanded, and their items are checked"),
    ("y-items-", "a ConfigMap has no volumes, so its keys are not read"),
    ("y-noname", "objects without a name are checked"),
    ("y-name-num", "a ConfigMap has no volumes, so its name is not read"),
    ("y-unknown-kind", "the served kinds depend on the cluster"),
    ("y-ns-mismatch", "the namespace depends on kubectl's `--namespace`"),
    ("wr-", "rejected by a webhook in the recorded cluster, not because of the manifest"),
];

const NO_RULE: &str = "no rule checks the fields of this volume source";
const DEVICES: &str = "no rule checks raw block devices";
const CLAIMS: &str = "no rule checks claims and storage classes yet";
const OTHER: &str = "not a Kubernetes object, so it is counted among the other documents";

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/data/apiserver/cases.jsonl")).expect("the cases");
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    assert_eq!(cases.len(), 1110);
    cases
}

impl Case {
    /// Returns the manifest if kubectl sent it from a file.
    fn manifest_bytes(&self) -> Option<Vec<u8>> {
        let sent = ["apply", "apply-validate-ignore", "apply-validate-warn", "apply-server-side", "create"];
        if !sent.contains(&self.send.as_str()) {
            return None;
        }
        match (&self.manifest, &self.manifest_base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(encoded)) => Some(decode_base64(encoded)),
            (None, None) => None,
        }
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let sextets: Vec<u32> =
        text.bytes().filter(|byte| *byte != b'=').map(|byte| u32::from(value(byte))).collect();
    let mut out = Vec::new();
    for group in sextets.chunks(4) {
        let bits = group.iter().enumerate().fold(0, |bits, (at, sextet)| bits | sextet << (18 - 6 * at));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}

/// Lints a case. Returns the rules with findings, and the errors for unchecked input.
fn lint(policy: &Policy, case: &Case, bytes: Vec<u8>) -> (BTreeSet<&'static str>, Vec<String>) {
    let options = Options { parse_all: true, ..options(policy) };
    let outcome = check(Manifest { name: &case.id, bytes, role: Role::File }, &options);
    let found = outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect();
    let errors = outcome
        .unchecked
        .iter()
        .map(|unchecked| &unchecked.located.finding)
        .map(|finding| format!("{}: {}", finding.rule, finding.message));
    (found, errors.collect())
}

/// Asserts that each problem is a known exception, and that each exception still has a problem.
fn assert_only_exceptions(problems: &[(String, String)], exceptions: &[(&str, &str)]) {
    let is_exception = |id: &str| exceptions.iter().any(|(prefix, _)| id.starts_with(prefix));
    let unexpected = problems.iter().filter(|(id, _)| !is_exception(id));
    let lines: Vec<_> = unexpected.map(|(id, problem)| format!("{id}: {problem}")).collect();
    assert!(lines.is_empty(), "{} cases:\n{}", lines.len(), lines.join("\n"));
    for (prefix, reason) in exceptions {
        assert!(
            problems.iter().any(|(id, _)| id.starts_with(prefix)),
            "`{prefix}` ({reason}) is no longer an exception"
        );
    }
}

#[test]
fn checks_accepted_manifests() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.accepted) {
        let Some(bytes) = case.manifest_bytes() else { continue };
        let (_, errors) = lint(&policy, case, bytes);
        if !errors.is_empty() {
            problems.push((case.id.clone(), errors.join("; ")));
        }
    }
    assert_only_exceptions(&problems, UNCHECKED);
}

#[test]
fn reports_rejected_manifests() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| !case.accepted) {
        let Some(bytes) = case.manifest_bytes() else { continue };
        let (found, errors) = lint(&policy, case, bytes);
        if found.is_empty() && errors.is_empty() {
            problems.push((case.id.clone(), case.message.clone()));
        }
    }
    assert_only_exceptions(&problems, UNREPORTED);
}

#[test]
fn model_matches_stored_objects() {
    let mut problems = Vec::new();
    let mut compared = 0;
    for case in cases().iter().filter(|case| case.accepted) {
        let Some(bytes) = case.manifest_bytes() else { continue };
        let Some(stored) = normalize(&case.stored) else { continue };
        compared += 1;
        let models = File::decode(case.id.as_str(), bytes).map_or_else(|_| Vec::new(), |file| models(&file));
        if !models.contains(&stored) {
            problems.push((case.id.clone(), format!("stored {stored}, model {models:?}")));
        }
    }
    assert!(compared > 250, "only {compared} cases");
    assert_only_exceptions(&problems, &[]);
}

/// Returns the volumes and mounts of a stored object in the form that [`models`] returns. Returns
/// `None` if it has no volumes.
fn normalize(stored: &Value) -> Option<Value> {
    if let Some(host_path) = stored.get("hostPath") {
        return Some(json!({"hostPath": host_path}));
    }
    if let Some(local) = stored.get("local") {
        return Some(json!({"local": local["path"]}));
    }
    let volumes: Vec<_> = stored.get("volumes")?.as_array()?.iter().map(volume_of_json).collect();
    let mut out = json!({ "volumes": volumes });
    let mut mounts = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in stored[list].as_array().into_iter().flatten() {
            mounts.extend(container["volumeMounts"].as_array().into_iter().flatten().map(mount_of_json));
        }
    }
    if stored.get("containers").is_some() {
        out["mounts"] = mounts.into();
    }
    Some(out)
}

fn volume_of_json(volume: &Value) -> Value {
    let source = volume.as_object().and_then(|map| map.iter().find(|(key, _)| *key != "name"));
    let (key, content) = source.map_or(("emptyDir", &Value::Null), |(key, content)| (key.as_str(), content));
    let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
    match key {
        "hostPath" => json!([volume["name"], key, text("path"), text("type")]),
        "emptyDir" => json!([volume["name"], key, text("medium"), content.get("sizeLimit").is_some()]),
        "persistentVolumeClaim" => {
            json!([volume["name"], key, text("claimName"), content["readOnly"] == true])
        }
        _ => json!([volume["name"], key]),
    }
}

fn mount_of_json(mount: &Value) -> Value {
    let text = |name: &str| mount[name].as_str().unwrap_or_default().to_owned();
    json!([
        text("name"),
        text("mountPath"),
        text("subPath"),
        text("subPathExpr"),
        mount["readOnly"] == true,
        text("recursiveReadOnly"),
        text("mountPropagation"),
    ])
}

/// Decodes the objects in a file and returns their volumes. For each pod, returns one value with
/// the volumes only, and one with the volumes and the mounts.
fn models(file: &File) -> Vec<Value> {
    let mut models = Vec::new();
    for chunk in split_documents(file.text()) {
        let trees = match source::parse_json(file.text(), chunk.range.clone()) {
            Ok(trees) => trees,
            Err(_) => source::parse(file.text(), chunk.range).ok().flatten().into_iter().collect(),
        };
        for tree in trees {
            collect_models(&tree, tree.root(), &mut models);
        }
    }
    models
}

fn collect_models(tree: &Tree<'_>, node: NodeId, models: &mut Vec<Value>) {
    let Ok(mut meta) = decode::<TypeMeta<'_>>(tree, node) else { return };
    if let Some((items, View::Sequence(_))) = tree.get(node, "items").map(|items| (items, tree.view(items))) {
        return tree.items(items).iter().for_each(|item| collect_models(tree, *item, models));
    }
    if meta.kind.is_empty() {
        // The items of a PodList have no kind.
        (meta.kind, meta.api_version) = (model::Str::owned("Pod"), model::Str::owned("v1"));
    }
    let read = model::decode_object(source::NodeRef { tree, node }, &meta, "default", policy::workloads());
    let Ok(decoded) = read else { return };
    push_models(&decoded.object, models);
}

fn push_models(object: &Object<'_>, models: &mut Vec<Value>) {
    if let Some(spec) = object.persistent_volume() {
        if let Some(host_path) = &spec.host_path {
            let host_path_type = host_path.host_path_type.as_deref().unwrap_or_default();
            models.push(json!({"hostPath": {"path": &*host_path.path, "type": host_path_type}}));
        }
        models.extend(spec.local.as_ref().map(|local| json!({"local": &*local.path})));
    }
    for pod in object.pods() {
        let mut volumes: Vec<&Volume<'_>> = pod.volumes.iter().chain(&pod.shadowed_volumes).collect();
        volumes.sort_by_key(|volume| volume.path.clone());
        let volumes: Vec<_> = volumes.into_iter().map(volume_of_model).collect();
        models.push(json!({ "volumes": volumes }));
        models.push(json!({ "volumes": volumes, "mounts": mounts_of_model(pod) }));
    }
}

fn volume_of_model(volume: &Volume<'_>) -> Value {
    let known = volume.sources.iter().find(|(_, source)| !matches!(source, VolumeSource::Unknown));
    match known {
        Some((key, VolumeSource::HostPath(source))) => {
            json!([
                &*volume.name,
                &**key,
                &*source.path,
                source.host_path_type.as_deref().unwrap_or_default()
            ])
        }
        Some((key, VolumeSource::Claim(claim))) => {
            json!([&*volume.name, &**key, &*claim.claim_name, claim.read_only])
        }
        Some((key, source)) if !matches!(source, VolumeSource::EmptyDir(_)) => json!([&*volume.name, &**key]),
        _ => {
            let source = volume.empty_dir().unwrap_or_default();
            json!([&*volume.name, "emptyDir", &*source.medium, source.size_limit.is_some()])
        }
    }
}

fn mounts_of_model(pod: &Pod<'_>) -> Vec<Value> {
    let mount = |of: model::ContainerMount<'_, '_>| {
        let mount = of.mount;
        json!([
            &*mount.name,
            &*mount.mount_path,
            &*mount.sub_path,
            &*mount.sub_path_expr,
            mount.is_read_only(),
            &*mount.recursive_read_only,
            &*mount.mount_propagation,
        ])
    };
    pod.mounts().map(mount).collect()
}

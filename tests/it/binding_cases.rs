//! Claims and PersistentVolumes, with the recorded decisions of the PersistentVolume controller of
//! Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use volcheck::policy::Policy;

use crate::support::{lint, root, selecting};

/// A recorded case. The name of the claim is the id of the case.
pub struct Case {
    pub id: String,
    /// The claim, the PersistentVolumes and the storage class, as YAML documents.
    pub manifest: String,
    /// The volume that the claim was bound to; `None` if it stayed pending.
    pub bound: Option<String>,
}

/// The case whose claim stays pending until a Pod that uses it is scheduled.
pub const WAITS_FOR_POD: &str = "bind-wffc";

/// The namespace of the claims.
pub const NAMESPACE: &str = "bind";

/// Returns the recorded cases. Every PersistentVolume exposes a sensitive path.
pub fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/data/apiserver/cases.jsonl")).expect("the cases");
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case"));
    let is_binding = |case: &Value| {
        case["setup"].is_null() && case["id"].as_str().is_some_and(|id| id.starts_with("bind-"))
    };
    let case = |case: Value| Case {
        id: case["id"].as_str().expect("an id").to_owned(),
        manifest: case["manifest"].as_str().expect("a manifest").replace("path: /x", "path: /etc/kubernetes"),
        bound: match &case["stored"]["claim"] {
            claim if claim["phase"] == "Bound" => claim["volumeName"].as_str().map(str::to_owned),
            _ => None,
        },
    };
    cases.filter(is_binding).map(case).collect()
}

/// Returns the YAML documents with an object of this kind, from all cases.
pub fn documents(cases: &[Case], kind: &str) -> String {
    let documents = cases.iter().flat_map(|case| case.manifest.split("---\n"));
    let kind = format!("\nkind: {kind}\n");
    documents.filter(|text| text.contains(&kind)).map(|text| format!("---\n{}\n", text.trim_end())).collect()
}

/// Returns the PersistentVolumes that lint names for each claim if a Pod uses the claim. `text`
/// contains the objects of the cases, in any order.
pub fn named_volumes(cases: &[Case], text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let policy: Policy = selecting(&["hidden-host-path"]);
    let pods: String = cases.iter().map(|case| pod(&case.id)).collect();
    let findings = lint(&policy, "cases.yaml", &format!("{pods}{text}")).findings;
    let named = findings.into_iter().map(|located| {
        let volumes = located.finding.related.iter().filter_map(|label| label.object.as_ref());
        let volumes = volumes.filter(|object| object.kind == "PersistentVolume");
        let pod = located.finding.object.as_ref().expect("a Pod").name.clone();
        (pod, volumes.map(|object| object.name.clone()).collect())
    });
    named.collect()
}

fn pod(claim: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {claim}, namespace: {NAMESPACE}}}\nspec:\n  \
         containers: [{{name: c, image: i, volumeMounts: [{{name: v, mountPath: /m}}]}}]\n  \
         volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}]\n"
    )
}

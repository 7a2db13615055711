//! The PersistentVolume controller binds each claim to a volume that lint names.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::binding_cases::{NAMESPACE, WAITS_FOR_POD, cases, documents, named_volumes};
use crate::control_plane::wait_for;
use crate::harness::{Harness, harness};

/// The time that the controller has to bind claims that should stay pending.
const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// Returns the objects of a kind that kubectl lists.
fn list(harness: &Harness, arguments: &[&str]) -> Vec<Value> {
    let text = harness.kubectl(&[&["get", "-o", "json"], arguments].concat()).ok();
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list["items"].as_array().expect("a list").clone()
}

/// Returns the claims with the volumes that they are bound to; `None` if they are pending.
fn bound_volumes(harness: &Harness) -> BTreeMap<String, Option<String>> {
    let claims = list(harness, &["persistentvolumeclaims", "-n", NAMESPACE]);
    let volume = |claim: Value| {
        let name = claim["metadata"]["name"].as_str().expect("a name").to_owned();
        let volume = claim["spec"]["volumeName"].as_str().map(str::to_owned);
        (name, volume.filter(|_| claim["status"]["phase"] == "Bound"))
    };
    claims.into_iter().map(volume).collect()
}

#[test]
fn claims_are_bound_to_the_volumes_that_lint_names() {
    let harness = &*harness();
    // The webhook would deny the PersistentVolumes.
    harness.uninstall();
    harness.kubectl(&["create", "namespace", NAMESPACE]).ok();
    let cases = cases();
    let [classes, volumes, claims] =
        ["StorageClass", "PersistentVolume", "PersistentVolumeClaim"].map(|kind| documents(&cases, kind));
    harness.apply("default", &format!("{classes}{volumes}")).ok();
    // The controller only binds volumes that it knows to be available.
    wait_for("the volumes", || {
        let volumes = list(harness, &["persistentvolumes"]);
        let is_ready = |volume: &Value| !matches!(volume["status"]["phase"].as_str(), None | Some("Pending"));
        volumes.iter().all(is_ready).then_some(())
    });
    harness.apply(NAMESPACE, &claims).ok();

    let named = named_volumes(&cases, &format!("{classes}{volumes}{claims}"));
    assert!(named.len() > 25, "{named:?}");
    wait_for("the claims", || {
        let bound = bound_volumes(harness);
        let is_bound =
            |claim: &String| bound.get(claim).is_some_and(Option::is_some) || claim == WAITS_FOR_POD;
        named.keys().all(is_bound).then_some(())
    });
    thread::sleep(GRACE_PERIOD);

    let bound = bound_volumes(harness);
    assert_eq!(bound.len(), cases.len());
    let is_named = |claim: &String, volume: &Option<String>| match (volume, named.get(claim)) {
        (Some(volume), Some(named)) => named.contains(volume),
        (None, Some(_)) => claim == WAITS_FOR_POD,
        (volume, None) => volume.is_none(),
    };
    let different: Vec<_> = bound.iter().filter(|(claim, volume)| !is_named(claim, volume)).collect();
    assert!(different.is_empty(), "{different:#?}, named: {named:#?}");

    harness.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).ok();
    harness.kubectl(&["delete", "persistentvolumes", "--all", "--wait=false"]).ok();
    harness.kubectl_with("admin", &["delete", "--wait=false", "-f", "-"], &classes).ok();
}

//! The policy's allow list of host paths, and the rules that it affects.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{allow_list, lint, selecting};

/// Returns the rules with findings in `object` under this allow list.
fn found(list: Option<&[(&str, bool)]>, object: &Value) -> BTreeSet<&'static str> {
    let mut policy =
        selecting(&["unlisted-host-path", "unknown-socket", "runtime-socket", "writable-host-path"]);
    policy.options.allowed_host_paths = list.map(allow_list);
    let outcome = lint(&policy, "object.json", &object.to_string());
    outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect()
}

fn pod(path: &str, is_read_only: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "containers": [{"name": "c", "image": "x", "volumeMounts": [
            {"name": "v", "mountPath": "/m", "readOnly": is_read_only},
        ]}],
        "volumes": [{"name": "v", "hostPath": {"path": path}}],
    }})
}

fn persistent_volume(path: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "p"}, "spec": {
        "hostPath": {"path": path},
    }})
}

const UNLISTED: &str = "unlisted-host-path";

#[test]
fn reports_nothing_without_a_list() {
    assert_eq!(found(None, &pod("/srv", true)), BTreeSet::new());
}

#[test]
fn empty_list_allows_nothing() {
    for object in [pod("/srv", true), pod("/", true), persistent_volume("/srv")] {
        assert_eq!(found(Some(&[]), &object), BTreeSet::from([UNLISTED]));
    }
}

#[test]
fn entry_allows_descendants_by_path_segment() {
    let list = Some([("/srv/data", false)].as_slice());
    for path in ["/srv/data", "/srv/data/", "//srv//data/x", "/var/srv/data/x"] {
        assert_eq!(found(list, &pod(path, true)), BTreeSet::new(), "{path}");
    }
    for path in ["/srv", "/srv/data2", "srv/data", "/srv/data/../data", "/", r"C:\srv\data"] {
        assert_eq!(found(list, &pod(path, true)), BTreeSet::from([UNLISTED]), "{path}");
    }
}

#[test]
fn read_only_entry_requires_a_read_only_mount() {
    let list = Some([("/var/log", true)].as_slice());
    assert_eq!(found(list, &pod("/var/log", true)), BTreeSet::new());
    assert!(found(list, &pod("/var/log", false)).contains(UNLISTED));
    assert!(found(list, &persistent_volume("/var/log")).contains(UNLISTED));
}

#[test]
fn most_specific_entry_decides() {
    let is_allowed =
        |list: &[(&str, bool)], path: &str| !found(Some(list), &pod(path, false)).contains(UNLISTED);
    for list in [[("/var", true), ("/var/log", false)], [("/var/log", false), ("/var", true)]] {
        assert!(is_allowed(&list, "/var/log/x") && !is_allowed(&list, "/var/lib"));
    }
    let inner = [("/data", false), ("/data/reference", true), ("/data/reference/cache", false)];
    assert!(is_allowed(&inner, "/data/x") && is_allowed(&inner, "/data/reference/cache/x"));
    assert!(!is_allowed(&inner, "/data/reference") && !is_allowed(&inner, "/data/reference/x"));
    let wildcard = [("/data/*", true), ("/data/team-*", false), ("/data/team-a", true)];
    assert!(is_allowed(&wildcard, "/data/team-b"));
    assert!(!is_allowed(&wildcard, "/data/team-a/x") && !is_allowed(&wildcard, "/data/x"));
    // Neither of these is more specific.
    assert!(!is_allowed(&[("/data/a*", true), ("/data/*z", false)], "/data/az"));
}

#[test]
fn allow_list_affects_only_two_rules() {
    let list = Some([("/run", false)].as_slice());
    assert_eq!(found(list, &pod("/run/vendor.sock", true)), BTreeSet::new());
    assert_eq!(found(Some(&[]), &pod("/run/vendor.sock", true)), BTreeSet::from([UNLISTED]));
    assert_eq!(found(None, &pod("/run/vendor.sock", true)), BTreeSet::from(["unknown-socket"]));
    assert_eq!(found(list, &pod("/run/docker.sock", true)), BTreeSet::from(["runtime-socket"]));
    assert_eq!(found(list, &pod("/run/x", false)), BTreeSet::from(["writable-host-path"]));
}

//! `text` shows findings together if they have the same remedy, or if they are about Pods of the
//! same controller.

use std::fmt::Write as _;

use crate::support::{temp_dir, volcheck_in};

/// Lints a manifest, and returns the report.
fn lint(manifest: &str, arguments: &[&str]) -> String {
    let directory = temp_dir(&[("pods.yaml", manifest)]);
    let arguments = [&["lint", "--no-policy", "pods.yaml"], arguments].concat();
    volcheck_in(directory.path(), &arguments).1
}

/// Returns the titles of the blocks in a text report.
fn titles(report: &str) -> Vec<&str> {
    let is_title = |line: &&str| ["error[", "warning[", "info["].iter().any(|start| line.starts_with(start));
    report.lines().filter(is_title).collect()
}

fn also(report: &str) -> Vec<&str> {
    report.lines().filter_map(|line| line.split_once("= also: ")).map(|(_, also)| also).collect()
}

/// Returns a Pod that mounts a host path writable in two containers.
fn pod(name: &str, metadata: &str, host_path: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: logging
{metadata}spec:
  containers:
  - name: agent
    image: agent
    volumeMounts:
    - name: data
      mountPath: /data
  - name: second
    image: agent
    volumeMounts:
    - name: data
      mountPath: /data
  volumes:
  - name: data
    hostPath:
      path: {host_path}
      type: Directory
---
"
    )
}

fn owned_by(daemon_set: &str) -> String {
    format!(
        "  ownerReferences:
  - apiVersion: apps/v1
    kind: DaemonSet
    name: {daemon_set}
    uid: 1
    controller: true
"
    )
}

#[test]
fn findings_with_the_same_remedy_are_shown_together() {
    let report = lint(&pod("web", "", "/var/log"), &[]);
    let expected = [
        "error[writable-host-path]: host path `/var/log` is mounted writable in container `second`",
        "error[sensitive-host-path]: sensitive host path `/var/log` is writable by container `agent`",
    ];
    assert_eq!(titles(&report), expected, "{report}");
    let expected =
        "writable-host-path at 11:7: host path `/var/log` is mounted writable in container `agent`";
    assert_eq!(also(&report), [expected], "{report}");
    assert!(report.contains("Found 3 problems (3 errors)"), "{report}");
}

#[test]
fn findings_with_different_remedies_are_shown_separately() {
    // `readOnly: true` protects neither secrets nor sockets.
    for path in ["/etc/kubernetes", "/run/containerd/containerd.sock", "/var/lib/kubelet/plugins"] {
        let report = lint(&pod("web", "", path), &[]);
        assert!(titles(&report).len() >= 3, "{report}");
        assert_eq!(also(&report), [""; 0], "{report}");
    }
}

#[test]
fn findings_with_different_severities_are_shown_separately() {
    let directory = temp_dir(&[
        ("pods.yaml", &pod("web", "", "/var/log")),
        ("volcheck.yaml", "version: 1\nrules:\n  writable-host-path: warning\n"),
    ]);
    let report = volcheck_in(directory.path(), &["lint", "pods.yaml"]).1;
    assert_eq!(titles(&report).len(), 3, "{report}");
    assert_eq!(also(&report), [""; 0], "{report}");
}

#[test]
fn findings_of_pods_with_the_same_controller_are_shown_together() {
    let mut manifest = String::new();
    for index in 0..100 {
        manifest.push_str(&pod(&format!("agent-{index}"), &owned_by("agent"), "/var/log"));
    }
    let report = lint(&manifest, &[]);
    assert_eq!(titles(&report).len(), 2, "{report}");
    let others: Vec<_> = also(&report)
        .into_iter()
        .filter(|also| *also == "99 other Pods of DaemonSet logging/agent")
        .collect();
    assert_eq!(others.len(), 2, "{report}");
    assert!(report.contains("Found 300 problems (300 errors)"), "{report}");
    let concise = lint(&manifest, &["--format", "concise"]);
    assert_eq!(concise.lines().count(), 300);
}

#[test]
fn findings_of_other_pods_are_shown_separately() {
    let other_namespace =
        pod("other", &owned_by("agent"), "/var/log").replace("namespace: logging", "namespace: default");
    let mut manifest = pod("agent-1", &owned_by("agent"), "/var/log");
    // Without a controller, with another controller, with another path, and in another namespace.
    manifest.push_str(&pod("alone-1", "", "/var/log"));
    manifest.push_str(&pod("alone-2", "", "/var/log"));
    manifest.push_str(&pod("second-1", &owned_by("second"), "/var/log"));
    manifest.push_str(&pod("agent-2", &owned_by("agent"), "/var/lib/docker"));
    manifest.push_str(&other_namespace);
    let report = lint(&manifest, &["--select", "sensitive-host-path"]);
    assert_eq!(titles(&report).len(), 6, "{report}");
    assert_eq!(also(&report), [""; 0], "{report}");
}

#[test]
fn suppressed_findings_are_shown_separately() {
    let mut manifest = String::new();
    for index in 0..3 {
        let metadata = "  annotations:\n    ignore.volcheck.io/sensitive-host-path: reviewed\n";
        let metadata = if index == 1 { metadata } else { "" };
        let _ = write!(
            manifest,
            "{}",
            pod(&format!("agent-{index}"), &format!("{metadata}{}", owned_by("agent")), "/var/log")
        );
    }
    let report = lint(&manifest, &["--select", "sensitive-host-path", "--show-suppressed"]);
    assert_eq!(titles(&report).len(), 2, "{report}");
    assert_eq!(also(&report), ["1 other Pod of DaemonSet logging/agent"], "{report}");
    assert!(report.contains("= suppressed: by an annotation: reviewed"), "{report}");
}

//! The policy keys and flags that decide about volume types and claims.

use volcheck::policy::Policy;

use crate::support::{lint, policy, temp_dir, volcheck_in};

/// Returns the rule and severity of each finding about a manifest.
fn findings(policy: &Policy, text: &str) -> Vec<String> {
    let outcome = lint(policy, "manifest.yaml", text);
    assert!(outcome.unchecked.is_empty(), "{text}");
    let finding =
        |finding: &volcheck::finding::Finding| format!("{} {}", finding.rule, finding.severity.name());
    outcome.findings.iter().map(|located| finding(&located.finding)).collect()
}

/// Returns a Pod with a volume of this type.
fn pod(volume_type: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    image: i\n    \
         volumeMounts: [{{name: v, mountPath: /v, readOnly: true}}]\n  volumes:\n  - name: v\n    {volume_type}: {{}}\n"
    )
}

fn persistent_volume(volume_type: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: pv}}\nspec:\n  capacity: {{storage: 1Gi}}\n  \
         accessModes: [ReadWriteOnce]\n  {volume_type}: {{}}\n"
    )
}

#[test]
fn kubernetes_version_decides_about_volume_types() {
    const DEPRECATED: &str = "deprecated-volume-type warning";
    const REMOVED: &str = "removed-volume-type error";
    /// A volume type, and the finding in some versions of Kubernetes.
    type Row = (&'static str, &'static [(&'static str, Option<&'static str>)]);
    let rows: &[Row] = &[
        ("photonPersistentDisk", &[("1.10", None), ("1.11", Some(DEPRECATED)), ("1.16", Some(REMOVED))]),
        ("scaleIO", &[("1.15", None), ("1.16", Some(DEPRECATED)), ("1.22", Some(REMOVED))]),
        ("flocker", &[("1.21", None), ("1.22", Some(DEPRECATED)), ("1.25", Some(REMOVED))]),
        ("quobyte", &[("1.21", None), ("1.24", Some(DEPRECATED)), ("1.25", Some(REMOVED))]),
        ("storageos", &[("1.21", None), ("1.24", Some(DEPRECATED)), ("1.25", Some(REMOVED))]),
        ("glusterfs", &[("1.24", None), ("1.25", Some(DEPRECATED)), ("1.26", Some(REMOVED))]),
        ("cephfs", &[("1.27", None), ("1.30", Some(DEPRECATED)), ("1.31", Some(REMOVED))]),
        ("rbd", &[("1.27", None), ("1.28", Some(DEPRECATED)), ("1.31", Some(REMOVED))]),
        ("flexVolume", &[("1.22", None), ("1.23", Some(DEPRECATED)), ("1.37", Some(DEPRECATED))]),
        ("awsElasticBlockStore", &[("1.18", None), ("1.19", Some(DEPRECATED)), ("1.37", Some(DEPRECATED))]),
        ("gcePersistentDisk", &[("1.16", None), ("1.17", Some(DEPRECATED)), ("1.37", Some(DEPRECATED))]),
        ("azureDisk", &[("1.18", None), ("1.37", Some(DEPRECATED))]),
        ("azureFile", &[("1.20", None), ("1.37", Some(DEPRECATED))]),
        ("cinder", &[("1.10", None), ("1.37", Some(DEPRECATED))]),
        ("vsphereVolume", &[("1.18", None), ("1.37", Some(DEPRECATED))]),
        ("portworxVolume", &[("1.24", None), ("1.37", Some(DEPRECATED))]),
    ];
    for (volume_type, versions) in rows {
        for (version, expected) in *versions {
            let policy = policy(&format!("version: 1\nkubernetesVersion: \"{version}\"\n"));
            for manifest in [pod(volume_type), persistent_volume(volume_type)] {
                assert_eq!(
                    findings(&policy, &manifest).as_slice(),
                    expected.as_slice(),
                    "{version}\n{manifest}"
                );
            }
        }
    }
    // A `gitRepo` is an error in all versions.
    for version in ["1.10", "1.32", "1.33", "1.40"] {
        let policy = policy(&format!("version: 1\nkubernetesVersion: v{version}.1\n"));
        assert_eq!(findings(&policy, &pod("gitRepo")), ["git-repo-volume error"], "{version}");
    }
}

#[test]
fn recommends_recursive_read_only_mounts_if_the_api_server_knows_them() {
    let mount = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n    \
                 volumeMounts: [{name: v, mountPath: /v, readOnly: true}]\n  volumes:\n  - name: v\n    \
                 hostPath: {path: /, type: Directory}\n";
    let propagation = mount.replace("readOnly: true", "readOnly: true, mountPropagation: HostToContainer");
    for (rule, manifest) in [("non-recursive-read-only", mount), ("ineffective-read-only", &propagation)] {
        for (version, is_known) in [("1.28", false), ("1.30", false), ("1.31", true), ("1.37", true)] {
            let policy = policy(&format!("version: 1\nkubernetesVersion: \"{version}\"\n"));
            let outcome = lint(&policy, "manifest.yaml", manifest);
            let mut findings = outcome.findings.iter().map(|located| &located.finding);
            let finding = findings.find(|finding| finding.rule == rule).expect("a finding");
            let recommends = finding.help.contains("recursiveReadOnly");
            assert_eq!(recommends, is_known, "{rule} {version}");
            assert!(is_known || finding.fix.is_none(), "{rule} {version}");
        }
    }
}

#[test]
fn flag_overrides_the_kubernetes_version_of_the_policy() {
    let directory = temp_dir(&[
        ("pod.yaml", &pod("cephfs")),
        ("old.yaml", "version: 1\nkubernetesVersion: \"1.27\"\n"),
        ("new.yaml", "version: 1\nextends: [old.yaml]\nkubernetesVersion: \"1.31\"\n"),
    ]);
    let lint = |arguments: &[&str]| {
        let all = [&["lint", "pod.yaml", "--format", "concise"], arguments].concat();
        let (code, out) = volcheck_in(directory.path(), &all);
        let rules = ["removed-volume-type", "deprecated-volume-type"];
        (code, rules.into_iter().find(|rule| out.contains(rule)))
    };
    let (removed, deprecated) = (Some("removed-volume-type"), Some("deprecated-volume-type"));
    assert_eq!(lint(&[]), (1, removed), "the default is the newest version");
    assert_eq!(lint(&["--policy", "old.yaml"]), (0, None));
    assert_eq!(lint(&["--policy", "new.yaml"]), (1, removed));
    assert_eq!(lint(&["--policy", "new.yaml", "--kube-version", "1.28"]), (0, deprecated));
    assert_eq!(lint(&["--policy", "old.yaml", "--kube-version", "v1.31.4+k3s1"]), (1, removed));
    assert_eq!(lint(&["--kube-version", "newest"]), (2, None));

    let (_, shown) = volcheck_in(directory.path(), &["policy", "show", "new.yaml", "--kube-version", "1.30"]);
    assert!(shown.contains("\nkubernetesVersion: '1.30'\n"), "{shown}");
    let (code, _) = volcheck_in(directory.path(), &["baseline", "pod.yaml", "--kube-version", "1.27"]);
    assert_eq!(code, 0);
    let baseline =
        std::fs::read_to_string(directory.path().join(".volcheck-baseline.json")).expect("a baseline");
    assert!(!baseline.contains("volume-type"), "{baseline}");
}

#[test]
fn list_of_volume_types_enables_its_rule() {
    let rule = "unlisted-volume-type error".to_owned();
    let reports = |text: &str, volume_type: &str| findings(&policy(text), &pod(volume_type)).contains(&rule);
    let recommended = "version: 1\n";
    assert!(!reports(recommended, "nfs"));
    assert!(!reports("version: 1\nprofile: baseline\n", "nfs"));
    let restricted = "version: 1\nprofile: restricted\n";
    assert!(reports(restricted, "nfs") && reports(restricted, "gitRepo"));
    assert!(!reports(restricted, "image") && !reports(restricted, "persistentVolumeClaim"));
    // The rule `host-path` reports this volume.
    assert!(!reports(restricted, "hostPath"));
    for profile in ["recommended", "baseline", "restricted"] {
        let listed = format!("version: 1\nprofile: {profile}\nvolumeTypes: {{allowOnly: [nfs, secret]}}\n");
        assert!(!reports(&listed, "nfs") && !reports(&listed, "secret"), "{profile}");
        assert!(reports(&listed, "hostPath") && reports(&listed, "configMap"), "{profile}");
    }
    assert!(reports("version: 1\nvolumeTypes: {allowOnly: []}\n", "emptyDir"));
    assert!(!reports("version: 1\nprofile: none\nvolumeTypes: {allowOnly: []}\n", "emptyDir"));
    assert!(!reports(
        "version: 1\nrules: {unlisted-volume-type: off}\nvolumeTypes: {allowOnly: []}\n",
        "emptyDir"
    ));
    assert!(reports("version: 1\nrules: {unlisted-volume-type: error}\n", "nfs"));
}

#[test]
fn claim_templates_are_claims_and_token_volumes_are_allowed() {
    let policy = policy(
        "version: 1\nprofile: none\nrules: {unlisted-volume-type: error}\nvolumeTypes: {allowOnly: []}\n",
    );
    let workload = |kind: &str, rest: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: w}}\nspec:\n  template: {{spec: {{containers: []}}}}\n{rest}"
        )
    };
    let templates = "  volumeClaimTemplates:\n  - metadata: {name: a}\n  - metadata: {name: a}\n  - metadata: {name: b}\n";
    assert_eq!(findings(&policy, &workload("StatefulSet", templates)).len(), 2);
    let token = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: []\n  volumes:\n  - name: kube-api-access-x2x4v\n    \
                 projected: {sources: [{serviceAccountToken: {path: token}}]}\n  - name: mine\n    projected: {sources: []}\n";
    assert_eq!(findings(&policy, token).len(), 1);
}

#[test]
fn option_requires_a_class_for_every_claim() {
    let claim = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c}}\nspec: {{accessModes: [ReadWriteOnce]{spec}}}\n"
        )
    };
    let rule = ["unclassed-claim warning".to_owned()];
    let count = |text: &str, spec: &str| {
        let found = findings(&policy(text), &claim(spec));
        assert!(found.is_empty() || found == rule, "{found:?}");
        found.len()
    };
    for (spec, by_default, if_required) in [
        ("", 0, 1),
        (", volumeName: pv", 1, 1),
        (", storageClassName: null", 0, 1),
        (", storageClassName: \"\"", 0, 0),
        (", storageClassName: fast, volumeName: pv", 0, 0),
    ] {
        assert_eq!(count("version: 1\n", spec), by_default, "{spec}");
        assert_eq!(count("version: 1\nclaims: {requireClass: true}\n", spec), if_required, "{spec}");
        assert_eq!(count("version: 1\nclaims: {requireClass: false}\n", spec), by_default, "{spec}");
    }
}

/// All rules about the paths and types of host paths also check PersistentVolumes.
#[test]
fn path_rules_check_persistent_volumes() {
    let plain = policy("version: 1\n");
    let with_list = policy(
        "version: 1\nhostPaths: {allowOnly: [{path: /srv/allowed}, {path: /srv/read, readOnly: true}]}\n",
    );
    let reports = |rule: &str, source: &str| {
        let policy = if rule == "unlisted-host-path" { &with_list } else { &plain };
        let text =
            format!("apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: pv}}\nspec: {{{source}}}\n");
        findings(policy, &text).iter().any(|found| found.starts_with(&format!("{rule} ")))
    };
    for (rule, path) in [
        ("host-root", "/"),
        ("host-root", "//./"),
        ("host-root", "/proc/1/root"),
        ("sensitive-host-path", "/etc/kubernetes"),
        ("sensitive-host-path", "/var/lib/kubelet/pki"),
        ("sensitive-host-path", "/etc"),
        ("cloud-credentials", "/root/.aws"),
        ("runtime-socket", "/var/run/docker.sock"),
        ("runtime-socket-parent", "/run/containerd"),
        ("node-agent-socket", "/var/lib/kubelet/plugins_registry"),
        ("unknown-socket", "/srv/app.sock"),
        ("unlisted-host-path", "/srv/other"),
        ("unlisted-host-path", "/srv/read"),
        ("relative-host-path", "srv/allowed"),
        ("host-path-backstep", "/srv/allowed/../x"),
        ("unclean-host-path", "/srv//allowed"),
        ("literal-variable-in-path", "/srv/allowed/$(POD_NAME)"),
    ] {
        assert!(reports(rule, &format!("hostPath: {{path: '{path}'}}")), "{rule} {path}");
        assert!(reports(rule, &format!("local: {{path: '{path}'}}")), "{rule} {path}");
        assert!(!reports(rule, "hostPath: {path: /srv/allowed, type: Directory}"), "{rule}");
        assert!(!reports(rule, "local: {path: /srv/allowed}"), "{rule}");
    }
    // A `local` volume has no type.
    for (rule, source) in [
        ("untyped-host-path", "{path: /srv/allowed}"),
        ("unknown-host-path-type", "{path: /srv/allowed, type: directory}"),
        ("mismatched-host-path-type", "{path: /srv/allowed/, type: File}"),
        ("node-creating-host-path", "{path: /etc/allowed, type: DirectoryOrCreate}"),
    ] {
        assert!(reports(rule, &format!("hostPath: {source}")), "{rule}");
        assert!(!reports(rule, &format!("local: {source}")), "{rule}");
    }
}

#[test]
fn pack_exempts_the_volumes_of_provisioners() {
    let policy = policy("version: 1\nextends: [node-agents]\n");
    let errors = |path: &str| {
        let text = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: pv, annotations: {{pv.kubernetes.io/provisioned-by: p}}}}\n\
             spec:\n  hostPath: {{path: {path}, type: DirectoryOrCreate}}\n  persistentVolumeReclaimPolicy: Delete\n"
        );
        findings(&policy, &text).into_iter().filter(|found| found.ends_with(" error")).collect::<Vec<_>>()
    };
    for path in [
        "/opt/local-path-provisioner/pvc-1_shop_data",
        "/var/lib/rancher/k3s/storage/pvc-1_shop_data",
        "/var/local-path-provisioner/pvc-1_shop_data",
        "/var/snap/microk8s/common/default-storage/shop-data-pvc-1",
        "/tmp/hostpath-provisioner/shop/data",
    ] {
        assert_eq!(errors(path), [""; 0], "{path}");
    }
    assert_eq!(errors("/srv/data"), ["host-path-persistent-volume error"]);
}

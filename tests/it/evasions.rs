//! Evasion attempts that succeed with other tools: path spellings, container lists, object kinds
//! and mounts.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use volcheck::finding::Family;
use volcheck::model::{HostPath, Relation};
use volcheck::policy::{self, Overrides, Policy, Profile};
use volcheck::rules::Registry;

use crate::support::{all_rules, lint, selecting};

/// Returns the rules with findings in `object` under the default policy.
fn found_rules(object: &Value) -> BTreeSet<&'static str> {
    let policy = Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile");
    let outcome = lint(&policy, "object.json", &object.to_string());
    assert!(outcome.unchecked.is_empty(), "{}: {}", object, outcome.unchecked[0].located.finding.message);
    outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect()
}

fn assert_found<'r>(rows: impl IntoIterator<Item = (String, Value, &'r str)>) {
    let missed: Vec<_> = rows
        .into_iter()
        .filter(|(_, object, rule)| !found_rules(object).contains(rule))
        .map(|(row, object, rule)| format!("{row}: expected {rule}, found {:?}", found_rules(&object)))
        .collect();
    assert!(missed.is_empty(), "{} rows evade volcheck:\n{}", missed.len(), missed.join("\n"));
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

/// Returns the spec of a Pod with a read-only mount of `path`, extended by the keys of `mount`.
fn spec_mounting(path: &str, mount: &Value) -> Value {
    let mut extended = json!({"name": "v", "mountPath": "/m", "readOnly": true});
    extended.as_object_mut().expect("a mount").extend(mount.as_object().expect("a mount").clone());
    json!({
        "containers": [{"name": "c", "image": "x", "volumeMounts": [extended]}],
        "volumes": [{"name": "v", "hostPath": {"path": path}}],
    })
}

fn persistent_volume(source: Value) -> Value {
    let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"]});
    spec.as_object_mut().expect("a spec").extend(source.as_object().expect("a source").clone());
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "p"}, "spec": spec})
}

#[test]
fn recognizes_every_spelling_of_a_path() {
    let rows = [
        ("/run/docker.sock", "runtime-socket"),
        ("/var/run/docker.sock", "runtime-socket"),
        ("//var/run/docker.sock", "runtime-socket"),
        ("/var/./run/docker.sock", "runtime-socket"),
        ("/var//run///docker.sock", "runtime-socket"),
        ("/run/docker.sock/", "runtime-socket"),
        ("run/docker.sock", "runtime-socket"),
        ("./var/run/docker.sock", "runtime-socket"),
        ("/run/containerd/containerd.sock", "runtime-socket"),
        ("/run/k3s/containerd/containerd.sock", "runtime-socket"),
        ("/run/crio/crio.sock", "runtime-socket"),
        ("/run/cri-dockerd.sock", "runtime-socket"),
        ("/run/podman/podman.sock", "runtime-socket"),
        ("/run/user/1000/podman/podman.sock", "runtime-socket"),
        ("/run/buildkit/buildkitd.sock", "runtime-socket"),
        ("/var/snap/microk8s/common/run/containerd.sock", "runtime-socket"),
        // Aliases.
        ("/var/lock/../run/docker.sock", "runtime-socket"),
        ("/proc/1/root/run/docker.sock", "runtime-socket"),
        ("/proc/1/root/var/run/docker.sock", "runtime-socket"),
        ("/proc/self/root/run/docker.sock", "runtime-socket"),
        ("/proc/thread-self/cwd/run/docker.sock", "runtime-socket"),
        ("/proc/self/task/1/root/run/docker.sock", "runtime-socket"),
        ("/proc/1/root/proc/1/root/run/docker.sock", "runtime-socket"),
        ("/proc/1/root", "host-root"),
        ("/proc/1/cwd/.", "host-root"),
        ("//", "host-root"),
        ("/.", "host-root"),
        ("/bin", "sensitive-host-path"),
        ("/sbin", "sensitive-host-path"),
        ("/lib/modules", "sensitive-host-path"),
        ("/lib64", "sensitive-host-path"),
        ("/var/roothome/.ssh", "sensitive-host-path"),
        ("/var/home/core/.kube", "sensitive-host-path"),
        ("/var/opt/cni/bin", "sensitive-host-path"),
        ("/var/home/core/.aws", "cloud-credentials"),
        ("/ostree", "sensitive-host-path"),
        ("/ostree/deploy/rhcos/var/lib/kubelet", "sensitive-host-path"),
        ("/dev/fd/3", "sensitive-host-path"),
        ("/dev/core", "sensitive-host-path"),
        ("/dev/block/8:0", "sensitive-host-path"),
        ("/mnt/stateful_partition", "sensitive-host-path"),
        ("/mnt/stateful_partition/var/lib/kubelet/pki", "sensitive-host-path"),
        ("/local/var/lib/kubelet", "sensitive-host-path"),
        // Parents.
        ("/run", "runtime-socket-parent"),
        ("/var/run", "runtime-socket-parent"),
        ("/var/run/", "runtime-socket-parent"),
        ("/run/containerd", "runtime-socket-parent"),
        ("/run/k3s", "runtime-socket-parent"),
        ("/run/user/1000", "runtime-socket-parent"),
        ("/var", "runtime-socket-parent"),
        ("/var/lib", "sensitive-host-path"),
        ("/opt", "sensitive-host-path"),
        ("/etc/", "sensitive-host-path"),
        ("/etc/kubernetes/pki/ca.key", "sensitive-host-path"),
        ("/var/lib/kubelet/pods/x/volumes", "sensitive-host-path"),
        ("/var/run/dbus", "node-agent-socket"),
        ("/var/run/vendor.sock", "unknown-socket"),
        // Windows.
        (r"C:\", "host-root"),
        ("c:/", "host-root"),
        ("D:", "host-root"),
        (r"\\?\C:\", "host-root"),
        (r"C:\var\lib\kubelet", "sensitive-host-path"),
        (r"\var\lib\kubelet", "sensitive-host-path"),
        (r"\", "host-root"),
        ("c:/VAR/Lib/kubelet/pods", "sensitive-host-path"),
        (r"C:\Users\me\.aws", "cloud-credentials"),
        (r"\\.\pipe\docker_engine", "runtime-socket"),
        (r"\\.\PIPE\Docker_Engine", "runtime-socket"),
        ("//./pipe/containerd-containerd", "runtime-socket"),
        (r"\\?\pipe\docker_engine", "runtime-socket"),
        (r"\\.\pipe\csi-proxy-disk-v1", "node-agent-socket"),
        (r"\\.\pipe\vendor", "unknown-socket"),
        (r"C:\Windows.\System32 \config", "sensitive-host-path"),
        (r"C:\PROGRA~3\docker", "sensitive-host-path"),
        (r"C:\Users\All Users\docker", "sensitive-host-path"),
        (r"C:\ProgramData::$INDEX_ALLOCATION\ssh", "sensitive-host-path"),
        (r"C:var\lib\kubelet", "sensitive-host-path"),
        (r"\\localhost\c$\var\lib\kubelet", "sensitive-host-path"),
        (r"\\127.0.0.1\ADMIN$\System32\config", "sensitive-host-path"),
        (r"\\?\UNC\localhost\C$", "host-root"),
        (r"\\node-1\C$", "host-root"),
        (r"\??\C:\", "host-root"),
        (r"\\localhost\pipe\docker_engine", "runtime-socket"),
        (r"\\.\PhysicalDrive0", "sensitive-host-path"),
        (r"\\?\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\", "sensitive-host-path"),
        (r"\\?\GLOBALROOT\Device\HarddiskVolume1", "sensitive-host-path"),
        ("/c/ProgramData/docker", "sensitive-host-path"),
        (r"C:..\x", "host-path-backstep"),
        (r"D:\KUBERN~1", "unclean-host-path"),
        (r"\\localhost\data", "unclean-host-path"),
    ];
    assert_found(rows.map(|(path, rule)| (path.to_owned(), pod(spec_mounting(path, &json!({}))), rule)));
}

#[test]
fn sub_paths_are_part_of_the_effective_path() {
    let rows = [
        ("/run", json!({"subPath": "docker.sock"}), "runtime-socket"),
        ("/run", json!({"subPath": "containerd/containerd.sock"}), "runtime-socket"),
        ("/run", json!({"subPath": "./containerd//containerd.sock"}), "runtime-socket"),
        ("/", json!({"subPath": "var/run/docker.sock"}), "runtime-socket"),
        ("/var", json!({"subPath": "run"}), "runtime-socket-parent"),
        ("/proc", json!({"subPath": "1/root/run/docker.sock"}), "runtime-socket"),
        ("/proc", json!({"subPath": "1/root"}), "host-root"),
        ("/", json!({"subPath": "etc"}), "sensitive-host-path"),
        ("/srv", json!({"subPath": "app.sock"}), "unknown-socket"),
        (r"C:\", json!({"subPath": r"Var\Lib\Kubelet"}), "sensitive-host-path"),
        ("/run", json!({"subPathExpr": "$(SOCKET)"}), "runtime-socket-parent"),
        ("/run", json!({"subPathExpr": "containerd/$(SOCKET)"}), "runtime-socket-parent"),
        ("/run", json!({"subPathExpr": "containerd/x-$(SOCKET)"}), "runtime-socket-parent"),
        ("/run", json!({"subPathExpr": "docker.sock"}), "runtime-socket"),
        ("/", json!({"subPathExpr": "$(ANY)"}), "host-root"),
    ];
    let rows =
        rows.map(|(path, mount, rule)| (format!("{path} {mount}"), pod(spec_mounting(path, &mount)), rule));
    assert_found(rows);
}

#[test]
fn every_container_list_is_checked() {
    let main = json!([{"name": "main", "image": "x"}]);
    let using = |extra: Value| {
        let mut container = json!({"name": "c", "image": "x", "volumeMounts": [
            {"name": "socket", "mountPath": "/s", "subPath": "docker.sock", "readOnly": true},
            {"name": "logs", "mountPath": "/l"},
        ]});
        container.as_object_mut().expect("a container").extend(extra.as_object().expect("a mapping").clone());
        json!([container])
    };
    let rows = [
        ("containers", "containers", json!({})),
        ("init containers", "initContainers", json!({})),
        ("sidecars", "initContainers", json!({"restartPolicy": "Always"})),
        ("ephemeral containers", "ephemeralContainers", json!({"targetContainerName": "main"})),
    ];
    for (row, list, extra) in rows {
        let mut spec = json!({"containers": main, "volumes": [
            {"name": "socket", "hostPath": {"path": "/run"}},
            {"name": "logs", "hostPath": {"path": "/var/log"}},
        ]});
        spec[list] = using(extra);
        let rules = ["runtime-socket", "sensitive-host-path", "writable-host-path"];
        assert_found(rules.map(|rule| (row.to_owned(), pod(spec.clone()), rule)));
    }
}

#[test]
fn unmounted_volumes_are_checked() {
    let spec = |path: &str| {
        let mut spec = spec_mounting(path, &json!({}));
        spec["containers"][0]["volumeMounts"] = json!([]);
        spec
    };
    let rows =
        [("/var/run/docker.sock", "runtime-socket"), ("/", "host-root"), ("/etc", "sensitive-host-path")];
    assert_found(rows.map(|(path, rule)| (path.to_owned(), pod(spec(path)), rule)));
}

#[test]
fn every_kind_is_checked() {
    let spec = spec_mounting("/var/run/docker.sock", &json!({}));
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": spec});
    let object = |api: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
        object.as_object_mut().expect("an object").extend(rest.as_object().expect("a mapping").clone());
        object
    };
    let templated = |api: &str, kind: &str| object(api, kind, json!({"spec": {"template": template}}));
    let cron = |api: &str| {
        object(api, "CronJob", json!({"spec": {"jobTemplate": {"spec": {"template": template}}}}))
    };
    let list = |kind: &str, item: &Value| json!({"apiVersion": "v1", "kind": kind, "items": [item]});
    let deployment = templated("apps/v1", "Deployment");
    let mut untyped = deployment.clone();
    untyped.as_object_mut().expect("an object").retain(|key, _| key != "apiVersion" && key != "kind");
    let workflow = json!({"spec": {
        "volumes": spec["volumes"],
        "templates": [{"name": "t", "container": spec["containers"][0]}],
    }});
    let objects = [
        object("v1", "Pod", json!({"spec": spec})),
        object("v1", "PodTemplate", json!({"template": template})),
        templated("v1", "ReplicationController"),
        deployment.clone(),
        templated("apps/v1beta1", "Deployment"),
        templated("extensions/v1beta1", "Deployment"),
        templated("apps/v1", "ReplicaSet"),
        templated("apps/v1", "DaemonSet"),
        templated("extensions/v1beta1", "DaemonSet"),
        templated("apps/v1", "StatefulSet"),
        templated("apps/v1beta2", "StatefulSet"),
        templated("batch/v1", "Job"),
        cron("batch/v1"),
        cron("batch/v1beta1"),
        cron("batch/v2alpha1"),
        object("apps/v1", "ControllerRevision", json!({"data": {"spec": {"template": template}}})),
        list("List", &deployment),
        list("List", &list("List", &deployment)),
        json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [untyped]}),
        list("ConfigMap", &pod(spec.clone())),
        templated("argoproj.io/v1alpha1", "Rollout"),
        templated("apps.kruise.io/v1alpha1", "CloneSet"),
        object(
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            json!({"spec": {"replicatedJobs": [
                {"name": "j", "template": {"spec": {"template": template}}},
            ]}}),
        ),
        object(
            "ray.io/v1",
            "RayJob",
            json!({"spec": {"rayClusterSpec": {
                "headGroupSpec": {"template": {"spec": {"containers": []}}},
                "workerGroupSpecs": [{"groupName": "w", "template": template}],
            }}}),
        ),
        object("argoproj.io/v1alpha1", "Workflow", workflow),
        object(
            "tekton.dev/v1",
            "Task",
            json!({"spec": {"steps": spec["containers"], "volumes": spec["volumes"]}}),
        ),
        object("example.com/v1", "Unknown", json!({"spec": {"deep": [{"in": {"it": spec}}]}})),
        persistent_volume(json!({"hostPath": {"path": "/var/run/docker.sock"}})),
        persistent_volume(json!({"local": {"path": "/var/run/docker.sock"}})),
    ];
    assert_found(objects.map(|object| (object["kind"].to_string(), object, "runtime-socket")));
}

#[test]
fn persistent_volumes_are_checked_by_path() {
    let rows = [
        ("/", "host-root"),
        ("/var/run", "runtime-socket-parent"),
        ("/root/.aws", "cloud-credentials"),
        ("/run/nri", "node-agent-socket"),
        ("/etc/kubernetes", "sensitive-host-path"),
        ("/var/log", "sensitive-host-path"),
        ("/etc/localtime", "sensitive-host-path"),
        ("/srv/app.sock", "unknown-socket"),
    ];
    for source in ["hostPath", "local"] {
        let row = |(path, rule): (&str, _)| {
            (format!("{source} {path}"), persistent_volume(json!({source: {"path": path}})), rule)
        };
        assert_found(rows.map(row));
    }
}

#[test]
fn similar_paths_have_no_findings() {
    let paths = [
        "/run/docker.sock.d",
        "/run2",
        "/srv/run/docker.sock.txt",
        "/var/lib/kubelet-data",
        "/etcetera",
        "/srv/etc/shadow",
        r"\\server\pipe\docker_engine",
        r"E:\var\lib\kubelet",
    ];
    for path in paths {
        let rules = found_rules(&pod(spec_mounting(path, &json!({}))));
        let path_rules = rules.iter().filter(|rule| {
            Registry::built_in().find(rule).is_some_and(|rule| rule.family == Some(Family::Path))
        });
        assert_eq!(path_rules.count(), 0, "{path}: {rules:?}");
    }
}

#[test]
fn parents_are_classified_by_their_worst_descendant() {
    let catalog = &policy::options().catalog;
    let rows = [
        ("/run", "/run/docker.sock"),
        ("/run/containerd", "/run/containerd/containerd.sock"),
        ("/run/user", "/run/user/*/docker.sock"),
        ("/var", "/var/snap/microk8s/common/run/containerd.sock"),
        ("/var/lib", "/var/lib/kubelet"),
        ("/opt", "/opt/cni"),
        (r"\\.\pipe", r"\\.\pipe\containerd-containerd"),
        (r"C:\var", r"C:\var\lib\kubelet"),
    ];
    for (path, expected) in rows {
        let named =
            catalog.classify(&HostPath::new(path)).entry().map(|(entry, above)| (entry.path.as_str(), above));
        assert_eq!(named, Some((expected, Relation::Ancestor)), "{path}");
    }
}

#[test]
fn shared_volumes_have_one_finding_for_the_worst_mount() {
    let template = |name: &str, mut mount: Value| {
        mount["mountPath"] = json!("/m");
        json!({"name": name, "container": {"image": "x", "volumeMounts": [mount]}})
    };
    let spec = json!({
        "volumes": [{"name": "v", "hostPath": {"path": "/run"}}],
        "templates": [
            template("a", json!({"name": "v", "readOnly": true})),
            template("b", json!({"name": "v", "subPath": "docker.sock"})),
            template("c", json!({"name": "other"})),
        ],
    });
    let mut workflow = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec});
    workflow["metadata"] = json!({"name": "w"});
    let policy = selecting(&["runtime-socket", "runtime-socket-parent"]);
    let findings = lint(&policy, "object.json", &workflow.to_string()).findings;
    let rules: Vec<_> = findings.iter().map(|located| located.finding.rule.as_str()).collect();
    assert_eq!(rules, ["runtime-socket"]);
}

#[test]
fn claims_and_storage_classes_count_as_having_volumes() {
    let text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\n---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: s}\n---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n";
    let counts = lint(&all_rules(), "m.yaml", text).counts;
    assert_eq!((counts.objects, counts.objects_with_volumes), (4, 3));
}

#[test]
fn decodes_binary_scalars() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  volumes:\n  - name: v\n    hostPath: {path: !!binary L3J1bi9kb2NrZXIuc29jaw==}\n";
    let found = lint(&selecting(&["runtime-socket"]), "m.yaml", text).findings;
    assert_eq!(found.len(), 1);
}

#[test]
fn heuristic_pods_require_a_list_of_containers_or_volumes() {
    let text = |containers: &str| {
        format!(
            "apiVersion: example.io/v1\nkind: Other\nmetadata: {{name: o}}\nspec:\n  containers: {containers}\n  volumes: [{{name: v, hostPath: {{path: /}}}}]\n"
        )
    };
    let found =
        |containers: &str| lint(&selecting(&["host-root"]), "m.yaml", &text(containers)).findings.len();
    // Without containers, the list of volumes is enough.
    assert_eq!((found("[{name: c}]"), found("[]"), found("[c]"), found("{}")), (1, 1, 1, 1));
    assert_eq!(
        lint(&selecting(&["host-root"]), "m.yaml", &text("[]").replace("volumes", "other")).findings.len(),
        0
    );
}

#[test]
fn custom_workload_parts_must_be_mappings() {
    let text = |template: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{name: w}}\nspec: {{volumes: [{{name: v}}], templates: [{template}]}}\n"
        )
    };
    for (template, message) in [
        ("t", "`spec.templates[0]` of this Workflow: expected a mapping, found the string \"t\""),
        (
            "{nodeSelector: {a: 3}}",
            "`spec.templates[0].nodeSelector.a` of this Workflow: expected a string, found the number `3`",
        ),
    ] {
        let errors = lint(&all_rules(), "w.yaml", &text(template)).unchecked;
        assert_eq!(
            errors.iter().map(|unchecked| &*unchecked.located.finding.message).collect::<Vec<_>>(),
            [message]
        );
    }
}

//! The effects of volcheck's verdicts in the API server: denials, warnings, audit annotations and
//! metrics.

use std::fs;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::control_plane::{NODE, TENANT, wait_for};
use crate::harness::{BAD, GOOD, Harness, NAMESPACE, harness, pod, root};
use crate::self_signed::{VALUES, registration};

/// The start of a denial message of the webhook `validate.volcheck.io`.
const DENIED: &str = "admission webhook \"validate.volcheck.io\" denied the request: volcheck: ";

/// Returns the last entry of the audit log for the object with this name.
fn audit_entry(harness: &Harness, name: &str) -> Value {
    wait_for("a line of the audit log", || {
        let (text, quoted) = (harness.control_plane.audit_log(), format!("\"{name}\""));
        let lines = text.lines().rev().filter(|line| line.contains(&quoted));
        let is_entry = |line: &Value| {
            line["objectRef"]["name"] == name && line["objectRef"]["subresource"] == Value::Null
        };
        lines.filter_map(|line| serde_json::from_str(line).ok()).find(is_entry)
    })
}

#[test]
fn pod_gets_the_verdict_of_its_namespace() {
    let harness = harness();
    harness.install(VALUES);
    let done = harness.apply("shop", &pod("good", GOOD));
    assert_eq!((done.is_success, done.stderr.as_str()), (true, ""));

    let error = harness.apply("shop", &pod("bad", BAD)).failed();
    assert!(error.contains(DENIED) && error.contains("[sensitive-host-path]"), "{error}");
    assert!(error.contains("volcheck explain sensitive-host-path"), "{error}");
    let line = audit_entry(&harness, "bad");
    assert_eq!(line["responseStatus"]["code"], 403);
    assert_eq!(line["annotations"]["validate.volcheck.io/rules"], "sensitive-host-path", "{line}");

    let done = harness.apply("relaxed", &pod("warned", BAD));
    assert!(
        done.is_success
            && done
                .stderr
                .starts_with("Warning: volcheck: Pod relaxed/warned: [sensitive-host-path] spec.volumes[0]."),
        "{done:?}"
    );
    let done = harness.apply("quiet", &pod("audited", BAD));
    assert_eq!((done.is_success, done.stderr.as_str()), (true, ""));
    let annotations = &audit_entry(&harness, "audited")["annotations"];
    assert_eq!(annotations["validate.volcheck.io/rules"], "sensitive-host-path");
    assert_eq!(annotations["validate.volcheck.io/verdict"], "would-deny");
    assert_eq!(harness.apply("unchecked", &pod("unchecked", BAD)).stderr, "");
}

/// The API server adds a volume with a service account token to each Pod.
#[test]
fn service_account_token_volume_has_no_finding() {
    let harness = harness();
    harness.install(VALUES);
    let text =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bare}\nspec: {containers: [{name: c, image: i}]}\n";
    assert_eq!(harness.apply("shop", text).stderr, "");
    let stored = harness.kubectl(&["get", "pod", "bare", "-n", "shop", "-o", "yaml"]).ok();
    assert!(stored.contains("kube-api-access-"), "{stored}");
    let rules = &audit_entry(&harness, "bare")["annotations"]["validate.volcheck.io/rules"];
    assert_eq!(rules, &Value::Null);
}

#[test]
fn dry_run_gets_the_same_verdict() {
    let harness = harness();
    harness.install(VALUES);
    let apply = |path| {
        harness.kubectl_with(
            "admin",
            &["apply", "-n", "shop", "--dry-run=server", "-f", "-"],
            &pod("dry", path),
        )
    };
    assert!(apply(BAD).failed().contains(DENIED));
    apply(GOOD).ok();
    assert!(harness.kubectl(&["get", "pod", "dry", "-n", "shop"]).failed().contains("NotFound"));
}

#[test]
fn labels_make_namespaces_stricter_but_never_laxer() {
    let harness = harness();
    harness.install(VALUES);
    // The policy sets the mode `warn` for this namespace.
    harness.kubectl(&["label", "namespace", "relaxed", "volcheck.io/mode=deny"]).ok();
    let apply = || harness.apply("relaxed", &pod("stricter", BAD));
    wait_for("the label to take effect", || (!apply().is_success).then_some(()));
    let error = apply().failed();
    assert!(error.contains("\"strict.volcheck.io\" denied the request: volcheck: "), "{error}");
    harness.kubectl(&["label", "namespace", "relaxed", "volcheck.io/mode-"]).ok();
    wait_for("the removal of the label to take effect", || {
        harness.apply("relaxed", &pod("laxer", BAD)).is_success.then_some(())
    });

    harness.kubectl(&["label", "namespace", "shop", "volcheck.io/mode=off"]).ok();
    let annotated = pod("annotated", BAD).replace(
        "{name: annotated}",
        "{name: annotated, labels: {volcheck.io/mode: \"off\"}, annotations: {volcheck.io/ignore: sensitive-host-path}}",
    );
    let owned = pod("owned", BAD).replace(
        "{name: owned}",
        "{name: owned, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: fluent-bit, uid: x, controller: true}]}",
    );
    for manifest in [annotated, owned] {
        let done = harness.kubectl_with(TENANT, &["create", "-n", "shop", "-f", "-"], &manifest);
        assert!(done.failed().contains(DENIED));
    }
    harness.kubectl(&["label", "namespace", "shop", "volcheck.io/mode-"]).ok();
}

#[test]
fn checks_ephemeral_containers() {
    let harness = harness();
    harness.install(VALUES);
    harness.apply("shop", &pod("debugged", "/srv/logs")).ok();
    let pods: Api<Pod> = Api::namespaced(harness.client(), "shop");
    let add = |name: &str, is_read_only: bool| {
        let mount = json!({"name": "v", "mountPath": "/m", "readOnly": is_read_only});
        let patch =
            json!({"spec": {"ephemeralContainers": [{"name": name, "image": "i", "volumeMounts": [mount]}]}});
        let patch = Patch::Strategic(patch);
        harness.block(pods.patch_subresource(
            "ephemeralcontainers",
            "debugged",
            &PatchParams::default(),
            &patch,
        ))
    };
    let error = add("writes", false).expect_err("denied").to_string();
    assert!(error.contains(DENIED) && error.contains("[writable-host-path]"), "{error}");
    add("reads", true).expect("admitted");
}

#[test]
fn only_the_node_can_create_its_mirror_pod() {
    let harness = harness();
    harness.install(VALUES);
    let mirror = pod("mirror", BAD)
        .replace("{name: mirror}", "{name: mirror, annotations: {kubernetes.io/config.mirror: x}}")
        .replace("spec:\n", "spec:\n  nodeName: node\n");
    let create = |user| harness.kubectl_with(user, &["create", "-n", "shop", "-f", "-"], &mirror);
    assert!(create(TENANT).failed().contains(DENIED));
    let done = create(NODE);
    assert!(done.is_success && done.stderr.contains("[sensitive-host-path]"), "{done:?}");
}

/// The Deployment itself is admitted with a warning.
#[test]
fn replica_set_event_reports_the_denial() {
    let harness = harness();
    harness.install(VALUES);
    let done = harness.apply("shop", &deployment("web", "/var/run/docker.sock", "Socket"));
    assert!(
        done.is_success
            && done.stderr.contains(
                "Warning: volcheck: Deployment shop/web: its Pods will be denied: [runtime-socket] "
            ),
        "{done:?}"
    );
    let event = wait_for("the event", || {
        let get = [
            "get",
            "events",
            "-n",
            "shop",
            "--field-selector=reason=FailedCreate",
            "-o",
            "jsonpath={.items[*].message}",
        ];
        Some(harness.kubectl(&get).ok()).filter(|text| text.contains("Pod shop/web-"))
    });
    assert!(event.contains(DENIED) && event.contains("[runtime-socket]"), "{event}");
    harness.kubectl(&["delete", "deployment", "web", "-n", "shop"]).ok();
}

fn deployment(name: &str, path: &str, host_path_type: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         nodeSelector: {{kubernetes.io/hostname: node}}\n      containers:\n      - name: c\n        image: i\n        volumeMounts: [{{name: v, mountPath: /m, readOnly: true}}]\n      \
         volumes:\n      - name: v\n        hostPath: {{path: {path}, type: {host_path_type}}}\n"
    )
}

/// The policy is reloaded without a restart. Existing objects can be updated, unless the update
/// adds a finding.
#[test]
fn stricter_policy_allows_updates_without_new_findings() {
    let harness = harness();
    harness.install(VALUES);
    harness.apply("unchecked", &deployment("old", BAD, "Directory")).ok();
    let pods = harness.pod_ips();
    harness.install(&VALUES.replace("unchecked: \"off\"}", "unchecked: deny}\n  workloadMode: deny"));
    assert_eq!(harness.pod_ips(), pods, "the Pods were replaced");
    let create = |path| harness.dry_run("unchecked", &deployment("new", path, "Directory")).is_success;
    wait_for("the new policy", || (!create(BAD)).then_some(()));
    assert!(create(GOOD));

    let done = harness.kubectl(&["label", "deployment", "old", "-n", "unchecked", "tier=web"]);
    assert!(done.is_success && done.stderr.contains("[sensitive-host-path]"), "{done:?}");
    let writable = deployment("old", BAD, "Directory").replace(", readOnly: true", "");
    let error = harness.apply("unchecked", &writable).failed();
    assert!(error.contains("\"advise.volcheck.io\" denied the request: volcheck: "), "{error}");
    let another = deployment("old", "/var/lib/kubelet", "Directory");
    assert!(harness.apply("unchecked", &another).failed().contains("denied the request: volcheck: "));
    harness.apply("unchecked", &deployment("old", GOOD, "Directory")).ok();

    // An invalid policy is rejected, and the last valid one stays active.
    let invalid =
        VALUES.replace("unchecked: \"off\"}", "unchecked: deny}\n  hostPaths: {allowOnly: [{path: srv}]}");
    let file = harness.file("invalid.yaml", &invalid).display().to_string();
    harness.helm(&["upgrade", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file]).ok();
    wait_for("a failed reload of both replicas", || {
        (harness.metric("volcheck_policy_reloads_total{result=\"failure\"}") >= 2.0).then_some(())
    });
    assert!(!create(BAD));
    harness.kubectl(&["delete", "deployment", "old", "-n", "unchecked"]).ok();
    harness.install(VALUES);
    wait_for("the original policy", || {
        harness.apply("unchecked", &pod("again", BAD)).is_success.then_some(())
    });
}

#[test]
fn unreachable_webhook_rejects_pods_outside_excluded_namespaces() {
    let harness = harness();
    harness.install(VALUES);
    let scale = |count: &str| {
        harness
            .kubectl(&["scale", "deployment/volcheck", "-n", NAMESPACE, &format!("--replicas={count}")])
            .ok()
    };
    scale("0");
    wait_for("the Pods to stop", || harness.pod_names().is_empty().then_some(()));

    let error = harness.apply("shop", &pod("unreviewed", GOOD)).failed();
    assert!(error.contains("failed calling webhook \"validate.volcheck.io\""), "{error}");
    // The webhook for PersistentVolumes has the failure policy `Ignore`, and the audit log records
    // the failed call.
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: unreviewed-volume}\nspec: {capacity: {storage: 1Gi}, \
                  accessModes: [ReadWriteOnce], hostPath: {path: /etc, type: Directory}}\n";
    harness.apply("shop", volume).ok();
    let line = audit_entry(&harness, "unreviewed-volume");
    assert!(line.to_string().contains("failed-open.validating.webhook.admission.k8s.io"), "{line}");
    harness.kubectl(&["delete", "pv", "unreviewed-volume"]).ok();
    // Pods in excluded namespaces are admitted, so volcheck can start again.
    for namespace in ["kube-system", NAMESPACE] {
        harness.dry_run(namespace, &pod("excluded", BAD)).ok();
    }
    scale("2");
    harness.kubectl(&["rollout", "status", "deployment/volcheck", "-n", NAMESPACE, "--timeout=60s"]).ok();
    wait_for("a review", || harness.apply("shop", &pod("reviewed-again", GOOD)).is_success.then_some(()));
}

/// The values for OpenShift exclude namespaces by their prefix. PersistentVolumes, whose requests
/// have no namespace, are still checked.
#[test]
fn match_condition_excludes_namespaces_by_prefix() {
    let harness = harness();
    let values = fs::read_to_string(root().join("examples/values/openshift.yaml")).expect("the values file");
    harness.install(&format!("{VALUES}{values}"));
    harness.kubectl(&["create", "namespace", "openshift-test"]).ok();
    wait_for("the match condition", || {
        let done = harness.dry_run("openshift-test", &pod("excluded", BAD));
        (done.is_success && done.stderr.is_empty()).then_some(())
    });
    let error = harness.dry_run("shop", &pod("bad", BAD)).failed();
    assert!(error.contains(DENIED), "{error}");
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: bad-volume}\nspec: {capacity: {storage: 1Gi}, \
                  accessModes: [ReadWriteOnce], hostPath: {path: /etc, type: Directory}}\n";
    let error = harness.dry_run("shop", volume).failed();
    assert!(error.contains("\"volumes.volcheck.io\" denied the request: volcheck: "), "{error}");
    harness.kubectl(&["delete", "namespace", "openshift-test"]).ok();
}

/// A registered version covers all versions of a kind (`matchPolicy: Equivalent`). No kind in the
/// chart's registration is served in two versions, so the test registers a custom kind with an
/// entry like the chart's.
#[test]
fn reviews_every_version_of_a_kind() {
    let harness = harness();
    harness.install(VALUES);
    let schema = "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}";
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: runners.example.io}}\nspec:\n  \
         group: example.io\n  scope: Namespaced\n  names: {{kind: Runner, plural: runners}}\n  versions:\n  \
         - {{name: v1, served: true, storage: true, {schema}}}\n  - {{name: v1beta1, served: true, storage: false, {schema}}}\n"
    );
    harness.apply("shop", &crd).ok();
    harness.kubectl(&["wait", "--for=condition=Established", "crd/runners.example.io", "--timeout=60s"]).ok();
    let mut entry = registration(&harness).webhooks.expect("entries").remove(0);
    entry.name = "runners.example.io".to_owned();
    entry.rules = serde_json::from_value(json!([{
        "apiGroups": ["example.io"], "apiVersions": ["v1"], "resources": ["runners"], "operations": ["CREATE"]
    }]))
    .expect("rules");
    let metadata = ObjectMeta { name: Some("runners".to_owned()), ..ObjectMeta::default() };
    let runners = ValidatingWebhookConfiguration { metadata, webhooks: Some(vec![entry]) };
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(harness.client());
    harness.block(registrations.create(&PostParams::default(), &runners)).expect("registered");

    let reviews = || {
        harness.metric("volcheck_admission_requests_total{endpoint=\"validate\",decision=\"allow\",operation=\"CREATE\",resource=\"other\"")
    };
    let before = reviews();
    let runner = "apiVersion: example.io/v1beta1\nkind: Runner\nmetadata: {name: runner}\n";
    wait_for("a review", || {
        harness.dry_run("shop", runner).ok();
        (reviews() > before).then_some(())
    });
    harness.block(registrations.delete("runners", &DeleteParams::default())).expect("deleted");
    harness.kubectl(&["delete", "crd", "runners.example.io"]).ok();
}

/// The review of an update contains two objects, which may be large.
#[test]
fn checks_large_objects() {
    let harness = harness();
    harness.install(VALUES);
    let filler = "x".repeat(1 << 20);
    let large = |path: &str| {
        let text = format!("        image: i\n        env: [{{name: FILLER, value: {filler}}}]\n");
        deployment("large", path, "Directory").replace("        image: i\n", &text)
    };
    let server_side = ["apply", "--server-side", "-n", "shop", "-f", "-"];
    let apply = |manifest: &str| harness.kubectl_with("admin", &server_side, manifest);
    assert_eq!(apply(&large(GOOD).replace("replicas: 1", "replicas: 0")).stderr, "");
    let done = apply(&large(BAD).replace("replicas: 1", "replicas: 0"));
    assert!(done.is_success && done.stderr.contains("[sensitive-host-path]"), "{}", done.stderr);
    harness.kubectl(&["delete", "deployment", "large", "-n", "shop"]).ok();
}

#[test]
fn counts_each_request_once() {
    let harness = harness();
    harness.install(VALUES);
    let counted = |decision: &str| {
        // Count only dry runs, because controllers still send requests for the objects of other
        // tests.
        let labels = format!(
            "endpoint=\"validate\",decision=\"{decision}\",operation=\"CREATE\",resource=\"pods\",subresource=\"\",dry_run=\"true\""
        );
        harness.metric(&format!("volcheck_admission_requests_total{{{labels}"))
    };
    // The counters of a Pod disappear when it stops.
    wait_for("exactly two replicas", || (harness.pod_ips().len() == 2).then_some(()));
    let before = (counted("allow"), counted("deny"));
    for index in 0..40 {
        let done = harness.dry_run("shop", &pod("counted", if index % 4 == 0 { BAD } else { GOOD }));
        assert_eq!(done.is_success, index % 4 != 0);
    }
    assert_eq!((counted("allow"), counted("deny")), (before.0 + 30.0, before.1 + 10.0));
}

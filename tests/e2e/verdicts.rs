//! What the API server makes of volcheck's verdicts.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::control_plane::{NODE, TENANT, until};
use crate::issued::{VALUES, registration};
use crate::world::{BAD, GOOD, NAMESPACE, World, pod, world};

/// How the API server says whose denial it is.
const DENIED: &str = "admission webhook \"validate.volcheck.io\" denied the request: volcheck: ";

/// The audit log's last line about the object of this name.
fn audited(world: &World, name: &str) -> Value {
    until("a line of the audit log", || {
        let (text, quoted) = (world.plane.audit(), format!("\"{name}\""));
        let lines = text.lines().rev().filter(|line| line.contains(&quoted));
        let is_it = |line: &Value| {
            line["objectRef"]["name"] == name && line["objectRef"]["subresource"] == Value::Null
        };
        lines.filter_map(|line| serde_json::from_str(line).ok()).find(is_it)
    })
}

#[test]
fn a_pod_is_admitted_denied_or_warned_of_and_the_audit_log_says_why() {
    let world = world();
    world.install(VALUES);
    let done = world.apply("shop", &pod("good", GOOD));
    assert_eq!((done.is_success, done.stderr.as_str()), (true, ""));

    let error = world.apply("shop", &pod("bad", BAD)).failed();
    assert!(error.contains(DENIED) && error.contains("[sensitive-host-path]"), "{error}");
    assert!(error.contains("volcheck explain sensitive-host-path"), "{error}");
    let line = audited(&world, "bad");
    assert_eq!(line["responseStatus"]["code"], 403);
    assert_eq!(line["annotations"]["validate.volcheck.io/volcheck-rules"], "sensitive-host-path", "{line}");

    let done = world.apply("relaxed", &pod("warned", BAD));
    assert!(
        done.is_success && done.stderr.starts_with("Warning: volcheck: [sensitive-host-path] "),
        "{done:?}"
    );
    let done = world.apply("quiet", &pod("audited", BAD));
    assert_eq!((done.is_success, done.stderr.as_str()), (true, ""));
    let rules = &audited(&world, "audited")["annotations"]["validate.volcheck.io/volcheck-rules"];
    assert_eq!(rules, "sensitive-host-path");
    assert_eq!(world.apply("blind", &pod("unjudged", BAD)).stderr, "");
}

/// The API server adds a volume to each Pod, of which nothing is to be said.
#[test]
fn a_pod_without_volumes_has_no_finding() {
    let world = world();
    world.install(VALUES);
    let text =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: bare}\nspec: {containers: [{name: c, image: i}]}\n";
    assert_eq!(world.apply("shop", text).stderr, "");
    let stored = world.kubectl(&["get", "pod", "bare", "-n", "shop", "-o", "yaml"]).ok();
    assert!(stored.contains("kube-api-access-"), "{stored}");
    let rules = &audited(&world, "bare")["annotations"]["validate.volcheck.io/volcheck-rules"];
    assert_eq!(rules, &Value::Null);
}

#[test]
fn a_dry_run_gets_the_same_verdict_and_stores_nothing() {
    let world = world();
    world.install(VALUES);
    let dry = |path| {
        world.kubectl_with(
            "admin",
            &["apply", "-n", "shop", "--dry-run=server", "-f", "-"],
            &pod("dry", path),
        )
    };
    assert!(dry(BAD).failed().contains(DENIED));
    dry(GOOD).ok();
    assert!(world.kubectl(&["get", "pod", "dry", "-n", "shop"]).failed().contains("NotFound"));
}

#[test]
fn a_label_can_make_a_namespace_stricter_and_nothing_of_a_tenant_s_makes_it_laxer() {
    let world = world();
    world.install(VALUES);
    // Of a namespace whose mode is warn by the policy.
    world.kubectl(&["label", "namespace", "relaxed", "volcheck.io/mode=deny"]).ok();
    let is_denied = || world.apply("relaxed", &pod("stricter", BAD));
    until("the label to have its effect", || (!is_denied().is_success).then_some(()));
    let error = is_denied().failed();
    assert!(error.contains("\"strict.volcheck.io\" denied the request: volcheck: "), "{error}");
    world.kubectl(&["label", "namespace", "relaxed", "volcheck.io/mode-"]).ok();
    until("the label's end", || world.apply("relaxed", &pod("laxer", BAD)).is_success.then_some(()));

    world.kubectl(&["label", "namespace", "shop", "volcheck.io/mode=off"]).ok();
    let excused = pod("excused", BAD).replace(
        "{name: excused}",
        "{name: excused, labels: {volcheck.io/mode: \"off\"}, annotations: {volcheck.io/ignore: sensitive-host-path}}",
    );
    let owned = pod("owned", BAD).replace(
        "{name: owned}",
        "{name: owned, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: fluent-bit, uid: x, controller: true}]}",
    );
    for manifest in [excused, owned] {
        let done = world.kubectl_with(TENANT, &["create", "-n", "shop", "-f", "-"], &manifest);
        assert!(done.failed().contains(DENIED));
    }
    world.kubectl(&["label", "namespace", "shop", "volcheck.io/mode-"]).ok();
}

#[test]
fn an_ephemeral_container_is_judged() {
    let world = world();
    world.install(VALUES);
    world.apply("shop", &pod("debugged", "/srv/logs")).ok();
    let pods: Api<Pod> = Api::namespaced(world.client(), "shop");
    let add = |name: &str, is_read_only: bool| {
        let mount = json!({"name": "v", "mountPath": "/m", "readOnly": is_read_only});
        let patch =
            json!({"spec": {"ephemeralContainers": [{"name": name, "image": "i", "volumeMounts": [mount]}]}});
        let patch = Patch::Strategic(patch);
        world.block(pods.patch_subresource(
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
fn a_mirror_pod_passes_for_its_node_alone() {
    let world = world();
    world.install(VALUES);
    let mirror = pod("mirror", BAD)
        .replace("{name: mirror}", "{name: mirror, annotations: {kubernetes.io/config.mirror: x}}")
        .replace("spec:\n", "spec:\n  nodeName: node\n");
    let create = |who| world.kubectl_with(who, &["create", "-n", "shop", "-f", "-"], &mirror);
    assert!(create(TENANT).failed().contains(DENIED));
    let done = create(NODE);
    assert!(done.is_success && done.stderr.contains("Warning: volcheck: [sensitive-host-path]"), "{done:?}");
}

/// A workload is only warned of, and its Pods are denied: the event says why.
#[test]
fn a_deployment_is_warned_of_and_its_replica_set_says_what_was_denied() {
    let world = world();
    world.install(VALUES);
    let done = world.apply("shop", &deployment("web", "/var/run/docker.sock", "Socket"));
    assert!(done.is_success && done.stderr.contains("Warning: volcheck: [runtime-socket] "), "{done:?}");
    let event = until("the event", || {
        let of = [
            "get",
            "events",
            "-n",
            "shop",
            "--field-selector=reason=FailedCreate",
            "-o",
            "jsonpath={.items[*].message}",
        ];
        Some(world.kubectl(&of).ok()).filter(|text| text.contains("Pod shop/web-"))
    });
    assert!(event.contains(DENIED) && event.contains("[runtime-socket]"), "{event}");
    world.kubectl(&["delete", "deployment", "web", "-n", "shop"]).ok();
}

fn deployment(name: &str, path: &str, kind: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      \
         nodeSelector: {{kubernetes.io/hostname: node}}\n      containers:\n      - name: c\n        image: i\n        volumeMounts: [{{name: v, mountPath: /m, readOnly: true}}]\n      \
         volumes:\n      - name: v\n        hostPath: {{path: {path}, type: {kind}}}\n"
    )
}

/// A policy is read again without a new Pod; what was there before it may be changed, but not made worse.
#[test]
fn a_stricter_policy_lets_what_is_there_change_but_not_get_worse() {
    let world = world();
    world.install(VALUES);
    world.apply("blind", &deployment("old", BAD, "Directory")).ok();
    let pods = world.addresses();
    world.install(&VALUES.replace("blind: \"off\"}", "blind: deny}\n  workloadMode: deny"));
    assert_eq!(world.addresses(), pods, "nothing was started anew");
    let create = |path| world.try_out("blind", &deployment("new", path, "Directory")).is_success;
    until("the new policy", || (!create(BAD)).then_some(()));
    assert!(create(GOOD));

    let done = world.kubectl(&["label", "deployment", "old", "-n", "blind", "tier=web"]);
    assert!(done.is_success && done.stderr.contains("Warning: volcheck: [sensitive-host-path]"), "{done:?}");
    let writable = deployment("old", BAD, "Directory").replace(", readOnly: true", "");
    let error = world.apply("blind", &writable).failed();
    assert!(error.contains("\"advise.volcheck.io\" denied the request: volcheck: "), "{error}");
    let another = deployment("old", "/var/lib/kubelet", "Directory");
    assert!(world.apply("blind", &another).failed().contains("denied the request: volcheck: "));
    world.apply("blind", &deployment("old", GOOD, "Directory")).ok();

    // One that can't be used changes nothing.
    let wrong = VALUES.replace("blind: \"off\"}", "blind: deny}\n  hostPaths: {allow: [{path: srv}]}");
    let file = world.file("wrong.yaml", &wrong).display().to_string();
    world.helm(&["upgrade", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file]).ok();
    until("the failure to be counted", || {
        (world.metric("volcheck_policy_reloads_total{result=\"failure\"}") >= 2.0).then_some(())
    });
    assert!(!create(BAD));
    world.kubectl(&["delete", "deployment", "old", "-n", "blind"]).ok();
    world.install(VALUES);
    until("the first policy", || world.apply("blind", &pod("again", BAD)).is_success.then_some(()));
}

#[test]
fn when_nobody_answers_pods_are_refused_and_what_is_excluded_goes_on() {
    let world = world();
    world.install(VALUES);
    let scale = |count: &str| {
        world.kubectl(&["scale", "deployment/volcheck", "-n", NAMESPACE, &format!("--replicas={count}")]).ok()
    };
    scale("0");
    let pods = || world.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "name"]).ok();
    until("the end of all Pods", || pods().is_empty().then_some(()));

    let error = world.apply("shop", &pod("unasked", GOOD)).failed();
    assert!(error.contains("failed calling webhook \"validate.volcheck.io\""), "{error}");
    // Cluster-wide objects and workloads pass, and the audit log says that nobody was asked.
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: unasked-volume}\nspec: {capacity: {storage: 1Gi}, \
                  accessModes: [ReadWriteOnce], hostPath: {path: /etc, type: Directory}}\n";
    world.apply("shop", volume).ok();
    let line = audited(&world, "unasked-volume");
    assert!(line.to_string().contains("failed-open.validating.webhook.admission.k8s.io"), "{line}");
    world.kubectl(&["delete", "pv", "unasked-volume"]).ok();
    // So do the namespaces that are excluded: volcheck can come back.
    for namespace in ["kube-system", NAMESPACE] {
        world.try_out(namespace, &pod("excluded", BAD)).ok();
    }
    scale("2");
    world.kubectl(&["rollout", "status", "deployment/volcheck", "-n", NAMESPACE, "--timeout=60s"]).ok();
    until("an answer", || world.apply("shop", &pod("asked-again", GOOD)).is_success.then_some(()));
}

/// A registration that names one version of a kind is asked about the others, too (`matchPolicy: Equivalent`). No kind of
/// the chart's registration has two versions in one Kubernetes today, so that this is a custom one, with an entry like
/// the chart's.
#[test]
fn a_kind_is_asked_about_in_whatever_version_it_comes() {
    let world = world();
    world.install(VALUES);
    let schema = "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}";
    let kind = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: runners.example.io}}\nspec:\n  \
         group: example.io\n  scope: Namespaced\n  names: {{kind: Runner, plural: runners}}\n  versions:\n  \
         - {{name: v1, served: true, storage: true, {schema}}}\n  - {{name: v1beta1, served: true, storage: false, {schema}}}\n"
    );
    world.apply("shop", &kind).ok();
    world.kubectl(&["wait", "--for=condition=Established", "crd/runners.example.io", "--timeout=60s"]).ok();
    let mut entry = registration(&world).webhooks.expect("entries").remove(0);
    entry.name = "runners.example.io".to_owned();
    entry.rules = serde_json::from_value(json!([{
        "apiGroups": ["example.io"], "apiVersions": ["v1"], "resources": ["runners"], "operations": ["CREATE"]
    }]))
    .expect("rules");
    let metadata = ObjectMeta { name: Some("runners".to_owned()), ..ObjectMeta::default() };
    let runners = ValidatingWebhookConfiguration { metadata, webhooks: Some(vec![entry]) };
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(world.client());
    world.block(registrations.create(&PostParams::default(), &runners)).expect("registered");

    let asked = || {
        world.metric("volcheck_admission_requests_total{endpoint=\"validate\",decision=\"allow\",operation=\"CREATE\",resource=\"other\"")
    };
    let before = asked();
    let runner = "apiVersion: example.io/v1beta1\nkind: Runner\nmetadata: {name: runner}\n";
    until("a question", || {
        world.try_out("shop", runner).ok();
        (asked() > before).then_some(())
    });
    world.block(registrations.delete("runners", &DeleteParams::default())).expect("deleted");
    world.kubectl(&["delete", "crd", "runners.example.io"]).ok();
}

/// An update shows two objects, which may be large.
#[test]
fn large_objects_are_judged() {
    let world = world();
    world.install(VALUES);
    let filler = "x".repeat(1 << 20);
    let large = |path: &str| {
        let text = format!("        image: i\n        env: [{{name: FILLER, value: {filler}}}]\n");
        deployment("large", path, "Directory").replace("        image: i\n", &text)
    };
    let server_side = ["apply", "--server-side", "-n", "shop", "-f", "-"];
    let apply = |manifest: &str| world.kubectl_with("admin", &server_side, manifest);
    assert_eq!(apply(&large(GOOD).replace("replicas: 1", "replicas: 0")).stderr, "");
    let done = apply(&large(BAD).replace("replicas: 1", "replicas: 0"));
    assert!(done.is_success && done.stderr.contains("[sensitive-host-path]"), "{}", done.stderr);
    world.kubectl(&["delete", "deployment", "large", "-n", "shop"]).ok();
}

#[test]
fn each_request_is_counted_once() {
    let world = world();
    world.install(VALUES);
    let counted = |decision: &str| {
        // A dry run, as no controller's request is that other tests have set off.
        let labels = format!(
            "endpoint=\"validate\",decision=\"{decision}\",operation=\"CREATE\",resource=\"pods\",subresource=\"\",dry_run=\"true\""
        );
        world.metric(&format!("volcheck_admission_requests_total{{{labels}"))
    };
    // One that ends takes what it has counted away.
    until("the replicas alone", || (world.addresses().len() == 2).then_some(()));
    let before = (counted("allow"), counted("deny"));
    for turn in 0..40 {
        let done = world.try_out("shop", &pod("counted", if turn % 4 == 0 { BAD } else { GOOD }));
        assert_eq!(done.is_success, turn % 4 != 0);
    }
    assert_eq!((counted("allow"), counted("deny")), (before.0 + 30.0, before.1 + 10.0));
}

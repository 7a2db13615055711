//! Manifests in strings of other objects: their findings, locations, ignores and limits.

use std::fmt::Write as _;

use volcheck::finding::Severity;
use volcheck::lint::{self, LocatedFinding, Manifest, Outcome, Role};

use crate::support::{lint as lint_file, options, selecting};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: helper}
spec:
  containers:
  - {name: c, image: busybox, volumeMounts: [{name: h, mountPath: /host}]}
  volumes:
  - name: h
    hostPath: {path: /etc/kubernetes, type: Directory}
";

fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(spaces))).collect()
}

fn config_map(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config, namespace: storage}}\ndata:\n{data}")
}

fn check(text: &str) -> Outcome {
    let rules = ["sensitive-host-path", "unanalyzed-document", "invalid-field-value", "malformed-ignore"];
    lint_file(&selecting(&rules), "config.yaml", text)
}

/// Returns the findings as `line:column rule object`.
fn found(outcome: &Outcome) -> Vec<String> {
    let describe = |located: &LocatedFinding| {
        let start = located.location.primary.expect("a location").start;
        let object = located.finding.object.as_ref().map(|object| format!(" {object}")).unwrap_or_default();
        format!("{}:{} {}{object}", start.line, start.column, located.finding.rule)
    };
    outcome.findings.iter().map(describe).collect()
}

#[test]
fn locates_findings_inside_a_literal_block() {
    let outcome = check(&config_map(&format!("  helperPod.yaml: |-\n{}", indented(POD, 4))));
    assert_eq!(found(&outcome), ["14:26 sensitive-host-path Pod storage/helper"]);
    assert_eq!(outcome.counts.objects, 2);
    let finding = &outcome.findings[0];
    assert_eq!(finding.finding.primary.path.to_string(), "spec.volumes[0].hostPath.path");
    let mount = finding.location.related.first().expect("the mount");
    assert_eq!((mount.span.start.line, mount.span.start.column), (11, 51));
}

#[test]
fn locates_findings_in_other_strings_at_the_string() {
    let json = serde_json::to_string(POD).expect("JSON");
    let folded = indented(&POD.replace('\n', "\n\n"), 4);
    for (data, expected) in [
        (format!("  pod: {json}\n"), "5:8"),
        (
            format!(
                "  pod: '{}'\n",
                r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "helper"}, "spec": {"containers": [{"name": "c"}], "volumes": [{"name": "h", "hostPath": {"path": "/etc/kubernetes", "type": "Directory"}}]}}"#
            ),
            "5:8",
        ),
        (format!("  pod: >\n{folded}"), "5:8"),
    ] {
        let outcome = check(&config_map(&data));
        assert_eq!(found(&outcome), [format!("{expected} sensitive-host-path Pod storage/helper")], "{data}");
        assert!(outcome.findings[0].finding.fix.is_none() && outcome.findings[0].location.related.is_empty());
    }
}

#[test]
fn checks_every_document_of_a_string() {
    let two = format!("{POD}---\n# The second one.\n{}", POD.replace("helper", "other"));
    for data in [
        format!("  pods: |\n{}", indented(&two, 8)),
        format!("  pods: {}\n", serde_json::to_string(&two).expect("JSON")),
    ] {
        let objects: Vec<_> = found(&check(&config_map(&data)))
            .iter()
            .map(|own| own.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(objects, ["helper", "other"], "{data}");
    }
}

#[test]
fn checks_manifests_in_nested_strings_to_a_depth() {
    let nested = |depth: usize| {
        (0..depth)
            .fold(POD.to_owned(), |inner, _| config_map(&format!("  inner.yaml: |\n{}", indented(&inner, 4))))
    };
    for depth in [2, 8] {
        let outcome = check(&nested(depth));
        assert_eq!(
            found(&outcome),
            [format!("{}:{} sensitive-host-path Pod storage/helper", 9 + 5 * depth, 22 + 4 * depth)]
        );
        assert_eq!(outcome.counts.objects, depth + 1);
    }
    let outcome = check(&nested(9));
    assert_eq!(outcome.findings.len(), 1);
    assert_eq!(outcome.findings[0].finding.message, "manifest nested in too many objects or strings");
    assert_eq!(outcome.findings[0].finding.severity, Severity::Warning);
}

#[test]
fn strings_that_are_not_manifests_have_no_findings() {
    let script = format!("  run.sh: |\n    kubectl apply -f - <<EOF\n{}    EOF\n", indented(POD, 4));
    for data in [
        script.as_str(),
        "  note: apiVersion and kind are required\n",
        "  app.yaml: |\n    apiVersion: [of, the, app]\n    kind: none\n",
        "  values.yaml: |\n    image: {tag: 1}\n",
    ] {
        let outcome = check(&config_map(data));
        assert!(outcome.findings.is_empty() && outcome.unchecked.is_empty(), "{data}: {:?}", found(&outcome));
    }
    let annotation = POD.replace(
        "{name: helper}",
        &format!(
            "{{name: helper, annotations: {{kubectl.kubernetes.io/last-applied-configuration: {}}}}}",
            serde_json::to_string(POD).expect("JSON")
        ),
    );
    assert_eq!(found(&check(&annotation)).len(), 1);
}

#[test]
fn invalid_manifests_in_strings_are_warnings() {
    let broken = "  pod.yaml: |\n    apiVersion: v1\n    kind: Pod\n    spec: [\n";
    let wrong = format!("  pod.yaml: |\n{}", indented(&POD.replace("name: h,", "name: h, readOnly: 1,"), 4));
    for (data, expected) in [(broken, "unanalyzed-document"), (&wrong, "invalid-field-value")] {
        let outcome = check(&config_map(data));
        assert!(outcome.unchecked.is_empty());
        let [finding] = outcome.findings.as_slice() else { panic!("{:?}", found(&outcome)) };
        assert_eq!((finding.finding.rule.as_str(), finding.finding.severity), (expected, Severity::Warning));
        assert!(finding.location.primary.expect("a location").start.line > 5);
    }
    let outcome = check(&config_map(
        "  pod.yaml: |\n    apiVersion: v1\n    kind: Pod\n    metadata: {{ toYaml .Values }}\n    name: {{ x }}\n",
    ));
    assert!(outcome.findings.is_empty(), "{:?}", found(&outcome));
    assert_eq!(outcome.counts.unrendered.get("embedded template"), Some(&1));
}

#[test]
fn ytt_templates_in_strings_are_counted() {
    let template = POD.replace("/etc/kubernetes", "#@ data.values.path\n        ");
    let template = format!("#@ load(\"@ytt:data\", \"data\")\n---\n{template}");
    for data in [
        format!("  a.yml: |\n{}  b.yml: |\n{}", indented(&template, 4), indented(POD, 4)),
        format!("  a.yml: {}\n  b.yml: |\n{}", serde_json::json!(template), indented(POD, 4)),
    ] {
        let outcome = check(&config_map(&data));
        assert_eq!(outcome.findings.len(), 1, "{:?}", found(&outcome));
        assert_eq!(outcome.counts.unrendered.get("embedded template"), Some(&1));
    }
}

#[test]
fn invalid_values_and_volumes_in_strings_are_warnings() {
    let deep = format!("a: {}hostPath{}", "[".repeat(600), "]".repeat(600));
    let release = |values: &str| {
        let kind = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: agent}\n";
        format!("{kind}spec:\n  valuesContent: |-\n{}", indented(values, 4))
    };
    let istio = |volumes: &str| {
        let annotations = format!("    sidecar.istio.io/userVolume: '{volumes}'");
        POD.replace("{name: helper}", &format!("\n  name: helper\n  annotations:\n{annotations}"))
            .replace("/etc/kubernetes", "/srv/pages")
    };
    let broken = "volumes:\n- hostPath: {path: /etc\n";
    for text in [release(&deep), release(broken), istio("[{"), istio(&deep[3..])] {
        let outcome = check(&text);
        let [finding] = outcome.findings.as_slice() else { panic!("{text}: {:?}", found(&outcome)) };
        assert_eq!(finding.finding.rule.as_str(), "unanalyzed-document");
        assert_eq!(finding.finding.severity, Severity::Warning);
        assert!(outcome.unchecked.is_empty() && outcome.unknown_host_paths.is_empty());
    }
    let outcome = check(&release("name: {{ name }}\nvolumes: []\n"));
    assert_eq!(outcome.counts.unrendered.get("embedded template"), Some(&1));
    assert!(outcome.findings.is_empty());
    let volumes = r#"[{"name": "e", "hostPath": {"path": "/var/lib/etcd"}}]"#;
    let outcome = check(&istio(&format!("{volumes}'\n    sidecar.istio.io/userVolumeMount: '[{{")));
    let rules: Vec<_> = outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect();
    assert_eq!(rules, ["unanalyzed-document", "sensitive-host-path"]);
}

#[test]
fn checks_manifests_in_data_that_is_not_an_object() {
    let map = |text: &str| config_map(&format!("  config.yaml: |\n{}", indented(text, 4)));
    let release = |values: &str| {
        let kind = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: agent}\n";
        format!("{kind}spec:\n  valuesContent: |-\n{}", indented(values, 4))
    };
    let objects = format!("extraObjects:\n- |\n{}", indented(POD, 2));
    for (text, line) in [
        (map(&format!("sidecar:\n{}", indented(POD, 2))), 15),
        (map(&format!("templates:\n  sidecar: |\n{}", indented(POD, 4))), 16),
        (map(&format!("- |\n{}", indented(POD, 2))), 15),
        (map(&format!("#cloud-config\nwrite_files:\n- content: |\n{}", indented(POD, 4))), 17),
        (release(&objects), 16),
        (objects.clone(), 11),
        (format!("objects:\n  Pod:\n    helper:\n{}", indented(POD, 6)), 12),
        (format!("items:\n- {}", indented(POD, 2).trim_start()), 10),
    ] {
        let outcome = check(&text);
        let [finding] = outcome.findings.as_slice() else { panic!("{text}: {:?}", found(&outcome)) };
        assert_eq!(finding.finding.rule.as_str(), "sensitive-host-path", "{text}");
        assert_eq!(finding.location.primary.expect("a location").start.line, line, "{text}");
        assert!(outcome.unchecked.is_empty(), "{text}");
    }
}

#[test]
fn objects_in_helm_values_are_reported_once() {
    let values = format!("extraObjects:\n- {}", indented(POD, 2).trim_start());
    let kind = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: agent}\n";
    let outcome = check(&format!("{kind}spec:\n  valuesContent: |-\n{}", indented(&values, 4)));
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", found(&outcome)) };
    assert_eq!(finding.finding.severity, Severity::Warning);
}

#[test]
fn finds_manifests_in_escaped_strings() {
    for key in ["api\\x56ersion", "\\u0061piVersion", "\\U00000061piVersion", "api\\\n    Version"] {
        let json = serde_json::to_string(POD).expect("JSON").replace("apiVersion", key);
        assert_eq!(found(&check(&config_map(&format!("  pod: {json}\n")))).len(), 1, "{key}");
    }
}

#[test]
fn placeholders_in_host_paths_in_strings_are_counted() {
    let policy = selecting(&["sensitive-host-path", "relative-host-path", "literal-variable-in-path"]);
    for path in ["\"{{ inputs.parameters.dir }}\"", "\"${DIR}\"", "$(DIR)"] {
        let pod = POD.replace("/etc/kubernetes", path);
        let text = config_map(&format!("  pod.yaml: |\n{}", indented(&pod, 4)));
        let outcome = lint_file(&policy, "config.yaml", &text);
        assert_eq!((found(&outcome).len(), outcome.counts.unknown_host_paths), (0, 1), "{path}");
    }
}

#[test]
fn expressions_in_pod_spec_patches_count_as_absent() {
    let check = |patch: &str| {
        let policy = selecting(&[
            "sensitive-host-path",
            "relative-host-path",
            "invalid-field-value",
            "unanalyzed-document",
        ]);
        let workflow =
            "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: a-}\nspec:\n";
        lint_file(&policy, "workflow.yaml", &format!("{workflow}  podSpecPatch: |\n{}", indented(patch, 4)))
    };
    let volumes =
        r#""volumes": [{"name": "k", "hostPath": {"path": "/etc/kubernetes", "type": "Directory"}}]"#;
    // Each row contains the patch, the rules of the findings, the number of unknown host paths, and
    // the number of templates.
    for (patch, rules, paths, templates) in [
        ("volumes: [{name: h, hostPath: {path: \"{{p}}\", type: Directory}}]".to_owned(), "", 1, 0),
        ("volumes: [{name: h, hostPath: {path: /{{p}}, type: Directory}}]".to_owned(), "", 1, 0),
        (format!("{{{volumes}, \"containers\": \"{{{{c}}}}\"}}"), "sensitive-host-path", 0, 0),
        (format!("{{{volumes}, \"containers\": {{{{c}}}}}}"), "sensitive-host-path", 0, 0),
        (format!("{{{volumes}{{{{more}}}}}}"), "", 0, 1),
        ("{{inputs.parameters.patch}}".to_owned(), "", 0, 1),
        ("{}".to_owned(), "", 0, 0),
    ] {
        let outcome = check(&patch);
        let found: Vec<_> = outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect();
        assert_eq!(found.join(" "), rules, "{patch}");
        let counted = outcome.counts.unrendered.get("embedded template").copied().unwrap_or_default();
        assert_eq!((outcome.counts.unknown_host_paths, counted), (paths, templates), "{patch}");
        assert!(outcome.unchecked.is_empty(), "{patch}");
    }
    let volume = r#"{"name": "v", "hostPath": {"path": "/etc/kubernetes"}}"#;
    let outcome = check(&format!("{{\"volumes\": [{}]}}", vec![volume; 6000].join(",")));
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", found(&outcome)) };
    assert_eq!(finding.finding.severity, Severity::Warning);
    assert_eq!(
        finding.finding.message,
        "`spec.podSpecPatch` of this Workflow: too many items: volcheck checks at most 5000 list items, and 10 map entries count as one"
    );
}

#[test]
fn ignores_apply_to_manifests_in_literal_blocks() {
    let ignored = POD.replace(
        "    hostPath:",
        "    # volcheck: ignore[sensitive-host-path] -- read by the backup\n    hostPath:",
    );
    let outcome = check(&config_map(&format!("  pod.yaml: |\n{}", indented(&ignored, 4))));
    assert!(outcome.findings.is_empty(), "{:?}", found(&outcome));
    assert_eq!(outcome.suppressed.len(), 1);
    let comment = format!(
        "  # volcheck: ignore[sensitive-host-path] -- read by the backup\n  pod: {}\n",
        serde_json::to_string(POD).expect("JSON")
    );
    let outcome = check(&config_map(&comment));
    assert_eq!((outcome.findings.len(), outcome.suppressed.len()), (0, 1));
}

#[test]
fn patches_of_kustomizations_are_partial_objects() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        volumeMounts: [{name: elsewhere, mountPath: /a}]\n      volumes:\n      - name: h\n        hostPath: {path: /etc/kubernetes, type: Directory}\n";
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches:\n- patch: |-\n{}",
        indented(patch, 4)
    );
    let policy = selecting(&["sensitive-host-path", "undefined-volume", "unused-volume"]);
    let outcome = lint_file(&policy, "kustomization.yaml", &text);
    assert_eq!(found(&outcome), ["16:30 sensitive-host-path Deployment default/web"]);
}

#[test]
fn deeply_nested_objects_are_warnings() {
    let mut object = "{}".to_owned();
    for _ in 0..190 {
        object = format!("{{apiVersion: example.io/v1, kind: Outer, spec: {object}}}");
    }
    let outcome = check(&object);
    assert_eq!(found(&outcome).len(), 1);
    assert_eq!(outcome.findings[0].finding.severity, Severity::Warning);
    assert_eq!(outcome.counts.objects, 33);
}

#[test]
fn aliases_to_long_strings_are_limited() {
    let text = |count: usize| {
        let keys: String = (0..count).map(|index| format!("  volumes{index}: *text\n")).collect();
        let long = "x".repeat(1 << 20);
        format!("apiVersion: example.io/v1\nkind: Outer\nspec:\n  text: &text '{long}'\n{keys}")
    };
    let outcome = check(&text(10));
    assert_eq!((outcome.findings.len(), outcome.unchecked.len()), (0, 0));
    assert_eq!(check(&text(20)).unchecked.len(), 1);
}

#[test]
fn many_strings_take_linear_time() {
    let mut data = String::new();
    for index in 0..2000 {
        let _ = write!(data, "  pod-{index}.yaml: |\n{}", indented(POD, 4));
    }
    assert_eq!(check(&config_map(&data)).findings.len(), 2000);
}

#[test]
fn ignore_file_applies_to_its_template() {
    let source = |template: &str, comment: &str, name: &str| {
        format!("---\n# Source: {template}\n{comment}{}", POD.replace("helper", name))
    };
    let comment = "# volcheck: ignore-file[sensitive-host-path] -- reviewed\n";
    let rendered = [
        source("shop/charts/db/templates/a.yaml", comment, "a"),
        source("shop/templates/b.yaml", "", "b"),
        source("shop/charts/db/templates/a.yaml", "", "c"),
    ];
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]] {
        let text: String = order.iter().map(|index| rendered[*index].as_str()).collect();
        let policy = selecting(&["sensitive-host-path", "malformed-ignore", "unused-ignore"]);
        for role in
            [Role::Stream, Role::File, Role::Chart { directory: "shop".to_owned(), values: Vec::new() }]
        {
            let manifest = Manifest { name: "-", bytes: text.clone().into_bytes(), role };
            let outcome = lint::check(manifest, &options(&policy));
            let objects: Vec<_> = outcome
                .findings
                .iter()
                .map(|located| located.finding.object.as_ref().expect("an object").name.clone())
                .collect();
            assert_eq!(objects, ["b"], "{order:?}: {:?}", found(&outcome));
            assert_eq!(outcome.suppressed.len(), 2);
        }
    }
    // A comment in another form names no template.
    let text =
        rendered[0].replace("shop/charts/db/templates/a.yaml", "https://kubernetes.io/a.yaml (modified)");
    let policy = selecting(&["sensitive-host-path"]);
    let manifest = Manifest { name: "-", bytes: text.into_bytes(), role: Role::Stream };
    let outcome = lint::check(manifest, &options(&policy));
    assert_eq!((&*outcome.suppressed[0].location.path, outcome.suppressed.len()), ("-", 1));
    // In a file, such a comment is only allowed before the first document.
    let outcome = check(&rendered.concat().replace("# Source: ", "# From: "));
    assert_eq!((outcome.findings.len(), outcome.suppressed.len()), (0, 3));
    let outcome = check(&[rendered[1].as_str(), &rendered[0]].concat().replace("# Source: ", "# From: "));
    assert_eq!(found(&outcome).iter().filter(|finding| finding.contains("malformed-ignore")).count(), 1);
}

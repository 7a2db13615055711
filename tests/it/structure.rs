//! Volumes, objects and host paths that volcheck finds by structure in objects of custom kinds.

use volcheck::finding::Severity;
use volcheck::lint::{LocatedFinding, Outcome};
use volcheck::report::{self, Format, Style};

use crate::support::{all_rules, lint, policy, report_of, selecting, temp_dir, volcheck_in};

const SENSITIVE: &[&str] = &["sensitive-host-path", "host-root", "invalid-field-value"];

fn check(text: &str) -> Outcome {
    lint(&selecting(SENSITIVE), "object.yaml", text)
}

/// Returns the manifest of a custom object with the given spec in flow style.
fn custom(spec: &str) -> String {
    format!("apiVersion: example.io/v1\nkind: Agent\nmetadata: {{name: a, namespace: ns}}\nspec: {spec}\n")
}

/// Returns the findings as `object: field path`.
fn found(outcome: &Outcome) -> Vec<String> {
    let describe = |located: &LocatedFinding| {
        let finding = &located.finding;
        format!("{}: {}", finding.object.as_ref().expect("an object"), finding.primary.path)
    };
    outcome.findings.iter().map(describe).collect()
}

fn messages(text: &str) -> Vec<String> {
    check(text).findings.into_iter().map(|located| located.finding.message).collect()
}

const VOLUME: &str = "{name: h, hostPath: {path: /etc/kubernetes}}";
/// The same volume in JSON.
const VOLUME_JSON: &str =
    "{\"name\": \"h\", \"hostPath\": {\"path\": \"/etc/kubernetes\", \"type\": \"Directory\"}}";

#[test]
fn finds_volumes_under_names_that_operators_use() {
    for (spec, path) in [
        (format!("{{volumes: [{VOLUME}]}}"), "spec.volumes[0].hostPath.path"),
        (format!("{{extraVolumes: [{VOLUME}]}}"), "spec.extraVolumes[0].hostPath.path"),
        (
            format!("{{pod: {{additionalVolumes: [{VOLUME}]}}}}"),
            "spec.pod.additionalVolumes[0].hostPath.path",
        ),
        ("{volumes: {h: {hostPath: {path: /etc/kubernetes}}}}".to_owned(), "spec.volumes.h.hostPath.path"),
        (
            "{extraVolumes: [{name: h, volumeSource: {hostPath: {path: /etc/kubernetes}}}]}".to_owned(),
            "spec.extraVolumes[0].volumeSource.hostPath.path",
        ),
        (
            "{extraVolumeMounts: [{source: /etc/kubernetes, destination: /k}]}".to_owned(),
            "spec.extraVolumeMounts[0].source",
        ),
        (
            "{hostMounts: [{hostPath: /etc/kubernetes, mountPath: /k}]}".to_owned(),
            "spec.hostMounts[0].hostPath",
        ),
        (
            "{containers: [{name: c}], podVolumes: [{name: h, hostPath: {path: /etc/kubernetes}}]}"
                .to_owned(),
            "spec.podVolumes[0].hostPath.path",
        ),
    ] {
        assert_eq!(found(&check(&custom(&spec))), [format!("Agent ns/a: {path}")], "{spec}");
    }
}

#[test]
fn ignores_values_that_are_not_volumes() {
    for spec in [
        "{volumes: [data, {type: bind, source: /etc/kubernetes}, 3, null]}",
        "{volumes: {properties: {hostPath: {type: object, description: d}}}}",
        "{volumes: [{name: h, hostPath: {path: [/]}}, {name: i, hostPath: {}}]}",
        "{volumes: \"/etc/kubernetes:/host\", volumeMounts: {a: b}}",
        "{volumes: \"a hostPath\", extraVolumes: \"[hostPath]\"}",
        "{extraVolumeMounts: [{name: 3, mountPath: /a}, {mountPath: /b}]}",
    ] {
        let outcome = check(&custom(spec));
        assert_eq!((outcome.findings.len(), outcome.unchecked.len()), (0, 0), "{spec}");
    }
}

#[test]
fn mounts_refer_to_the_nearest_volume() {
    let own = "{volumes: [{name: h, hostPath: {path: /var/log}}], volumeMounts: [{name: h, mountPath: /h}]}";
    let text = custom(&format!(
        "{{volumes: [{VOLUME}], a: {own}, b: {{volumeMounts: [{{name: h, mountPath: /h}}]}}}}"
    ));
    assert_eq!(
        messages(&text),
        [
            "sensitive host path `/var/log` is writable by the container of `spec.a`",
            "sensitive host path `/etc/kubernetes` is exposed to the container of `spec.b`",
        ]
    );
}

#[test]
fn pods_can_mount_volumes_of_outer_fields() {
    let containers = "[{name: c, image: i, volumeMounts: [{name: h, mountPath: /h}]}]";
    let text =
        custom(&format!("{{volumes: [{VOLUME}], podTemplate: {{spec: {{containers: {containers}}}}}}}"));
    assert_eq!(messages(&text), ["sensitive host path `/etc/kubernetes` is exposed to container `c`"]);
}

#[test]
fn lists_of_known_kinds_do_not_hide_other_fields() {
    let rollout = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: r}}\nspec:\n  template: {{spec: {{containers: [{{name: c, image: i}}], volumes: [{VOLUME}]}}}}\n  other: {{volumes: [{VOLUME}]}}\n"
    );
    assert_eq!(
        found(&check(&rollout)),
        [
            "Rollout default/r: spec.template.spec.volumes[0].hostPath.path",
            "Rollout default/r: spec.other.volumes[0].hostPath.path",
        ]
    );
}

#[test]
fn checks_embedded_objects_once() {
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i}}], volumes: [{VOLUME}]}}}}"
    );
    let inner = format!(
        "{{apiVersion: example.io/v1, kind: Bundle, metadata: {{name: b}}, spec: {{objects: [{pod}]}}}}"
    );
    let outcome = check(&custom(&format!(
        "{{manifests: [{pod}, {inner}], targetRef: {{apiVersion: v1, kind: Pod, name: x}}}}"
    )));
    assert_eq!(
        found(&outcome),
        ["Pod default/p: spec.volumes[0].hostPath.path", "Pod default/p: spec.volumes[0].hostPath.path"]
    );
    assert_eq!(outcome.counts.objects, 4);
    let columns: Vec<_> = outcome.findings.iter().filter_map(|located| located.location.primary).collect();
    assert!(columns[0].start.column < columns[1].start.column, "{columns:?}");
}

#[test]
fn invalid_fields_of_embedded_objects_are_warnings() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: 3}}";
    let outcome = check(&custom(&format!("{{manifest: {pod}}}")));
    let severities: Vec<_> = outcome.findings.iter().map(|located| located.finding.severity).collect();
    assert_eq!((severities, outcome.unchecked.len()), (vec![Severity::Warning], 0));
}

#[test]
fn objects_without_volumes_may_have_fields_of_any_type() {
    let spec = "spec: {template: {spec: {containers: [{name: c, image: i}]}}}\n";
    let with_metadata = |kind: &str, metadata: &str| {
        format!("apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {metadata}\n{spec}")
    };
    for text in [
        "apiVersion: example.io/v1\nkind: Agent\nmetadata: {name: 5}\nspec: {volumes: 3}\n".to_owned(),
        with_metadata("Agent", "{name: 5}"),
        with_metadata("Agent", "{name: a, namespace: 5}"),
        with_metadata("Agent", "{name: a, labels: {a: true}}"),
        with_metadata("Agent", "{name: a, annotations: [x]}"),
        with_metadata("Rollout", "{name: a, annotations: {a: 1}}"),
        "apiVersion: example.io/v1\nkind: Agent\nmetadata: {name: 3, labels: {a: 1}}\n".to_owned(),
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {templates: [{container: {image: 3}}]}\n"
            .to_owned(),
    ] {
        let outcome = lint(&all_rules(), "object.yaml", &text);
        assert_eq!((outcome.findings.len(), outcome.unchecked.len()), (0, 0), "{text}");
    }
}

#[test]
fn helm_values_cause_warnings_at_most() {
    let release = |values: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\nspec: {{values: {values}}}\n"
        )
    };
    let manifest =
        format!("{{apiVersion: v1, kind: Pod, spec: {{containers: [{{name: c}}], volumes: [{VOLUME}]}}}}");
    for values in [
        format!("{{extraVolumes: [{VOLUME}]}}"),
        format!("{{a: {{volumes: [{VOLUME}], containers: [{{name: 3}}]}}}}"),
        format!("{{extraObjects: [{manifest}]}}"),
    ] {
        let outcome = lint(&selecting(SENSITIVE), "release.yaml", &release(&values));
        let severities: Vec<_> = outcome.findings.iter().map(|located| located.finding.severity).collect();
        assert_eq!((severities, outcome.unchecked.len()), (vec![Severity::Warning], 0), "{values}");
        assert!(outcome.findings[0].finding.is_heuristic);
    }
    assert!(lint(&all_rules(), "release.yaml", &release("text")).findings.is_empty());
    let long = format!("{{extraVolumes: [{{name: h, hostPath: {{path: /{}}}}}]}}", "x".repeat(5_000));
    let outcome = lint(&all_rules(), "release.yaml", &release(&long));
    assert_eq!((outcome.unchecked.len(), outcome.unknown_host_paths.len()), (0, 1));
}

#[test]
fn recognizes_helm_values_of_each_kind() {
    let values = format!("{{extraVolumes: [{VOLUME}]}}");
    for (kind, body) in [
        ("argoproj.io/v1alpha1 Application", "spec: {sources: [{helm: {valuesObject: VALUES}}]}"),
        ("argoproj.io/v1alpha1 Application", "operation: {sync: {source: {helm: {valuesObject: VALUES}}}}"),
        (
            "argoproj.io/v1alpha1 ApplicationSet",
            "spec: {generators: [{list: {template: {spec: {source: {helm: {valuesObject: VALUES}}}}}}]}",
        ),
        (
            "argoproj.io/v1alpha1 ApplicationSet",
            "spec: {generators: [{matrix: {generators: [{git: {template: {spec: {source: {helm: {valuesObject: VALUES}}}}}}]}}]}",
        ),
        ("helm.crossplane.io/v1beta1 Release", "spec: {forProvider: {values: VALUES}}"),
        ("helm.m.crossplane.io/v1beta1 Release", "spec: {forProvider: {values: VALUES}}"),
        ("fleet.cattle.io/v1alpha1 Bundle", "spec: {targets: [{helm: {values: VALUES}}]}"),
        ("fleet.cattle.io/v1alpha1 BundleDeployment", "spec: {options: {helm: {values: VALUES}}}"),
        ("provisioning.cattle.io/v1 Cluster", "spec: {rkeConfig: {chartValues: {ingress: VALUES}}}"),
        ("addons.cluster.x-k8s.io/v1alpha1 HelmChartProxy", "spec: {valuesTemplate: 'VALUES'}"),
    ] {
        let (version, kind) = kind.split_once(' ').expect("a version and a kind");
        let body = body.replace("VALUES", &values);
        let outcome = check(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{body}\n"));
        let severities: Vec<_> = outcome.findings.iter().map(|located| located.finding.severity).collect();
        assert_eq!(severities, [Severity::Warning], "{kind} {body}");
    }
}

#[test]
fn ignores_objects_that_are_not_created() {
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{containers: [{{name: c, image: i}}], volumes: [{VOLUME}]}}}}"
    );
    for (version, kind, spec, expected) in [
        (
            "policy.open-cluster-management.io/v1",
            "ConfigurationPolicy",
            "{object-templates: [{complianceType: mustnothave, objectDefinition: POD}]}",
            0,
        ),
        (
            "policy.open-cluster-management.io/v1",
            "ConfigurationPolicy",
            "{object-templates: [{complianceType: musthave, objectDefinition: POD}]}",
            1,
        ),
        ("chainsaw.kyverno.io/v1alpha1", "Test", "{steps: [{try: [{error: {resource: POD}}]}]}", 0),
        ("chainsaw.kyverno.io/v1alpha1", "Test", "{steps: [{try: [{assert: {resource: POD}}]}]}", 0),
        ("chainsaw.kyverno.io/v1alpha1", "Test", "{steps: [{try: [{create: {resource: POD}}]}]}", 1),
    ] {
        let spec = spec.replace("POD", &pod);
        let outcome =
            check(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"));
        assert_eq!(outcome.findings.len(), expected, "{spec}");
    }
}

#[test]
fn counts_lists_of_host_paths() {
    let outcome =
        check(&custom("{hostPaths: [/etc/kubernetes, relative], nodes: {dataHostPath: [{path: /x}]}}"));
    let fields: Vec<_> = outcome.unknown_host_paths.iter().map(|found| found.field.to_string()).collect();
    assert_eq!(fields, ["spec.hostPaths[0]", "spec.nodes.dataHostPath[0]"]);
}

#[test]
fn names_host_paths_in_unknown_fields() {
    let text = custom(
        "{a: {hostPath: {path: /x}}, b: {dataHostPath: /y}, c: {hostPath: {path: /z}}, d: [{hostPath: /w}], e: {hostPath: ''}}",
    );
    let outcome = check(&text);
    assert_eq!(outcome.counts.unknown_host_paths, 4);
    let report = report_of(outcome);
    let text = report::render(&report, Format::Text, Style::plain(Severity::Warning));
    assert_eq!(
        text.lines().last(),
        Some(
            "4 possible host paths were not checked (object.yaml:4: `spec.a.hostPath` of Agent ns/a, object.yaml:4: `spec.b.dataHostPath` of Agent ns/a, object.yaml:4: `spec.c.hostPath` of Agent ns/a and 1 more)."
        )
    );
}

#[test]
fn placeholders_are_named_as_unknown_host_paths() {
    for path in ["{{inputs.parameters.path}}", "/data/${NAME}", "$(tt.params.path)"] {
        let text = custom(&format!("{{volumes: [{{name: h, hostPath: {{path: \"{path}\"}}}}]}}"));
        let outcome = lint(&all_rules(), "object.yaml", &text);
        assert_eq!((outcome.findings.len(), outcome.unknown_host_paths.len()), (0, 1), "{path}");
    }
}

#[test]
fn aliases_to_objects_outside_of_the_list_are_checked() {
    let list = |object: &str| format!("apiVersion: v1\nkind: List\nbase: &base {object}\nitems: [*base]\n");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: b, \
               volumeMounts: [{name: x, mountPath: /x}]}]";
    let rules = |text: &str| -> Vec<String> {
        let findings = lint(&selecting(&["undefined-volume"]), "list.yaml", text).findings;
        findings.iter().map(|located| located.finding.rule.to_string()).collect()
    };
    assert_eq!(rules(&list(&format!("{pod}}}}}"))), ["undefined-volume"]);
    // A patch can omit volumes.
    assert_eq!(rules(&list(&format!("{pod}, $patch: merge}}}}"))), [""; 0]);
    let text = pod.replace('"', "'");
    let config_map = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{pod.yaml: \"{text}}}}}\"}}}}"
    );
    assert_eq!(rules(&list(&config_map)), ["undefined-volume"]);
}

#[test]
fn reports_each_of_many_placeholders() {
    let mounts = |count: usize| -> String {
        (0..count)
            .map(|index| format!("    - {{name: data, mountPath: /{index}, readOnly: \"${{RO}}\"}}\n"))
            .collect()
    };
    let pod = |count| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - name: a\n    image: b\n    \
             volumeMounts:\n{}  volumes:\n  - name: data\n    persistentVolumeClaim: {{claimName: a}}\n",
            mounts(count)
        )
    };
    let outcome = lint(&all_rules(), "pod.yaml", &pod(64));
    let placeholders =
        outcome.findings.iter().filter(|located| located.finding.rule.as_str() == "invalid-field-value");
    assert_eq!((placeholders.count(), outcome.unchecked.len()), (64, 0));
    // At the limit, the object counts as unchecked.
    assert_eq!(lint(&all_rules(), "pod.yaml", &pod(65)).unchecked.len(), 1);
}

#[test]
fn paths_that_start_with_placeholders_are_named_in_every_object() {
    let pod = |path: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: c, image: i, volumeMounts: [{{name: h, mountPath: /h}}]}}], volumes: [{{name: h, hostPath: {{path: '{path}'}}}}]}}\n"
        )
    };
    let volume = |path: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: p}}\nspec: {{hostPath: {{path: '{path}'}}}}\n"
        )
    };
    let count = |text: &str| lint(&selecting(&["untyped-host-path"]), "object.yaml", text);
    for path in ["__DIR__", "<Your HOST PATH>", "{{dir}}/x", "${DIR:=/srv}", "REPLACE_ME"] {
        for text in [
            pod(path),
            volume(path),
            custom(&format!("{{volumes: [{{name: h, hostPath: {{path: '{path}'}}}}]}}")),
        ] {
            let outcome = count(&text);
            assert_eq!((outcome.findings.len(), outcome.unknown_host_paths.len()), (0, 1), "{text}");
        }
    }
    for path in ["$(DIR)", "${DIR}", "$DIR", "/srv/<DIR>", "/etc/{{dir}}", "data"] {
        for text in [pod(path), volume(path)] {
            let outcome = count(&text);
            assert_eq!((outcome.findings.len(), outcome.unknown_host_paths.len()), (1, 0), "{text}");
        }
    }
}

#[test]
fn policy_can_disable_the_search_by_structure() {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: r}}\nspec:\n  template: {{spec: {{containers: [{{name: c, image: i}}], volumes: [{VOLUME}]}}}}\n  other: {{volumes: [{VOLUME}]}}\n"
    );
    let policy = policy("version: 1\nheuristic: false\nrules: {\"*\": off, sensitive-host-path: error}\n");
    let outcome = lint(&policy, "rollout.yaml", &text);
    assert_eq!(found(&outcome), ["Rollout default/r: spec.template.spec.volumes[0].hostPath.path"]);
}

#[test]
fn many_volumes_of_one_name_exceed_a_limit() {
    let part = format!("{{volumes: [{VOLUME}], volumeMounts: [{{name: h, mountPath: /h}}]}}");
    let list = |count: usize| custom(&format!("{{parts: [{}]}}", vec![part.as_str(); count].join(",")));
    assert_eq!(check(&list(400)).unchecked.len(), 0);
    assert_eq!(check(&list(600)).unchecked.len(), 1);
}

#[test]
fn json_patches_in_files_of_kustomizations_are_checked() {
    let operation = |op: &str| {
        format!("{{\"op\": \"{op}\", \"path\": \"/spec/template/spec/volumes/-\", \"value\": {VOLUME_JSON}}}")
    };
    let kustomization = "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n\
        patches: [{path: a.json, target: {kind: Pod}}, {path: b.yaml}]\npatchesJson6902: [{path: c.yaml}]\n";
    let directory = temp_dir(&[
        ("kustomization.yaml", kustomization),
        ("a.json", &format!("[{}]\n", operation("add"))),
        ("b.yaml", &format!("- {}\n", operation("replace"))),
        ("c.yaml", &format!("- {}\n", operation("add"))),
    ]);
    let arguments = ["lint", "--no-policy", "--format", "concise", "--select", "sensitive-host-path", "."];
    let (code, text) = volcheck_in(directory.path(), &arguments);
    let files: Vec<_> = text.lines().filter_map(|line| line.split_once(':')).map(|(file, _)| file).collect();
    assert_eq!((code, files), (1, vec!["a.json", "b.yaml", "c.yaml"]), "{text}");
}

#[test]
fn patches_are_recognized_without_their_kustomization() {
    let patch = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}]}\n";
    let kustomization = "patches: [{path: patches/pod.yaml}]\n";
    let directory = temp_dir(&[
        ("o/patches/pod.yaml", patch),
        ("o/other.yaml", patch),
        ("o/kustomization.yaml", kustomization),
    ]);
    let run = |file: &str| {
        let arguments = ["lint", "--no-policy", "--format", "concise", "--select", "undefined-volume", file];
        volcheck_in(directory.path(), &arguments).0
    };
    for (file, expected) in [("o/patches/pod.yaml", 0), ("./o/patches/pod.yaml", 0), ("o/other.yaml", 1)] {
        assert_eq!(run(file), expected, "{file}");
    }
}

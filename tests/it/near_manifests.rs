//! Documents and objects that are almost valid: they must not pass silently.

use volcheck::lint::{self, Manifest, Role};
use volcheck::policy::{Overrides, Policy, Profile};

use crate::support::{lint, options};

fn policy() -> Policy {
    Policy::from_profile(Profile::None, &Overrides::default()).expect("a policy")
}

/// Returns the severity, the rule, the line and the message of each finding and of each error,
/// under a policy without optional rules.
fn found(text: &str) -> Vec<String> {
    described(&lint(&policy(), "m.yaml", text))
}

fn described(outcome: &lint::Outcome) -> Vec<String> {
    let unchecked = outcome.unchecked.iter().map(|unchecked| &unchecked.located);
    let describe = |located: &lint::LocatedFinding| {
        let (finding, line) = (&located.finding, located.location.primary.map_or(0, |span| span.start.line));
        format!("{}[{}] {line}: {}", finding.severity, finding.rule, finding.message)
    };
    outcome.findings.iter().chain(unchecked).map(describe).collect()
}

/// Returns the `help` of the only finding or error.
fn help(text: &str) -> String {
    let outcome = lint(&policy(), "m.yaml", text);
    let unchecked = outcome.unchecked.iter().map(|unchecked| &unchecked.located);
    let found: Vec<_> = outcome.findings.iter().chain(unchecked).collect();
    assert_eq!(found.len(), 1, "{text}");
    found[0].finding.help.to_string()
}

const SPEC: &str = "spec:\n  containers:\n  - {name: c, image: i}\n";
const TEMPLATE: &str = "{spec: {containers: [{name: c, image: i}]}}";

#[test]
fn reports_documents_that_look_like_objects() {
    let warning = |problem: &str| {
        vec![format!("warning[unanalyzed-document] 1: looks like a Kubernetes object, but {problem}")]
    };
    for (head, problem) in [
        (
            "apiversion: v1\nKind: Pod\nmetadata: {name: p}\n",
            "has `apiversion` instead of `apiVersion` and has `Kind` instead of `kind`",
        ),
        ("Kind: Pod\nmetadata: {name: p}\n", "has no `apiVersion` and has `Kind` instead of `kind`"),
        ("apiVersion: v1\nKind: Pod\nnote: x\n", "has `Kind` instead of `kind`"),
        ("kind: pod\n", "has no `apiVersion`"),
        ("metadata: {name: p}\n", "has neither `apiVersion` nor `kind`"),
    ] {
        assert_eq!(found(&format!("{head}{SPEC}")), warning(problem), "{head}");
    }
    let volume = "kind: PersistentVolume\nspec: {local: {path: /etc}}\n";
    assert_eq!(found(volume), warning("has no `apiVersion`"));
}

#[test]
fn errors_about_the_type_name_misspelled_keys() {
    let text = format!("apiVersion: v1\nKind: Pod\nmetadata: {{name: p}}\n{SPEC}");
    assert_eq!(found(&text), ["error[unanalyzed-document] 1: kubectl rejects an object without `kind`"]);
    assert_eq!(help(&text), "rename `Kind` to `kind`");
    let text = format!("kind: Pod\nmetadata: {{name: p}}\n{SPEC}");
    assert_eq!(help(&text), "add `apiVersion`");
}

#[test]
fn accepts_documents_of_other_programs() {
    for text in [
        "kind: role\nversion: v7\nmetadata: {name: access}\nspec: {allow: {logins: [root]}}\n",
        "kind: Pod\nname: web\n",
        "apiVersion: v1\nkind: List\nmetadata: {}\nitems: []\n",
        "kind: DaemonSet\nimage: {tag: 1}\nspec: {containers: [{name: c}]}\n",
        "Kind: note\nmetadata: {}\n",
        "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
        "metadata: {name: x}\nspec: {replicas: 3}\n",
        "services: {web: {image: nginx, volumes: [\"/etc:/etc\"]}}\n",
        "openapi: 3.0.0\ncomponents: {schemas: {Pod: {properties: {kind: {type: string}}}}}\n",
        "spec: {containers: [{name: c}]}\nimage: {tag: v1}\nmetadata: {labels: {}}\n",
        "- name: v\n  hostPath: {path: /etc}\n",
        "volumes:\n- name: v\n  hostPath: {path: /etc}\n",
        "template: {spec: {containers: [{name: c}]}}\n",
    ] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
}

#[test]
fn reports_types_that_do_not_exist() {
    let deployment = |api_version: &str, kind: &str| {
        format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: d}}\nspec: {{selector: {{}}, template: {TEMPLATE}}}\n"
        )
    };
    for (api_version, kind, line, problem) in [
        ("v1", "Deployment", 1, "Deployment, but has `apiVersion: v1`"),
        ("app/v1", "Deployment", 1, "Deployment, but has `apiVersion: app/v1`"),
        ("apps/v1", "deployment", 2, "Deployment, but has `kind: deployment`"),
        ("apps/v1", "Daemonset", 2, "DaemonSet, but has `kind: Daemonset`"),
        ("batch/v1", "CronJobs", 2, "CronJob, but has `kind: CronJobs`"),
    ] {
        let expected = format!("warning[unanalyzed-document] {line}: looks like a {problem}");
        assert_eq!(found(&deployment(api_version, kind)), [expected]);
    }
    for (api_version, kind) in
        [("example.io/v1", "Deployment"), ("batch.volcano.sh/v1alpha1", "Job"), ("v1", "DeploymentConfig")]
    {
        assert!(found(&deployment(api_version, kind)).is_empty(), "{api_version} {kind}");
    }
    assert_eq!(help(&deployment("v1", "Deployment")), "write `apiVersion: apps/v1`");
    assert_eq!(help(&deployment("apps/v1", "deployment")), "write `kind: Deployment`");
}

#[test]
fn reports_workloads_without_a_pod_template() {
    let object = |kind: &str, rest: &str| {
        let api_version = match kind {
            "Pod" => "v1",
            "Job" | "CronJob" => "batch/v1",
            _ => "apps/v1",
        };
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: w}}\n{rest}\n")
    };
    for (kind, rest, line, field, advice) in [
        ("Deployment", "spec: {selector: {}}", 4, "spec.template", "add `spec.template`"),
        (
            "DaemonSet",
            "spec:\n  containers: []",
            5,
            "spec.template",
            "move `spec.containers` to `spec.template.spec.containers`",
        ),
        ("Deployment", "spec: {replicas: 1}\ntemplate: {spec: {containers: []}}", 0, "", ""),
        ("Deployment", "template: {spec: {containers: []}}", 1, "spec", "move `template` to `spec.template`"),
        (
            "Deployment",
            "spec:\n  selector: {}\n  template:\n    containers: []",
            7,
            "spec.template.spec",
            "move `spec.template.containers` to `spec.template.spec.containers`",
        ),
        (
            "CronJob",
            "spec:\n  template: {spec: {}}",
            5,
            "spec.jobTemplate",
            "move `spec.template` to `spec.jobTemplate.spec.template`",
        ),
        ("Job", "spec: {backoffLimit: 1}", 0, "", ""),
        ("Pod", "volumes: []", 1, "spec", "move `volumes` to `spec.volumes`"),
    ] {
        let text = object(kind, rest);
        if field.is_empty() {
            assert!(found(&text).is_empty(), "{text}");
            continue;
        }
        assert_eq!(
            found(&text),
            [format!("warning[unanalyzed-document] {line}: this {kind} has no `{field}`")],
            "{text}"
        );
        assert_eq!(help(&text), advice, "{text}");
    }
}

#[test]
fn patches_may_lack_a_pod_template() {
    let replicas = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w}\nspec: {replicas: 2}\n";
    assert!(found(replicas).is_empty());
    let selector = replicas.replace("replicas: 2", "selector: {}");
    let delete = format!("$patch: delete\n{selector}");
    assert!(found(&delete).is_empty());
    let manifest = Manifest { name: "patch.yaml", bytes: selector.into_bytes(), role: Role::Patch };
    assert!(described(&lint::check(manifest, &options(&policy()))).is_empty());
}

#[test]
fn suggests_the_correct_name_of_misspelled_fields() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: w}
spec:
  selector: {}
  template:
    spec:
      initContainer: []
      containers:
      - name: c
        image: i
        volumeMount: []
        volumeMounts:
        - Name: v
          mountpath: /v
          readonly: true
          readOnly: true
          subpath: a
      volume: []
      volumes:
      - name: v
        hostPath: {Path: /etc}
      - name: e
        emptyDir: {sizelimit: 1Gi}
";
    let expected = [
        (8, "spec.template.spec.initContainer", "initContainers"),
        (12, "spec.template.spec.containers[0].volumeMount", "volumeMounts"),
        (14, "spec.template.spec.containers[0].volumeMounts[0].Name", "name"),
        (15, "spec.template.spec.containers[0].volumeMounts[0].mountpath", "mountPath"),
        (16, "spec.template.spec.containers[0].volumeMounts[0].readonly", "readOnly"),
        (18, "spec.template.spec.containers[0].volumeMounts[0].subpath", "subPath"),
        (19, "spec.template.spec.volume", "volumes"),
        (22, "spec.template.spec.volumes[0].hostPath.Path", "path"),
        (24, "spec.template.spec.volumes[1].emptyDir.sizelimit", "sizeLimit"),
    ];
    let expected = expected.map(|(line, path, field)| {
        format!("warning[invalid-field-value] {line}: `{path}` of this Deployment: unknown field; did you mean `{field}`?")
    });
    assert_eq!(found(text), expected);
}

#[test]
fn checks_spelling_in_all_kinds_with_volumes() {
    for (text, field) in [
        ("apiVersion: v1\nkind: Pod\nspec: {container: [{name: c}]}\n", "containers"),
        ("apiVersion: v1\nkind: Pod\nSpec: {containers: [{name: c}]}\n", "spec"),
        ("apiVersion: batch/v1\nkind: CronJob\nspec: {jobtemplate: {}}\n", "jobTemplate"),
        ("apiVersion: apps/v1\nkind: Deployment\nspec: {selector: {}, templates: {}}\n", "template"),
        ("apiVersion: apps/v1\nkind: StatefulSet\nspec: {volumeClaimTemplate: []}\n", "volumeClaimTemplates"),
        ("apiVersion: v1\nkind: PersistentVolume\nspec: {hostpath: {path: /a}}\n", "hostPath"),
        ("apiVersion: v1\nkind: PersistentVolumeClaim\nspec: {storageclassName: a}\n", "storageClassName"),
        (
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: {volume: []}}}\n",
            "volumes",
        ),
    ] {
        let found = found(text);
        assert!(
            found.len() == 1 && found[0].ends_with(&format!("did you mean `{field}`?")),
            "{text}{found:?}"
        );
    }
}

#[test]
fn rename_advice_considers_the_correct_field() {
    let mount = |keys: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nspec: {{containers: [{{name: c, volumeMounts: [{{name: v, mountPath: /v, {keys}}}]}}]}}\n"
        )
    };
    assert_eq!(help(&mount("readonly: true")), "rename the key to `readOnly`");
    assert_eq!(
        help(&mount("readonly: true, readOnly: true")),
        "remove the key, because the mapping also has `readOnly`"
    );
}

#[test]
fn suggests_the_name_of_a_volume() {
    let text = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: i}], volumes: [{Name: v, emptyDir: {}}]}\n";
    let outcome = lint(&crate::support::selecting(&["unknown-volume-source"]), "m.yaml", text);
    let [located] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(located.finding.help, "rename the key to `name`");
}

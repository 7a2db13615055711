//! Charts and kustomizations: what the user's own programs render, and what is said of its places.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::folder;

/// As helm prints a chart of two templates, the second with two documents.
const RENDERED: &str = "\
---
# Source: shop/templates/agent.yaml
apiVersion: v1
kind: Pod
metadata:
  name: agent
spec:
  containers:
  - name: c
    image: i
  volumes:
  - name: v
    hostPath: {path: /etc/kubernetes, type: Directory}
---
# Source: shop/charts/db/templates/db.yaml
# volcheck: ignore[sensitive-host-path] -- this chart's own word
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
---
# Source: shop/charts/db/templates/db.yaml
apiVersion: v1
kind: Pod
metadata:
  name: db
spec:
  containers:
  - name: c
    image: i
  volumes:
  - name: v
    # volcheck: ignore[sensitive-host-path] -- read by the backup
    hostPath: {path: /root, type: Directory}
";

/// A program for the PATH.
fn program(bin: &Path, name: &str, script: &str) {
    fs::create_dir_all(bin).expect("a folder");
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
}

/// Runs volcheck with these programs alone on the PATH: exit code, standard output, standard error.
fn run(folder: &Path, bin: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["lint", "--no-policy", "--select", "sensitive-host-path"])
        .args(arguments)
        .current_dir(folder)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .output()
        .expect("volcheck");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// A chart in a folder of another name, and a helm that prints what it renders to, and how it was called.
fn chart() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = folder(&[("charts/front/Chart.yaml", "name: shop\n"), ("rendered.yaml", RENDERED)]);
    let bin = folder.path().join("bin");
    program(&bin, "helm", "echo \"helm $*\" >&2; cat rendered.yaml");
    (folder, bin)
}

#[test]
fn a_chart_is_rendered_by_helm_and_its_findings_name_the_templates() {
    let (folder, bin) = chart();
    let given = [
        "--helm",
        "charts/front",
        "-f",
        "a.yaml",
        "--values",
        "b.yaml",
        "--kube-version",
        "1.34",
        "--namespace",
        "shop",
    ];
    let (code, out, err) = run(folder.path(), &bin, &[&given[..], &["--format", "concise"]].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert_eq!(
        err,
        "helm template --namespace shop --values a.yaml --values b.yaml --kube-version 1.34 -- charts/front\n"
    );
    assert_eq!(
        out,
        "charts/front/templates/agent.yaml:1:1: error[sensitive-host-path] sensitive host path \
         `/etc/kubernetes` is reached by whoever mounts it (rendered, line 13) (Pod shop/agent)\n"
    );
    let (_, out, _) = run(folder.path(), &bin, &given);
    assert!(out.contains("--> charts/front/templates/agent.yaml (rendered):13:22\n"), "{out}");
    assert!(out.contains("in 1 of 1 file; 1 suppressed"), "{out}");
    // Where nothing else is named, nothing else is read; where it is, it is.
    let (_, out, _) = run(folder.path(), &bin, &[&given[..], &["rendered.yaml"]].concat());
    assert!(out.contains("--> rendered.yaml:13:22\n") && out.contains("in 2 of 2 files"), "{out}");
}

#[test]
fn programs_are_told_the_template_and_no_line_of_it() {
    let (folder, bin) = chart();
    let rendered = |format: &str| run(folder.path(), &bin, &["--helm", "charts/front", "--format", format]).1;
    let report: Value = serde_json::from_str(&rendered("json")).expect("JSON");
    let finding = &report["findings"][0];
    assert_eq!(finding["file"], "charts/front/templates/agent.yaml");
    assert_eq!((&finding["rendered"], &finding["span"]["start"]["line"]), (&true.into(), &13.into()));
    let report: Value = serde_json::from_str(&rendered("sarif")).expect("JSON");
    let result = &report["runs"][0]["results"][0];
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "charts/front/templates/agent.yaml");
    assert_eq!(location["region"], serde_json::json!({ "startLine": 1 }));
    assert!(
        result["message"]["text"].as_str().expect("a text").contains("(rendered, line 13). "),
        "{result}"
    );
    let related = &result["relatedLocations"][0]["physicalLocation"];
    assert!(related.is_null() || related["region"] == location["region"], "{related}");
    for format in ["github", "gitlab", "junit", "checkstyle", "markdown"] {
        let text = rendered(format);
        assert!(text.contains("charts/front/templates/agent.yaml"), "{format}: {text}");
        assert!(text.contains("(rendered, line 13)"), "{format}: {text}");
        assert!(!text.contains("line=13") && !text.contains("line=\"13\""), "{format}: {text}");
    }
}

#[test]
fn a_stream_names_the_templates_as_helm_does_unless_it_is_given_a_name() {
    let (folder, bin) = chart();
    let piped = |arguments: &str| {
        let script = format!(
            "{} lint --no-policy --select sensitive-host-path --format concise {arguments} - < rendered.yaml",
            env!("CARGO_BIN_EXE_volcheck")
        );
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(piped("").starts_with("shop/templates/agent.yaml:1:1: "), "{}", piped(""));
    assert!(piped("--stdin-filename out.yaml").starts_with("out.yaml:13:22: "));
    // A file is what it is.
    assert!(run(folder.path(), &bin, &["rendered.yaml"]).1.contains("--> rendered.yaml:13:22\n"));
}

#[test]
fn a_kustomization_is_built_by_kustomize_or_else_by_kubectl() {
    let pod = RENDERED.split("---\n").nth(1).expect("a document").split_once('\n').expect("lines").1;
    let folder = folder(&[("overlays/prod/kustomization.yml", "resources: []\n"), ("built.yaml", pod)]);
    let bin = folder.path().join("bin");
    let build = || run(folder.path(), &bin, &["--kustomize", "overlays/prod", "--format", "concise"]);
    program(&bin, "kubectl", "echo \"kubectl $*\" >&2; cat built.yaml");
    if Command::new("/usr/bin/kustomize").arg("version").output().is_err() {
        let (code, out, err) = build();
        assert_eq!((code, err.as_str()), (1, "kubectl kustomize -- overlays/prod\n"), "{out}");
        assert!(out.starts_with("overlays/prod/kustomization.yml:1:1: error[sensitive-host-path]"), "{out}");
        assert!(out.contains("(rendered, line 11)"), "{out}");
    }
    program(&bin, "kustomize", "echo \"kustomize $*\" >&2; cat built.yaml");
    assert_eq!(build().2, "kustomize build -- overlays/prod\n");
    let (_, out, _) = run(folder.path(), &bin, &["--kustomize", "overlays/prod"]);
    assert!(!out.contains("not rendered"), "{out}");
}

#[test]
fn what_cannot_be_rendered_is_trouble_and_the_rest_is_judged() {
    let (folder, bin) = chart();
    let of = |arguments: &[&str]| run(folder.path(), &bin, &[arguments, &["--format", "concise"]].concat());
    program(&bin, "helm", "cat rendered.yaml; echo 'Error: no such value' >&2; exit 3");
    let (code, out, err) = of(&["--helm", "charts/front", "rendered.yaml"]);
    assert_eq!((code, err.as_str()), (2, "Error: no such value\n"), "{out}");
    assert!(
        out.contains(
            "charts/front:1:1: error[unanalyzed-document] can't be read: `helm` failed, exit status: 3; its own \
             words are above\n"
        ),
        "{out}"
    );
    assert!(out.contains("rendered.yaml:13:22: error[sensitive-host-path]"), "{out}");
    assert!(!out.contains("templates/agent.yaml"), "what comes with a failure isn't judged: {out}");
    // One that never stops printing is cut off, as any file that is too large is refused.
    program(&bin, "helm", "yes 'a: b'");
    let (code, out, _) = of(&["--helm", "charts/front"]);
    assert_eq!((code, out.contains("larger than")), (2, true), "{out}");
    fs::remove_file(bin.join("helm")).expect("removed");
    if !["/usr/bin/helm", "/bin/helm"].iter().any(|helm| Path::new(helm).exists()) {
        let (code, out, _) = of(&["--helm", "charts/front"]);
        assert_eq!(code, 2);
        assert!(out.contains("can't be read: there is no `helm` on the PATH to render it"), "{out}");
    }
    // Values are a chart's.
    assert_eq!(of(&["-f", "a.yaml", "rendered.yaml"]).0, 2);
    assert_eq!(of(&["--kube-version", "1.34", "rendered.yaml"]).0, 2);
}

//! `--helm` and `--kustomize`: manifests rendered by other programs, and their locations in
//! reports.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::changed::git;
use crate::support::temp_dir;

/// The output of helm for a chart with two templates, the second with two documents.
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
# volcheck: ignore[sensitive-host-path] -- not used in this document
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

/// Writes a shell script to the directory `bin`.
pub fn write_program(bin: &Path, name: &str, script: &str) {
    fs::create_dir_all(bin).expect("a directory");
    let path = bin.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Runs `volcheck lint` with the programs in `bin` and those of the system. Returns the exit code,
/// standard output and standard error.
fn lint(directory: &Path, bin: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["lint", "--no-policy", "--select", "sensitive-host-path"])
        .args(arguments)
        .current_dir(directory)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .output()
        .expect("volcheck");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// Creates a chart whose name differs from the name of its directory, and a fake `helm`, which
/// prints its arguments to standard error and [`RENDERED`] to standard output. Returns the working
/// directory and the directory of `helm`.
fn chart() -> (tempfile::TempDir, PathBuf) {
    let directory = temp_dir(&[
        ("charts/front/Chart.yaml", "name: shop\n"),
        ("rendered.yaml", RENDERED),
        ("a.yaml", ""),
        ("b.yaml", ""),
    ]);
    let bin = directory.path().join("bin");
    write_program(&bin, "helm", "echo \"helm $*\" >&2; cat rendered.yaml");
    (directory, bin)
}

#[test]
fn findings_in_charts_name_the_template() {
    let (directory, bin) = chart();
    let arguments = [
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
    let (code, out, err) = lint(directory.path(), &bin, &[&arguments[..], &["--format", "concise"]].concat());
    assert_eq!(code, 1, "{out}{err}");
    assert_eq!(
        err,
        "charts/front: helm template --include-crds --namespace shop --values a.yaml --values b.yaml --kube-version 1.34 -- charts/front\n"
    );
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.starts_with("charts/front/templates/agent.yaml:1:1: error[sensitive-host-path] "), "{out}");
    assert!(out.ends_with("(rendered, line 13) (Pod shop/agent)\n"), "{out}");
    let (_, out, _) = lint(directory.path(), &bin, &arguments);
    assert!(out.contains("--> charts/front/templates/agent.yaml (rendered):13:22\n"), "{out}");
    assert!(out.contains("in 1 of 2 files; 1 suppressed"), "{out}");
    // Other files are checked only if they are given as arguments.
    let (_, out, _) = lint(directory.path(), &bin, &[&arguments[..], &["rendered.yaml"]].concat());
    assert!(out.contains("--> rendered.yaml:13:22\n") && out.contains("in 2 of 3 files"), "{out}");
}

#[test]
fn machine_readable_formats_omit_template_lines() {
    let (directory, bin) = chart();
    let rendered =
        |format: &str| lint(directory.path(), &bin, &["--helm", "charts/front", "--format", format]).1;
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
        result["message"]["text"].as_str().expect("a string").contains("(rendered, line 13). "),
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

/// A PersistentVolume and a claim in one template, and a Pod in another.
const RENDERED_CLAIM: &str = "\
---
# Source: shop/templates/storage.yaml
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Gi}
  hostPath: {path: /root, type: Directory}
---
# Source: shop/templates/storage.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: \"\"
  volumeName: pv
  accessModes: [ReadWriteOnce]
---
# Source: shop/templates/pod.yaml
";

const POD_WITH_CLAIM: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: c, image: i}]
  volumes:
  - name: v
    persistentVolumeClaim: {claimName: data}
";

#[test]
fn related_locations_in_charts_name_their_template() {
    let (directory, bin) = chart();
    let directory = directory.path();
    fs::write(directory.join("rendered.yaml"), format!("{RENDERED_CLAIM}{POD_WITH_CLAIM}")).expect("written");
    fs::write(directory.join("storage.yaml"), RENDERED_CLAIM).expect("written");
    fs::write(directory.join("pod.yaml"), POD_WITH_CLAIM).expect("written");
    let lint = |arguments: &[&str]| {
        lint(directory, &bin, &[&["--select", "hidden-host-path"][..], arguments].concat()).1
    };
    let check = |arguments: &[&str], primary: &str| {
        let run = |format: &str| lint(&[arguments, &["--format", format]].concat());
        let storage = "charts/front/templates/storage.yaml";
        let report: Value = serde_json::from_str(&run("json")).expect("JSON");
        let is_pod = |finding: &&Value| finding["rule"] == "hidden-host-path";
        let finding = report["findings"].as_array().expect("a list").iter().find(is_pod).expect("a finding");
        assert_eq!(finding["file"], primary);
        let related = finding["related"].as_array().expect("a list");
        for own in related {
            assert_eq!((own["file"].as_str(), own["rendered"].as_bool()), (Some(storage), Some(true)));
        }
        let mut lines: Vec<_> = related.iter().map(|own| own["span"]["start"]["line"].as_u64()).collect();
        lines.sort_unstable();
        assert_eq!(lines, [Some(9), Some(17)]);
        let report: Value = serde_json::from_str(&run("sarif")).expect("JSON");
        let mut results = report["runs"][0]["results"].as_array().expect("a list").iter();
        let result = results.find(|result| result["ruleId"] == "hidden-host-path").expect("a result");
        for related in result["relatedLocations"].as_array().expect("a list") {
            let location = &related["physicalLocation"];
            assert_eq!(location["artifactLocation"]["uri"], storage);
            assert_eq!(location["region"], serde_json::json!({ "startLine": 1 }));
        }
        let text = run("text");
        assert!(text.contains(&format!("::: {storage} (rendered):9:")), "{text}");
        for format in ["concise", "github", "gitlab", "junit", "checkstyle"] {
            let text = run(format);
            assert!(text.contains(&format!("(see {storage}, rendered, line 17)")), "{format}: {text}");
        }
    };
    check(&["--helm", "charts/front"], "charts/front/templates/pod.yaml");
    fs::copy(directory.join("storage.yaml"), directory.join("rendered.yaml")).expect("copied");
    check(&["--helm", "charts/front", "pod.yaml"], "pod.yaml");
}

#[test]
fn excludes_apply_to_templates_of_rendered_charts() {
    let (directory, bin) = chart();
    let dependency = directory.path().join("charts/front/charts/db/templates");
    fs::create_dir_all(dependency).expect("a directory");
    let (chart, all) = (["--helm", "charts/front", "--format", "json"], ["Pod/agent", "Pod/db"]);
    let pods = |arguments: &[&str]| -> Vec<String> {
        let (_, out, _) = lint(directory.path(), &bin, &[&chart, arguments, &["--show-suppressed"]].concat());
        let report: Value = serde_json::from_str(&out).expect("JSON");
        let findings = report["findings"].as_array().expect("a list").iter();
        let name = |own: &Value| format!("Pod/{}", own["object"]["name"].as_str().expect("a name"));
        let mut names: Vec<_> = findings.map(name).collect();
        names.sort();
        names
    };
    assert_eq!(pods(&[]), all);
    assert_eq!(pods(&["--exclude", "charts/front/templates/agent.yaml"]), ["Pod/db"]);
    assert_eq!(pods(&["--exclude", "agent.yaml"]), ["Pod/db"]);
    assert_eq!(pods(&["--exclude", "charts/front/charts/"]), ["Pod/agent"]);
    // These patterns are for the unrendered templates.
    for pattern in ["charts/*/templates/**", "**/templates/*.yaml", "templates", "/charts/front", "*.yaml"] {
        assert!(pods(&["--exclude", pattern]).contains(&all[0].to_owned()), "{pattern}");
    }
    assert_eq!(pods(&["--exclude", "charts/*/templates/", "--exclude", "agent.yaml"]), ["Pod/db"]);
    let (_, _, err) = lint(
        directory.path(),
        &bin,
        &[&chart[..2], &["--exclude", "charts/front/templates/x.yaml"]].concat(),
    );
    assert!(
        err.contains("warning: exclude pattern `charts/front/templates/x.yaml` matches no path"),
        "{err}"
    );
}

#[test]
fn baseline_keeps_entries_of_excluded_templates() {
    let (directory, bin) = chart();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args(["baseline", "--no-policy", "--select", "sensitive-host-path", "--helm", "charts/front"])
            .args(arguments)
            .current_dir(directory.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .output()
            .expect("volcheck");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    assert!(run(&[]).contains("with 1 finding."));
    let text = run(&["--prune", "--exclude", "charts/front/templates/agent.yaml"]);
    assert!(text.contains("with 1 finding (1 before)."), "{text}");
}

#[test]
fn findings_in_piped_output_name_the_template() {
    let (directory, bin) = chart();
    let lint_stream = |arguments: &str| {
        let script = format!(
            "{} lint --no-policy --select sensitive-host-path --format concise {arguments} - < rendered.yaml",
            env!("CARGO_BIN_EXE_volcheck")
        );
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(directory.path()).output().expect("sh");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(lint_stream("").starts_with("shop/templates/agent.yaml:1:1: "), "{}", lint_stream(""));
    assert!(lint_stream("--stdin-filename out.yaml").starts_with("out.yaml:13:22: "));
    // Findings in a file are located in the file itself.
    assert!(lint(directory.path(), &bin, &["rendered.yaml"]).1.contains("--> rendered.yaml:13:22\n"));
}

#[test]
fn renders_kustomizations_with_kustomize_or_kubectl() {
    let pod = RENDERED.split("---\n").nth(1).expect("a document").split_once('\n').expect("lines").1;
    let directory = temp_dir(&[("overlays/prod/kustomization.yml", "resources: []\n"), ("built.yaml", pod)]);
    let bin = directory.path().join("bin");
    let build = || lint(directory.path(), &bin, &["--kustomize", "overlays/prod", "--format", "concise"]);
    write_program(&bin, "kubectl", "echo \"kubectl $*\" >&2; cat built.yaml");
    if Command::new("/usr/bin/kustomize").arg("version").output().is_err() {
        let (code, out, err) = build();
        assert_eq!(
            (code, err.as_str()),
            (1, "overlays/prod/kustomization.yml: kubectl kustomize -- overlays/prod\n"),
            "{out}"
        );
        assert!(out.starts_with("overlays/prod/kustomization.yml:1:1: error[sensitive-host-path]"), "{out}");
        assert!(out.contains("(rendered, line 11)"), "{out}");
    }
    write_program(&bin, "kustomize", "echo \"kustomize $*\" >&2; cat built.yaml");
    assert_eq!(build().2, "overlays/prod/kustomization.yml: kustomize build -- overlays/prod\n");
    let (_, out, _) = lint(directory.path(), &bin, &["--kustomize", "overlays/prod"]);
    assert!(!out.contains("not rendered"), "{out}");
}

#[test]
fn excludes_apply_to_files_of_kustomizations() {
    let pod = RENDERED.split("---\n").nth(1).expect("a document").split_once('\n').expect("lines").1;
    let origin =
        "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../base/pod.yaml\n";
    let directory = temp_dir(&[
        ("prod/kustomization.yaml", "resources: [../base]\n"),
        ("base/pod.yaml", pod),
        ("built.yaml", &pod.replace("metadata:\n", origin)),
    ]);
    let bin = directory.path().join("bin");
    write_program(&bin, "kustomize", "cat built.yaml");
    let code = |pattern: &str| {
        lint(directory.path(), &bin, &["--allow-empty", "--kustomize", "prod", "--exclude", pattern]).0
    };
    assert_eq!(code("base/pod.yaml"), 0);
    assert_eq!(code("base/"), 0);
    assert_eq!(code("base/other.yaml"), 1);
    assert_eq!(code("prod/"), 1);
}

#[test]
fn findings_in_piped_kustomizations_name_files_that_exist() {
    let pod = RENDERED.split("---\n").nth(1).expect("a document").split_once('\n').expect("lines").1;
    let annotation = "  annotations:\n    config.kubernetes.io/origin: |\n      path: ../../base/pod.yaml\n";
    let built = pod.replacen("metadata:\n", &format!("metadata:\n{annotation}"), 1);
    let directory = temp_dir(&[
        ("built.yaml", &built),
        ("base/pod.yaml", pod),
        ("overlays/prod/kustomization.yaml", "resources: [../../base]\n"),
    ]);
    for (working_directory, expected) in
        [("overlays/prod", "../../base/pod.yaml:1:1: "), ("", "<stdin>:14:22: ")]
    {
        let script = format!(
            "{} lint --no-policy --select sensitive-host-path --format concise -",
            env!("CARGO_BIN_EXE_volcheck")
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(directory.path().join(working_directory))
            .stdin(fs::File::open(directory.path().join("built.yaml")).expect("a file"))
            .output()
            .expect("sh");
        let out = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(out.starts_with(expected), "{out}");
    }
}

#[test]
fn rendering_failures_do_not_stop_the_run() {
    let (directory, bin) = chart();
    let lint =
        |arguments: &[&str]| lint(directory.path(), &bin, &[arguments, &["--format", "concise"]].concat());
    write_program(&bin, "helm", "cat rendered.yaml; echo 'Error: no such value' >&2; exit 3");
    let (code, out, err) = lint(&["--helm", "charts/front", "rendered.yaml"]);
    assert_eq!((code, err.as_str()), (2, "charts/front: Error: no such value\n"), "{out}");
    assert!(
        out.contains(
            "charts/front:1:1: error[unanalyzed-document] could not be read: `helm` failed (exit status: 3): no such \
             value\n"
        ),
        "{out}"
    );
    assert!(out.contains("rendered.yaml:13:22: error[sensitive-host-path]"), "{out}");
    assert!(!out.contains("templates/agent.yaml"), "the output of a failed program is not checked: {out}");
    // Output above the size limit of files is rejected.
    write_program(&bin, "helm", "yes 'a: b'");
    let (code, out, _) = lint(&["--helm", "charts/front"]);
    assert_eq!((code, out.contains("larger than")), (2, true), "{out}");
    fs::remove_file(bin.join("helm")).expect("removed");
    if !["/usr/bin/helm", "/bin/helm"].iter().any(|helm| Path::new(helm).exists()) {
        let (code, out, _) = lint(&["--helm", "charts/front"]);
        assert_eq!(code, 2);
        assert!(out.contains("could not be read: `helm` not found in PATH"), "{out}");
    }
    // Values require a chart.
    assert_eq!(lint(&["-f", "a.yaml", "rendered.yaml"]).0, 2);
}

#[test]
fn changed_since_reports_changed_renderings() {
    let directory = temp_dir(&[
        ("charts/front/Chart.yaml", "name: shop\n"),
        ("charts/front/templates/agent.yaml", "a\n"),
        ("staging.yaml", "a: 1\n"),
        ("rendered.yaml", RENDERED),
        ("app/kustomization.yaml", "resources: [../base]\npatches: [{path: p.yaml}]\n"),
        ("app/p.yaml", "[]\n"),
        // kustomize rejects cycles, but finding the changed files must not hang.
        (
            "base/kustomization.yaml",
            "resources: [pod.yaml, ../app, .]\nconfigMapGenerator: [{files: [a=data]}]\n",
        ),
        ("base/data", "a\n"),
        ("other.yaml", "a: 1\n"),
    ]);
    let path = directory.path();
    let bin = path.join("bin");
    write_program(&bin, "helm", "cat rendered.yaml");
    write_program(&bin, "kustomize", "cat rendered.yaml");
    git(path, &["init", "--quiet"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "--message=a commit"]);
    let codes = || {
        let chart = ["--helm", "charts/front", "-f", "staging.yaml", "--changed-since", "HEAD"];
        [&chart[..], &["--kustomize", "app", "--changed-since", "HEAD"]]
            .map(|arguments| lint(path, &bin, arguments).0)
    };
    assert_eq!(codes(), [0, 0]);
    for (file, expected) in [
        ("other.yaml", [0, 0]),
        ("charts/front/templates/new.yaml", [1, 0]),
        ("charts/front/templates/agent.yaml", [1, 0]),
        ("staging.yaml", [1, 0]),
        ("app/p.yaml", [0, 1]),
        ("base/data", [0, 1]),
        ("base/kustomization.yaml", [0, 1]),
    ] {
        fs::write(path.join(file), "changed: true\n").expect("written");
        assert_eq!(codes(), expected, "{file}");
        git(path, &["stash", "--quiet", "--include-untracked"]);
    }
    fs::remove_file(path.join("charts/front/templates/agent.yaml")).expect("deleted");
    assert_eq!(codes(), [1, 0]);
}

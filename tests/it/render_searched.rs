//! `--render`, `lint.render` and `lint.charts`: charts and kustomizations that are found in
//! directories, and the locations of their findings in templates.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::changed::git;
use crate::render::write_program;
use crate::support::temp_dir;

/// A template, whose action makes it invalid YAML.
const TEMPLATE: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}
spec:
  containers:
  - name: c
    image: i
  volumes:
  {{- if .Values.etc }}
  - name: etc
    hostPath: {path: /etc/kubernetes, type: Directory}
  {{- end }}
  {{- toYaml .Values.volumes | nindent 2 }}
";

/// The output of helm for [`TEMPLATE`] in a chart `x`.
const RENDERED: &str = "\
---
# Source: x/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: c
    image: i
  volumes:
  - name: root
    hostPath: {path: /root, type: Directory}
";

/// A fake `helm`. It appends its arguments to the file `calls`, and prints the file `rendered.yaml`
/// of the chart, which is its last argument.
const HELM: &str = "echo \"$*\" >> calls; for chart; do :; done; cat \"$chart/rendered.yaml\"";

/// Creates a directory with the files, and the fake programs `helm` and `kustomize` in `bin`.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = temp_dir(files);
    let bin = directory.path().join("bin");
    write_program(&bin, "helm", HELM);
    write_program(
        &bin,
        "kustomize",
        "echo \"$*\" >> calls; for directory; do :; done; cat \"$directory/rendered.yaml.out\"",
    );
    directory
}

/// Creates a directory with charts, each with a template and a fake rendering.
fn charts(names: &[&str]) -> tempfile::TempDir {
    let mut files = Vec::new();
    for name in names {
        files.push((format!("{name}/Chart.yaml"), "name: x\n"));
        files.push((format!("{name}/templates/pod.yaml"), TEMPLATE));
        files.push((format!("{name}/rendered.yaml"), RENDERED));
        files.push((format!("{name}/.ignore"), "rendered.yaml\n"));
    }
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    directory(&files)
}

/// Runs a command of volcheck. Returns the exit code, standard output and standard error.
fn volcheck(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(arguments)
        .current_dir(directory)
        .env("PATH", format!("{}:/usr/bin:/bin", directory.join("bin").display()))
        .output()
        .expect("volcheck");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn lint(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let common = ["lint", "--select", "sensitive-host-path", "--format", "concise"];
    volcheck(directory, &[&common[..], arguments].concat())
}

/// Returns the arguments of each call of a fake program, sorted, and forgets the calls.
fn calls(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("calls")).unwrap_or_default();
    let _ = fs::remove_file(directory.join("calls"));
    let mut calls: Vec<_> = text.lines().map(str::to_owned).collect();
    calls.sort();
    calls
}

#[test]
fn renders_the_charts_in_a_directory() {
    let directory = charts(&["charts/a", "charts/b", "charts/b/charts/sub", "lib"]);
    let path = directory.path();
    fs::write(path.join("lib/Chart.yaml"), "name: lib\ntype: library\n").expect("written");
    // Without `--render`, the templates are not YAML.
    assert_eq!(lint(path, &["."]).0, 2);
    let (code, out, err) = lint(path, &["--render"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    // The line of the action that formats the value.
    assert!(lines[0].starts_with("charts/a/templates/pod.yaml:14:3: error[sensitive-host-path] "), "{out}");
    assert!(lines[0].ends_with("(rendered, line 13) (Pod default/a)"), "{out}");
    assert!(lines[1].starts_with("charts/b/templates/pod.yaml:14:3: "), "{out}");
    let template = "template --include-crds --namespace default --";
    assert_eq!(calls(path), [format!("{template} charts/a"), format!("{template} charts/b")]);
    let (_, out, _) = volcheck(path, &["lint", "--render", "--select", "sensitive-host-path", "charts/a"]);
    assert!(out.contains("--> charts/a/templates/pod.yaml (rendered):13:22\n"), "{out}");
    assert!(
        out.contains(
            "= template: charts/a/templates/pod.yaml:14: {{- toYaml .Values.volumes | nindent 2 }}\n"
        ),
        "{out}"
    );
    assert!(out.contains("13 |     hostPath: {path: /root, type: Directory}\n"), "{out}");
    assert!(!out.contains("not rendered"), "{out}");
    let (code, out, _) = volcheck(path, &["lint", "--render", "--show-files"]);
    assert_eq!((code, out.contains("charts/a\n"), out.contains("templates")), (0, true, false), "{out}");
}

#[test]
fn excluded_charts_are_not_rendered() {
    let directory = charts(&["charts/a", "charts/b"]);
    let path = directory.path();
    let (_, out, _) = lint(path, &["--render", "--exclude", "charts/a/**"]);
    assert_eq!((out.lines().count(), calls(path).len()), (1, 1), "{out}");
    fs::write(path.join("volcheck.yaml"), "version: 1\nlint: {render: true, exclude: [\"charts/b/**\"]}\n")
        .expect("written");
    let (_, out, _) = lint(path, &[]);
    assert!(out.starts_with("charts/a/") && out.lines().count() == 1, "{out}");
    assert_eq!(calls(path).len(), 1);
}

#[test]
fn values_files_follow_the_convention_of_chart_testing() {
    let directory = charts(&["a"]);
    let path = directory.path();
    fs::create_dir(path.join("a/ci")).expect("a directory");
    for name in ["one-values.yaml", "two-values.yaml", "values.yaml"] {
        fs::write(path.join("a/ci").join(name), "").expect("written");
    }
    let (_, out, _) =
        lint(path, &["--render", "--set", "b=1", "--api-versions", "c/v1", "--release-name", "r"]);
    let call = |name: &str| {
        format!(
            "template --include-crds --namespace default --values a/ci/{name}-values.yaml --set b=1 --api-versions \
             c/v1 -- r a"
        )
    };
    assert_eq!(calls(path), [call("one"), call("two")]);
    assert_eq!(out.lines().count(), 1, "the finding of both renderings is reported once: {out}");
}

#[test]
fn the_policy_declares_charts() {
    let directory = charts(&["charts/a", "charts/b"]);
    let path = directory.path();
    fs::create_dir(path.join("charts/a/ci")).expect("a directory");
    fs::write(path.join("charts/a/ci/x-values.yaml"), "").expect("written");
    fs::write(path.join("prod.yaml"), "").expect("written");
    let charts = "{path: charts/a, values: [prod.yaml], set: [x=1], releaseName: r, namespace: team, kubeVersion: '1.30', apiVersions: [c/v1]}";
    let staging = "{path: charts/a, set: [x=2]}";
    let policy = |more: &str| {
        format!(
            "version: 1\nlint:\n  render: true\n  namespace: own\n  charts:\n  - {charts}\n  - {staging}\n{more}"
        )
    };
    fs::write(path.join("volcheck.yaml"), policy("")).expect("written");
    let (code, out, err) = lint(path, &[]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    let common = "template --include-crds --namespace";
    let expected = [
        format!(
            "{common} team --values prod.yaml --set x=1 --kube-version 1.30 --api-versions c/v1 -- r charts/a"
        ),
        format!("{common} own --set x=2 -- charts/a"),
        format!("{common} own -- charts/b"),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(calls(path), expected);
    // Flags take precedence.
    lint(path, &["--namespace", "f", "--release-name", "g", "--kube-version", "1.31", "charts/a"]);
    let expected = format!(
        "{common} f --values prod.yaml --set x=1 --kube-version 1.31 --api-versions c/v1 -- g charts/a"
    );
    assert!(calls(path).contains(&expected));
    // A declared chart that does not exist, and a missing values file.
    let more = "  - {path: charts/gone}\n  - {path: charts/b, values: [gone.yaml]}\n";
    fs::write(path.join("volcheck.yaml"), policy(more)).expect("written");
    let (code, out, _) = lint(path, &[]);
    assert_eq!(code, 2, "{out}");
    assert!(
        out.contains("charts/gone:1:1: error[unanalyzed-document] could not be read: `lint.charts` "),
        "{out}"
    );
    assert!(
        out.contains(
            "charts/b:1:1: error[unanalyzed-document] could not be read: values file `gone.yaml` not found\n"
        ),
        "{out}"
    );
}

#[test]
fn charts_with_the_same_release_name_are_both_reported() {
    let directory = charts(&["a", "b"]);
    let (_, out, _) = lint(directory.path(), &["--render", "--release-name", "r"]);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("a/templates/pod.yaml:14") && out.contains("b/templates/pod.yaml:14"), "{out}");
}

#[test]
fn each_failure_is_reported() {
    let directory = charts(&["a", "b", "c", "d"]);
    let path = directory.path();
    let script = "for chart; do :; done; case $chart in
        a) echo 'WARNING: a' >&2; cat a/rendered.yaml;;
        b) echo 'coalesce: x' >&2; echo 'Error: execution error at (x.yaml:1:3): no' >&2; exit 1;;
        c) echo 'Error: found in Chart.yaml, but missing in charts/ directory: db' >&2; exit 1;;
        d) (while [ ! -e continue ]; do sleep 0.1; done; touch survived) & wait;;
    esac";
    write_program(&path.join("bin"), "helm", script);
    let (code, out, err) = lint(path, &["--render", "--render-timeout", "1"]);
    assert_eq!(code, 2, "{out}");
    let reason = |chart: &str| {
        let prefix = format!("{chart}:1:1: error[unanalyzed-document] could not be read: ");
        out.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    };
    assert!(out.contains("a/templates/pod.yaml:14:3: error[sensitive-host-path]"), "{out}");
    assert_eq!(reason("b"), "`helm` failed (exit status: 1): execution error at (x.yaml:1:3): no");
    assert_eq!(reason("c"), "dependencies of the chart are missing: run `helm dependency build c`");
    assert_eq!(reason("d"), "`helm` did not end within 1 s (`--render-timeout`)");
    assert!(err.contains("a: WARNING: a\n") && err.contains("b: coalesce: x\n"), "{err}");
    // The programs that helm started are killed, too.
    fs::write(path.join("continue"), "").expect("written");
    thread::sleep(Duration::from_millis(300));
    assert!(!path.join("survived").exists());
}

#[test]
fn renders_many_charts() {
    let names: Vec<String> = (0..60).map(|index| format!("charts/c{index}")).collect();
    let directory = charts(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, out, err) = lint(directory.path(), &["--render"]);
    assert_eq!((code, err.as_str(), out.lines().count()), (1, "", 60), "{out}");
    assert_eq!(calls(directory.path()).len(), 60);
}

#[test]
fn values_require_a_chart() {
    let directory = charts(&["a"]);
    for flag in [["-f", "a.yaml"], ["--set", "a=1"], ["--release-name", "a"], ["--api-versions", "a/v1"]] {
        let (code, _, err) =
            lint(directory.path(), &[&flag[..], &["--exclude", "a/templates/**", "."]].concat());
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("pass --helm CHART or --render"), "{err}");
    }
}

#[test]
fn globs_name_charts() {
    let directory = charts(&["charts/a", "charts/b", "charts/b/charts/sub", "other"]);
    let path = directory.path();
    for glob in ["charts/*", "./charts/**", "charts/{a,b}"] {
        let (code, out, _) = lint(path, &["--helm", glob]);
        assert_eq!((code, calls(path).len()), (1, 2), "{glob}: {out}");
    }
    let (code, out, _) = lint(path, &["--helm", "gone/*"]);
    assert_eq!(code, 2);
    assert!(
        out.contains("gone/*:1:1: error[unanalyzed-document] could not be read: no file matches the glob"),
        "{out}"
    );
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: c, image: i}]
  volumes:
  - name: v
    hostPath: {path: /root, type: Directory}
";

#[test]
fn renders_kustomizations_that_no_other_uses() {
    let built = POD.replace("web", "prod-web")
        + "  - name: etc\n    hostPath: {path: /etc/kubernetes, type: Directory}\n";
    let directory = directory(&[
        ("base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("base/pod.yaml", POD),
        ("shared/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"),
        ("prod/kustomization.yaml", "resources: [../base]\ncomponents: [../shared]\nnamePrefix: prod-\n"),
        ("prod/rendered.yaml.out", &built),
    ]);
    let path = directory.path();
    let (code, out, err) = lint(path, &["--render"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert_eq!(calls(path), ["build -- prod"]);
    // The finding in the base is reported there, and not a second time in the rendered text.
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with("base/pod.yaml:8:22: "), "{out}");
    assert!(
        lines[1].starts_with("prod/kustomization.yaml:1:1: ") && lines[1].contains("/etc/kubernetes"),
        "{out}"
    );
    // The same is true if a comment suppresses the finding in the base.
    let ignored =
        POD.replace("    hostPath", "    # volcheck: ignore[sensitive-host-path] -- a reason\n    hostPath");
    fs::write(path.join("base/pod.yaml"), ignored).expect("written");
    assert_eq!(lint(path, &["--render"]).1.lines().count(), 1);
    let (_, out, _) = volcheck(path, &["lint", "--render", "--select", "sensitive-host-path"]);
    assert!(!out.contains("not rendered"), "{out}");
}

#[test]
fn values_with_the_name_of_a_directory_are_not_references() {
    let directory = directory(&[
        ("kustomization.yaml", "resources: [pod.yaml]\nnamespace: prod\n"),
        ("pod.yaml", POD),
        ("prod/kustomization.yaml", "resources: [..]\n"),
        ("prod/rendered.yaml.out", POD),
    ]);
    let (code, _, err) = lint(directory.path(), &["--render"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(calls(directory.path()), ["build -- prod"]);
}

#[test]
fn references_with_parent_directories_are_not_reported_twice() {
    let directory = directory(&[
        ("base/pod.yaml", POD),
        ("prod/kustomization.yaml", "resources: [../prod/../base/pod.yaml]\n"),
        ("prod/rendered.yaml.out", POD),
    ]);
    let (_, out, _) = lint(directory.path(), &["--render"]);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.starts_with("base/pod.yaml:8:22: "), "{out}");
}

#[test]
fn baselines_cover_rendered_charts() {
    let directory = charts(&["charts/a", "charts/b"]);
    let path = directory.path();
    let select = ["--select", "sensitive-host-path,stale-baseline", "--baseline", "b.json"];
    let run = |command: &str, more: &[&str]| volcheck(path, &[&[command][..], &select, more].concat());
    let (code, _, err) = run("baseline", &["--render"]);
    assert_eq!(code, 0, "{err}");
    let text = fs::read_to_string(path.join("b.json")).expect("a baseline");
    assert!(text.contains("\"file\":\"charts/a/templates/pod.yaml\",\"rendered\":true"), "{text}");
    assert_eq!(run("lint", &["--render"]).0, 0);
    // A run over one chart does not prune the entries of the other one.
    run("baseline", &["--render", "--prune", "charts/a"]);
    assert_eq!(fs::read_to_string(path.join("b.json")).expect("a baseline"), text);
    // The entries of a deleted chart are removed.
    fs::remove_dir_all(path.join("charts/b")).expect("removed");
    let (_, _, err) = run("baseline", &["--render", "--prune"]);
    assert!(err.contains("with 1 finding (2 before)"), "{err}");
}

#[test]
fn changed_since_considers_the_values_of_each_rendering() {
    let directory = charts(&["a"]);
    let path = directory.path();
    fs::create_dir(path.join("a/ci")).expect("a directory");
    fs::create_dir(path.join("env")).expect("a directory");
    fs::write(path.join("env/prod.yaml"), "a: 1\n").expect("written");
    let policy =
        "version: 1\nlint:\n  render: true\n  charts: [{path: a}, {path: a, values: [env/prod.yaml]}]\n";
    fs::write(path.join("volcheck.yaml"), policy).expect("written");
    git(path, &["init", "--quiet"]);
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "--message=a commit"]);
    assert_eq!(lint(path, &["--changed-since", "HEAD"]).0, 0);
    fs::write(path.join("env/prod.yaml"), "a: 2\n").expect("written");
    assert_eq!(lint(path, &["--changed-since", "HEAD"]).0, 1);
}

#[test]
fn init_enables_rendering() {
    let directory = charts(&["a"]);
    let (code, _, err) = volcheck(directory.path(), &["init", "--render"]);
    assert_eq!(code, 0, "{err}");
    let text = fs::read_to_string(directory.path().join("volcheck.yaml")).expect("a policy");
    assert!(text.contains("\nlint:\n") && text.contains("\n  render: true\n"), "{text}");
    assert!(!text.contains("exclude:"), "{text}");
    assert_eq!(lint(directory.path(), &[]).0, 1);
}

#[test]
fn formats_name_the_line_of_the_template() {
    let directory = charts(&["a"]);
    let path = directory.path();
    let run = |format: &str| {
        volcheck(path, &["lint", "--render", "--select", "sensitive-host-path", "--format", format]).1
    };
    let json: Value = serde_json::from_str(&run("json")).expect("JSON");
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["file"], &finding["span"]["start"]["line"]),
        (&"a/templates/pod.yaml".into(), &13.into())
    );
    assert_eq!(finding["template"]["exact"], true);
    assert_eq!(finding["template"]["span"]["start"]["line"], 14);
    let sarif: Value = serde_json::from_str(&run("sarif")).expect("JSON");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 14);
    assert_eq!(result["properties"], serde_json::json!({ "renderedLine": 13, "templateLine": "exact" }));
    for (format, expected) in [
        ("github", "file=a/templates/pod.yaml,line=14,endLine=14,col=3,"),
        ("gitlab", "\"begin\": 14"),
        ("junit", "a/templates/pod.yaml:14:3"),
        ("checkstyle", "line=\"14\" column=\"3\""),
        ("markdown", "| 14:3, "),
    ] {
        let text = run(format);
        assert!(text.contains(expected) && text.contains("(rendered, line 13)"), "{format}: {text}");
    }
    // The rendered text does not match the template.
    fs::write(path.join("a/templates/pod.yaml"), "spec:\n  hostPath: {path: /}\n").expect("written");
    assert!(run("concise").starts_with("a/templates/pod.yaml:2:3: "), "{}", run("concise"));
    assert!(run("concise").contains("(rendered, line 13; the line in the template is approximate)"));
    assert!(run("text").contains("= template: a/templates/pod.yaml:2 (approximate): hostPath: {path: /}\n"));
    fs::write(path.join("a/templates/pod.yaml"), "{{ if }}\n").expect("written");
    assert!(run("concise").starts_with("a/templates/pod.yaml:1:1: "), "{}", run("concise"));
}

#[test]
fn findings_name_the_value_in_the_values_file() {
    let directory = charts(&["a"]);
    let path = directory.path();
    let value = |values: &str, prod: &str| {
        fs::write(path.join("a/values.yaml"), values).expect("written");
        fs::write(path.join("prod.yaml"), prod).expect("written");
        let (_, out, _) =
            volcheck(path, &["lint", "--select", "sensitive-host-path", "--helm", "a", "-f", "prod.yaml"]);
        out.lines().find_map(|line| line.trim().strip_prefix("= value: ")).map(str::to_owned)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(value("path: /root\n", ""), some("a/values.yaml:1: path"));
    assert_eq!(value("a: 1\npath: \"/root\"\n", "b: 2\n"), some("a/values.yaml:2: path"));
    // A later file takes precedence.
    assert_eq!(value("path: /root\n", "path: /root\n"), some("prod.yaml:1: path"));
    assert_eq!(value("path: /var/log\n", "a: [{path: /root}]\n"), some("prod.yaml:1: a[0].path"));
    // A list in a later file replaces the whole list, and a scalar replaces a mapping.
    assert_eq!(value("a: [/x, /root]\n", "a: [/y]\n"), None);
    assert_eq!(value("a: {b: [{c: /root}]}\n", "a: null\n"), None);
    assert_eq!(value("a: {b: /root}\nab: 1\n", "a: {c: 1}\n"), some("a/values.yaml:1: a.b"));
    // Of several equal values, the keys at the end of the paths decide.
    assert_eq!(
        value("a: {path: /root}\nhostPath:\n  path: /root\n", "mount: /root\n"),
        some("a/values.yaml:3: hostPath.path")
    );
    assert_eq!(value("a: {path: /root}\nb: {path: /root}\n", ""), None);
    // The value is unknown, or the values file is not valid YAML.
    assert_eq!(value("path: /etc\n", ""), None);
    assert_eq!(value("path: [\n", ""), None);
    // The path is in the template itself.
    fs::write(path.join("a/templates/pod.yaml"), TEMPLATE.replace("/etc/kubernetes", "/root"))
        .expect("written");
    assert_eq!(value("path: /root\n", ""), None);
}

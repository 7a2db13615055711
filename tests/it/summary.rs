//! The summary of a run: each of its lines is true, and no format hides what was not checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use volcheck::report::Format;

use crate::changed::git;
use crate::render::write_program;
use crate::support::temp_dir;

/// Returns a Pod with two errors.
fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: c\n    image: i\n    \
         volumeMounts: [{{name: v, mountPath: /m}}]\n  volumes:\n  - name: v\n    hostPath: {{path: /etc, type: \
         Directory}}\n"
    )
}

/// Returns the output of helm for a template.
fn template(path: &str, text: &str) -> String {
    format!("---\n# Source: {path}\n{text}")
}

/// An output of a run.
struct Lint {
    code: i32,
    out: String,
    err: String,
}

impl Lint {
    fn run(directory: &Path, arguments: &[&str]) -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("lint")
            .args(arguments)
            .current_dir(directory)
            .env("PATH", format!("{}:/usr/bin:/bin", directory.join("bin").display()))
            .output()
            .expect("volcheck");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let code = output.status.code().expect("an exit code");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Returns the sentences of the summary of a text report, without those about fixes and about
    /// the command that exempts findings.
    fn summary(directory: &Path, arguments: &[&str]) -> Vec<String> {
        let out = Self::run(directory, arguments).out;
        let start = out.rfind("\n\n").map_or(0, |end| end + 2);
        let lines = out[start..]
            .lines()
            .filter(|line| !line.starts_with("To exempt findings: ") && !line.contains(" fixable with "));
        lines.map(str::to_owned).collect()
    }
}

/// A chart with two templates and a dependency, and a fake `helm` that prints them.
fn chart() -> tempfile::TempDir {
    let raw = "kind: {{ .Values.kind }}: a\n";
    let directory = temp_dir(&[
        ("shop/Chart.yaml", "name: shop\n"),
        ("shop/templates/a.yaml", raw),
        ("shop/templates/b.yaml", raw),
        ("shop/charts/db/Chart.yaml", "name: db\n"),
        ("other/Chart.yaml", "name: other\n"),
    ]);
    let rendered = [
        template("shop/templates/a.yaml", &pod("a")),
        template("shop/templates/a.yaml", &pod("a2")),
        template("shop/templates/b.yaml", &pod("b")),
        template("shop/charts/db/templates/c.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: c}\n"),
    ];
    fs::write(directory.path().join("rendered"), rendered.concat()).expect("written");
    write_program(&directory.path().join("bin"), "helm", "cat rendered");
    directory
}

#[test]
fn counts_the_templates_of_a_rendered_chart_as_files() {
    let directory = chart();
    let path = directory.path();
    let found = |files| vec![format!("Found 6 problems (6 errors) in {files}.")];
    assert_eq!(Lint::summary(path, &["--helm", "shop"]), found("2 of 3 files"));
    let input = "cat rendered | \"$0\" lint - | tail -1";
    let arguments = ["-c", input, env!("CARGO_BIN_EXE_volcheck")];
    let output = Command::new("sh").args(arguments).current_dir(path).output().expect("sh");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text, "Found 6 problems (6 errors) in 2 of 3 files.\n");
    // A template that is checked both as a file and rendered is one file.
    fs::write(path.join("shop/templates/a.yaml"), pod("raw")).expect("written");
    fs::remove_file(path.join("shop/templates/b.yaml")).expect("removed");
    let summary = Lint::summary(path, &["--helm", "shop", "shop/templates"]);
    assert_eq!(summary, ["Found 8 problems (8 errors) in 2 of 3 files."]);
}

#[test]
fn rendered_charts_are_not_counted_as_unrendered() {
    let directory = chart();
    let path = directory.path();
    let last = |arguments: &[&str]| Lint::summary(path, arguments).pop().unwrap_or_default();
    assert_eq!(last(&["."]), "3 charts were not rendered.");
    // Rendering a chart renders its dependencies.
    for chart in ["shop", "./shop/", "other/../shop"] {
        assert_eq!(last(&["--helm", chart, "."]), "1 chart was not rendered.", "{chart}");
    }
    assert!(last(&["--helm", "shop", "--helm", "other", "."]).contains("could not be fully checked"));
    assert_eq!(
        last(&["--helm", "shop", "--helm", "other", "other"]),
        "Found 12 problems (12 errors) in 4 of 7 files."
    );
    // A chart that helm cannot render is not rendered.
    write_program(&path.join("bin"), "helm", "exit 1");
    assert_eq!(last(&["--helm", "other", "other"]), "1 chart was not rendered.");
}

#[test]
fn rendered_kustomizations_are_not_counted_as_unrendered() {
    let directory = temp_dir(&[
        ("base/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("base/pod.yaml", &pod("a")),
        ("prod/kustomization.yaml", "resources: [../base]\n"),
        ("test/kustomization.yaml", "resources: [../base]\n"),
    ]);
    let path = directory.path();
    write_program(&path.join("bin"), "kustomize", "cat base/pod.yaml");
    let last = |arguments: &[&str]| Lint::summary(path, arguments).pop().unwrap_or_default();
    assert_eq!(last(&["."]), "3 kustomizations were not rendered.");
    // Rendering an overlay renders its base.
    assert_eq!(last(&["--kustomize", "prod", "."]), "1 kustomization was not rendered.");
    let all = last(&["--kustomize", "prod", "--kustomize", "test", "."]);
    // Findings about the base are reported once, in its file.
    assert_eq!(all, "Found 2 problems (2 errors) in 1 of 4 files.");
}

#[test]
fn counts_all_inputs_that_could_not_be_checked() {
    let directory = chart();
    let path = directory.path();
    let templates = Lint::summary(path, &["shop/templates"]);
    assert_eq!(
        templates,
        [
            "Found no Kubernetes objects in the input that could be checked.",
            "2 inputs could not be fully checked.",
        ]
    );
    fs::write(path.join("pod.yaml"), pod("a")).expect("written");
    let mixed = Lint::summary(path, &["pod.yaml", "missing.yaml", "no*.yaml", "--helm", "absent/chart"]);
    assert_eq!(mixed[0], "Found 8 problems (8 errors) in 3 of 4 files.");
    assert_eq!(mixed[1], "2 inputs could not be fully checked.");
    let clean = Lint::summary(path, &["--select", "host-root", "pod.yaml", "missing.yaml"]);
    assert_eq!(clean[0], "Found no problems in the input that could be checked (1 object, 1 with volumes).");
}

#[test]
fn changes_of_any_template_report_the_chart() {
    let directory = chart();
    let path = directory.path();
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "a"]] {
        git(path, arguments);
    }
    assert_eq!(Lint::run(path, &["shop", "--changed-since", "HEAD", "--allow-empty"]).code, 0);
    for name in ["a", "b"] {
        let file = path.join(format!("shop/templates/{name}.yaml"));
        let text = fs::read_to_string(&file).expect("a file");
        fs::write(&file, format!("# changed\n{text}")).expect("written");
        let run = Lint::run(path, &["shop", "--changed-since", "HEAD"]);
        assert!(run.code == 2 && run.out.contains("error[unanalyzed-document]"), "{name}: {}", run.out);
        fs::write(&file, text).expect("written");
    }
}

#[test]
fn runs_without_objects_claim_no_success() {
    let directory = temp_dir(&[("values.yaml", "a: 1\n")]);
    let path = directory.path();
    fs::create_dir(path.join("empty")).expect("a directory");
    for (argument, summary) in [
        ("empty", "Found no Kubernetes objects in 0 files."),
        (".", "Found no Kubernetes objects in 1 file."),
    ] {
        for flags in [&[][..], &["--allow-empty"]] {
            assert_eq!(Lint::summary(path, &[&[argument], flags].concat()), [summary]);
        }
    }
    let failure = "no Kubernetes objects found; pass `--allow-empty` to allow this";
    for format in Format::ALL.map(Format::name) {
        let run = Lint::run(path, &["--format", format, "empty"]);
        assert_eq!((run.code, run.err), (2, format!("error: {failure}\n")), "{format}");
        let allowed = Lint::run(path, &["--format", format, "empty", "--allow-empty"]);
        assert_eq!((allowed.code, allowed.err.as_str()), (0, ""), "{format}");
        match format {
            "junit" => {
                assert!(run.out.contains("errors=\"1\"") && run.out.contains(failure), "{}", run.out);
                assert!(allowed.out.contains("name=\"no Kubernetes objects in 0 files\""), "{}", allowed.out);
            }
            "sarif" => {
                let success = |text: &str| {
                    let report: Value = serde_json::from_str(text).expect("JSON");
                    report["runs"][0]["invocations"][0]["executionSuccessful"].clone()
                };
                assert_eq!((success(&run.out), success(&allowed.out)), (false.into(), true.into()));
                assert!(run.out.contains(failure), "{}", run.out);
            }
            "github" => assert_eq!(run.out, format!("::error title=volcheck::{failure}\n")),
            _ => {}
        }
    }
}

/// An empty list is a valid answer of kubectl.
#[test]
fn empty_lists_are_no_failure() {
    let directory = temp_dir(&[("list.yaml", "apiVersion: v1\nkind: List\nitems: []\n")]);
    let run = Lint::run(directory.path(), &["--format", "junit", "list.yaml"]);
    assert!(run.code == 0 && run.out.contains("errors=\"0\""), "{}", run.out);
}

/// Formats without a summary mention on standard error what was not checked.
#[test]
fn formats_without_a_summary_report_unrendered_input_on_standard_error() {
    let directory = chart();
    let path = directory.path();
    fs::remove_dir_all(path.join("shop/templates")).expect("removed");
    fs::write(path.join("pod.yaml"), pod("a")).expect("written");
    let placeholder = pod("b").replace("/etc", "\"${ROOT:-/srv}/x\"");
    fs::write(path.join("agent.yaml"), placeholder).expect("written");
    let text = Lint::summary(path, &["."]);
    assert_eq!(text[1], "3 charts were not rendered.");
    assert!(text[2].starts_with("1 possible host path was not checked (agent.yaml:11:"), "{text:?}");
    let notes = format!("{}\n{}\n", text[1], text[2]);
    for format in Format::ALL {
        let run = Lint::run(path, &["--format", format.name(), "."]);
        match format {
            Format::Text | Format::Markdown | Format::Json | Format::Jsonl => assert_eq!(run.err, ""),
            _ => assert_eq!(run.err, notes, "{}", format.name()),
        }
        assert_eq!(Lint::run(path, &["--quiet", "--format", format.name(), "."]).err, "");
        if format == Format::Sarif {
            assert!(run.out.contains("3 charts were not rendered"), "{}", run.out);
        }
    }
}

#[test]
fn summary_states_that_no_rules_are_enabled() {
    let directory = temp_dir(&[("pod.yaml", &pod("a"))]);
    let note = "No rules are enabled, except those that report unchecked input.";
    for flags in [&["--profile", "none"][..], &["--select", "unanalyzed-document"]] {
        let summary = Lint::summary(directory.path(), &[&["pod.yaml"], flags].concat());
        assert_eq!(summary, ["No problems in 1 file (1 object, 1 with volumes).", note]);
        let run = Lint::run(directory.path(), &[&["--format", "concise", "pod.yaml"], flags].concat());
        assert_eq!(run.err, format!("{note}\n"));
    }
}

#[test]
fn unreadable_files_are_no_files_without_problems() {
    let directory = temp_dir(&[("a.yaml", &pod("a")), ("b.yaml", &pod("b"))]);
    let file = directory.path().join("b.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("permissions");
    if fs::read(&file).is_ok() {
        // The superuser can read it: use a directory with the name of a manifest instead.
        fs::remove_file(&file).expect("removed");
        std::os::unix::fs::symlink("absent", &file).expect("a link");
    }
    let summary = Lint::summary(directory.path(), &["--select", "host-root", "."]);
    assert_eq!(summary[1], "1 input could not be fully checked.");
    assert!(!summary[0].contains("2 files"), "{summary:?}");
}

//! `volcheck baseline` changes only the entries of the inputs that it checks.

use std::fs;
use std::path::Path;

use crate::render::write_program;
use crate::support::{temp_dir, volcheck_in};

const BASELINE: &str = ".volcheck-baseline.json";

fn pod(name: &str, path: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers: [{{name: c, image: i}}]\n  \
         volumes: [{{name: v, hostPath: {{path: {path}, type: Directory}}}}]\n"
    )
}

/// Returns a Pod without findings.
fn good(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
    )
}

/// A directory with two Pods with findings, and a policy.
fn repository() -> tempfile::TempDir {
    let policy = format!("version: 1\nlint: {{baseline: {BASELINE}}}\n");
    temp_dir(&[
        ("a/pod.yaml", &pod("a", "/root")),
        ("b/pod.yaml", &pod("b", "/root")),
        ("volcheck.yaml", &policy),
    ])
}

/// Runs volcheck. `bin` in the directory may contain a fake `helm`.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(arguments)
        .current_dir(directory)
        .env("PATH", format!("{}:/usr/bin:/bin", directory.join("bin").display()))
        .output()
        .expect("volcheck");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout) + &text(output.stderr))
}

fn entries(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join(BASELINE)).expect("a baseline");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let entries = json["entries"].as_array().expect("entries");
    let mut names: Vec<_> =
        entries.iter().map(|entry| entry["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn runs_on_some_inputs_keep_the_other_entries() {
    let repository = repository();
    let directory = repository.path();
    assert_eq!(run(directory, &["baseline"]).0, 0);
    let before = fs::read_to_string(directory.join(BASELINE)).expect("a baseline");
    for arguments in [
        &["baseline", "a"][..],
        &["baseline", "--prune", "a"],
        &["baseline", "--force", "b/pod.yaml"],
        &["baseline", "--prune", "--select", "runtime-socket"],
        &["baseline", "--prune", "--exclude", "b/**"],
    ] {
        let (code, text) = run(directory, arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        assert_eq!(
            fs::read_to_string(directory.join(BASELINE)).expect("a baseline"),
            before,
            "{arguments:?}"
        );
    }
    // The paths do not depend on the working directory.
    assert_eq!(volcheck_in(&directory.join("a"), &["baseline", "--prune", "../b"]).0, 0);
    assert_eq!(fs::read_to_string(directory.join(BASELINE)).expect("a baseline"), before);
    fs::write(directory.join("a/pod.yaml"), good("a")).expect("written");
    fs::write(directory.join("b/pod.yaml"), good("b")).expect("written");
    assert_eq!(run(directory, &["baseline", "--prune", "b"]).0, 0);
    assert_eq!(entries(directory), ["a"]);
    let (code, text) = run(directory, &["lint"]);
    assert!(code == 0 && text.contains("[stale-baseline]"), "{text}");
    fs::remove_dir_all(directory.join("a")).expect("deleted");
    assert_eq!(run(directory, &["baseline", "--prune"]).0, 0);
    assert_eq!(entries(directory), [""; 0]);
}

#[test]
fn moved_objects_keep_their_entries() {
    let repository = repository();
    let directory = repository.path();
    assert_eq!(run(directory, &["baseline"]).0, 0);
    fs::create_dir(directory.join("c")).expect("a directory");
    fs::rename(directory.join("a/pod.yaml"), directory.join("c/pod.yaml")).expect("moved");
    assert_eq!(run(directory, &["lint"]).0, 0);
    assert_eq!(run(directory, &["baseline", "c"]).0, 0);
    assert_eq!(entries(directory), ["a", "b"]);
    let text = fs::read_to_string(directory.join(BASELINE)).expect("a baseline");
    assert!(text.contains("\"file\":\"c/pod.yaml\"") && !text.contains("\"file\":\"a/pod.yaml\""), "{text}");
}

#[test]
fn writes_nothing_if_an_input_fails() {
    let repository = repository();
    let directory = repository.path();
    assert_eq!(run(directory, &["baseline"]).0, 0);
    let before = fs::read_to_string(directory.join(BASELINE)).expect("a baseline");
    for arguments in [&["baseline", "--prune", "missing/"][..], &["baseline", "--prune", "a", "nosuch.yaml"]]
    {
        let (code, text) = run(directory, arguments);
        assert!(code == 2 && text.contains("the baseline was not written"), "{arguments:?}: {text}");
        assert_eq!(fs::read_to_string(directory.join(BASELINE)).expect("a baseline"), before);
    }
    fs::write(directory.join("bad.yaml"), "kind: [\n").expect("written");
    assert_eq!(run(directory, &["baseline", "--force"]).0, 2);
    fs::remove_file(directory.join(BASELINE)).expect("removed");
    assert_eq!(run(directory, &["baseline"]).0, 2);
    assert!(!directory.join(BASELINE).exists());
}

#[test]
fn plain_runs_keep_the_entries_of_charts() {
    let repository = repository();
    let directory = repository.path();
    fs::create_dir_all(directory.join("chart/templates")).expect("a directory");
    fs::write(directory.join("chart/Chart.yaml"), "name: shop\n").expect("written");
    let rendered = format!("---\n# Source: shop/templates/pod.yaml\n{}", pod("rendered", "/root"));
    fs::write(directory.join("rendered.txt"), rendered).expect("written");
    write_program(&directory.join("bin"), "helm", "cat rendered.txt");
    assert_eq!(run(directory, &["baseline", ".", "--helm", "chart"]).0, 0);
    assert_eq!(entries(directory), ["a", "b", "rendered"]);
    let (code, text) = run(directory, &["lint"]);
    assert!(code == 0 && !text.contains("[stale-baseline]"), "{text}");
    assert_eq!(run(directory, &["baseline", "--prune"]).0, 0);
    assert_eq!(run(directory, &["baseline"]).0, 0);
    assert_eq!(entries(directory), ["a", "b", "rendered"]);
    assert_eq!(run(directory, &["lint", ".", "--helm", "chart"]).0, 0);
    fs::write(directory.join("rendered.txt"), good("rendered")).expect("written");
    let (_, text) = run(directory, &["lint", ".", "--helm", "chart"]);
    assert!(text.contains("[stale-baseline]"), "{text}");
    assert_eq!(run(directory, &["baseline", "--prune", "--helm", "chart"]).0, 0);
    assert_eq!(entries(directory), ["a", "b"]);
}

/// Charts with names such as `migrate-{{ randAlphaNum 5 }}` are different in each run.
#[test]
fn patterns_match_generated_names() {
    let repository = repository();
    let directory = repository.path();
    let job = |suffix: &str| {
        fs::write(directory.join("job.yaml"), pod(&format!("migrate-{suffix}"), "/root")).expect("written");
    };
    job("x7k2p");
    assert_eq!(run(directory, &["baseline"]).0, 0);
    job("q9d4z");
    let (code, text) = run(directory, &["lint"]);
    assert!(code == 1 && text.contains("replace the part that differs with `*`"), "{text}");
    let text = fs::read_to_string(directory.join(BASELINE)).expect("a baseline");
    fs::write(directory.join(BASELINE), text.replace("migrate-x7k2p", "migrate-*")).expect("written");
    for suffix in ["q9d4z", "m2m2m"] {
        job(suffix);
        let (code, text) = run(directory, &["lint"]);
        assert!(code == 0 && !text.contains("[stale-baseline]"), "{text}");
        assert_eq!(run(directory, &["baseline"]).0, 0);
        assert_eq!(entries(directory), ["a", "b", "migrate-*"]);
    }
    // The number of findings still counts.
    fs::write(directory.join("second.yaml"), pod("migrate-again", "/root")).expect("written");
    assert_eq!(run(directory, &["lint"]).0, 1);
}

#[test]
fn lint_warns_about_a_baseline_that_is_not_used() {
    let directory = temp_dir(&[("a.yaml", &pod("a", "/root")), (".git/HEAD", "")]);
    let directory = directory.path();
    assert_eq!(run(directory, &["baseline"]).0, 0);
    let warning = "warning: .volcheck-baseline.json is not used. To use the baseline, set `lint.baseline`";
    let (code, text) = run(directory, &["lint"]);
    assert!(code == 1 && text.contains(warning), "{text}");
    for arguments in [&["lint", "--no-ignores"][..], &["lint", "--baseline", ".volcheck-baseline.json"]] {
        let (_, text) = run(directory, arguments);
        assert!(!text.contains("is not used"), "{arguments:?}: {text}");
    }
}

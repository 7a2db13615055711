//! The command line: what each flag does, and the exit codes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use volcheck::rules::Registry;

use crate::reports::{out, volcheck};
use crate::support::{lint, root, selecting, temp_dir};

const FIRST: &str = "examples/first/agent.yaml";

fn code(arguments: &[&str]) -> i32 {
    volcheck(arguments).status.code().expect("an exit code")
}

fn rules_found(arguments: &[&str]) -> BTreeSet<String> {
    let output = volcheck(&[&["lint", "--format", "json"], arguments].concat());
    let report: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["rule"].as_str().expect("a rule").to_owned()).collect()
}

#[test]
fn fail_on_decides_the_exit_code_alone() {
    let file = "tests/fixtures/writable-host-path/bad/containers.yaml";
    let lint = |fail_on: &str, select: &str| code(&["lint", "--fail-on", fail_on, "--select", select, file]);
    assert_eq!(lint("error", "writable-host-path"), 1);
    assert_eq!(lint("warning", "writable-host-path"), 1);
    assert_eq!(lint("info", "writable-host-path"), 1);
    assert_eq!(lint("never", "writable-host-path"), 0);
    assert_eq!(code(&["lint", "--profile", "none", FIRST]), 0);
    assert_eq!(code(&["lint", "--min-severity", "error", "--fail-on", "error", FIRST]), 1);
}

#[test]
fn select_ignore_and_profile_choose_rules() {
    assert_eq!(
        rules_found(&["--select", "writable-host-path", FIRST]),
        BTreeSet::from(["writable-host-path".to_owned()])
    );
    assert_eq!(
        rules_found(&["--select", "writable-host-path", "--ignore", "writable-host-path", FIRST]),
        BTreeSet::new()
    );
    assert!(!rules_found(&["--ignore", "writable-host-path", FIRST]).contains("writable-host-path"));
    assert_eq!(rules_found(&["--profile", "none", FIRST]), BTreeSet::new());
    assert_eq!(rules_found(&["--no-policy", "--no-ignores", FIRST]), rules_found(&[FIRST]));
}

#[test]
fn min_severity_hides_and_counts() {
    let text = out(&volcheck(&["lint", "--min-severity", "error", FIRST]));
    assert!(!text.contains("warning["), "{text}");
    let all = out(&volcheck(&["lint", "--min-severity", "info", FIRST]));
    assert!(!all.contains("not shown"), "{all}");
}

#[test]
fn namespace_is_that_of_objects_that_name_none() {
    let file = "examples/guidance/g02-writable.yaml";
    assert!(out(&volcheck(&["lint", file])).contains("object: Pod default/log-reader"));
    assert!(out(&volcheck(&["lint", "--namespace", "shop", file])).contains("object: Pod shop/log-reader"));
}

#[test]
fn exclude_holds_for_files_that_are_named() {
    assert_eq!(code(&["lint", "--allow-empty", "--exclude", "examples/first/*", FIRST]), 0);
    assert_eq!(code(&["lint", "--exclude", "examples/**", "examples"]), 2);
}

#[test]
fn globs_and_endings_choose_files() {
    let files = |arguments: &[&str]| {
        let output = volcheck(&[&["lint", "--format", "json"], arguments].concat());
        let report: Value = serde_json::from_str(&out(&output)).expect("JSON");
        report["summary"]["files"].as_u64().expect("a number")
    };
    assert_eq!(files(&["examples/guidance/g0*.yaml"]), 9);
    assert_eq!(files(&["examples/**/g1*.yaml"]), 2);
    assert_eq!(files(&["examples", "examples/first"]), 17);
    assert_eq!(files(&["--ext", "json", "--allow-empty", "examples"]), 0);
}

#[test]
fn standard_input_has_the_name_that_it_is_given() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["lint", "--stdin-filename", "rendered.yaml", "--format", "concise", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("volcheck runs");
    let text = fs::read(root().join(FIRST)).expect("an example");
    child.stdin.take().expect("a pipe").write_all(&text).expect("written");
    let output = child.wait_with_output().expect("an end");
    assert!(out(&output).starts_with("rendered.yaml:18:11: error[writable-host-path]"), "{}", out(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn ignore_files_are_respected() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(root().join(FIRST)).expect("an example");
    fs::write(folder.path().join("seen.yaml"), &text).expect("written");
    fs::write(folder.path().join("unseen.yaml"), &text).expect("written");
    fs::create_dir(folder.path().join(".hidden")).expect("a folder");
    fs::write(folder.path().join(".hidden/seen.yml"), &text).expect("written");
    fs::write(folder.path().join(".gitignore"), "unseen.yaml\n").expect("written");
    let path = folder.path().to_str().expect("a path");
    let lines = |arguments: &[&str]| {
        let output = volcheck(
            &[&["lint", "--format", "concise", "--select", "writable-host-path", path], arguments].concat(),
        );
        out(&output).lines().count()
    };
    assert_eq!(lines(&[]), 2);
    assert_eq!(lines(&["--no-gitignore"]), 3);
}

#[test]
fn strict_parse_judges_what_is_skipped_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.yaml");
    fs::write(&file, "apiVersion: v1\nkind: Service\nmetadata:\n  name: [a\n").expect("written");
    let file = file.to_str().expect("a path");
    assert_eq!(code(&["lint", file]), 0);
    assert_eq!(code(&["lint", "--strict-parse", file]), 2);
}

#[test]
fn explain_shows_each_page() {
    for rule in Registry::built_in().iter() {
        assert_eq!(out(&volcheck(&["explain", rule.id.as_str()])), rule.page().markdown);
    }
    let index = out(&volcheck(&["explain"]));
    assert!(Registry::built_in().iter().all(|rule| index.contains(rule.id.as_str())));
    let unknown = volcheck(&["explain", "writeable-host-path"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `writable-host-path`?"));
}

#[test]
fn rules_are_listed_in_each_format() {
    let text = out(&volcheck(&["rules"]));
    assert_eq!(text.lines().count(), Registry::built_in().iter().len() + 1);
    let list: Value = serde_json::from_str(&out(&volcheck(&["rules", "--format", "json"]))).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(Registry::built_in().iter().len()));
    let off = out(&volcheck(&["rules", "--profile", "none"]));
    assert_eq!(
        off.lines().skip(1).filter(|line| line.contains(" off ")).count(),
        Registry::built_in().iter().len()
    );
    assert!(out(&volcheck(&["rules", "--format", "markdown"])).contains("| [`writable-host-path`]"));
}

#[test]
fn a_review_is_answered_as_the_webhook_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("review.json");
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","volumeMounts":[{"name":"v","mountPath":"/m"}]}],"volumes":[{"name":"v","hostPath":{"path":"/srv/x","type":"Directory"}}]}}"#;
    let review = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1","object":{pod}}}}}"#
    );
    fs::write(&file, review).expect("written");
    let path = file.to_str().expect("a path");
    let denied = volcheck(&["review", path]);
    let answer: Value = serde_json::from_str(&out(&denied)).expect("JSON");
    assert_eq!(denied.status.code(), Some(1));
    assert_eq!(answer["response"]["uid"], "u-1");
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    let allowed = volcheck(&["review", "--profile", "none", path]);
    assert_eq!(allowed.status.code(), Some(0));
    assert_eq!(code(&["review", "--endpoint", "advise", path]), 0);
    let lax = folder.path().join("lax.yaml");
    fs::write(&lax, "version: 1\nmodes: {\"*\": warn}\n").expect("written");
    let under_lax =
        |endpoint| code(&["review", "--endpoint", endpoint, "--policy", lax.to_str().expect("a path"), path]);
    assert_eq!((under_lax("validate"), under_lax("strict")), (0, 1));
    fs::write(&file, "{}").expect("written");
    assert_eq!(code(&["review", path]), 2);
}

#[test]
fn each_statement_of_the_guidance_has_an_example_that_breaks_it() {
    let table = fs::read_to_string(root().join("docs/guidance.md")).expect("the table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| G"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 11);
    for row in rows {
        let (file, rule) = (row[3].trim_matches('`'), row[4].trim_matches('`'));
        let text = fs::read_to_string(root().join(file)).expect("an example");
        let policy = selecting(&Registry::built_in().iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>());
        let outcome = lint(&policy, file, &text);
        assert!(outcome.unchecked.is_empty());
        assert!(rules_found(&[file]).contains(rule), "{}: {file} has no {rule}", row[1]);
    }
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let commands =
        ["lint", "baseline", "review", "explain", "rules", "init", "policy", "schema", "completions", "man"];
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&volcheck(&["completions", shell]));
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man");
    assert_eq!(code(&["man", pages.to_str().expect("a path")]), 0);
    for command in commands {
        let page = fs::read_to_string(pages.join(format!("volcheck-{command}.1"))).expect("a page");
        assert!(page.contains(".TH"), "{command}");
    }
    assert_eq!(code(&["man", "Cargo.toml"]), 2);
    assert_eq!(code(&["completions", "nosuch"]), 2);
}

#[cfg(unix)]
#[test]
fn a_backslash_in_a_name_stays_one() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(root().join(FIRST), folder.path().join("a\\b.yaml")).expect("a copy");
    let text = out(&volcheck(&["lint", "--format", "concise", folder.path().to_str().expect("a path")]));
    assert!(text.contains("/a\\b.yaml:"), "{text}");
}

#[test]
fn the_version_is_said_and_links_wait_for_an_address() {
    assert_eq!(out(&volcheck(&["--version"])), format!("volcheck {}\n", env!("CARGO_PKG_VERSION")));
    for when in ["auto", "always", "never"] {
        let text = out(&volcheck(&["lint", "--links", when, FIRST]));
        assert!(text.contains("= docs: volcheck explain writable-host-path\n"), "{text}");
    }
}

#[test]
fn every_flag_of_the_command_line_is_exercised() {
    let mut tests = String::new();
    for folder in ["tests/it", "tests/delivery", "tests/e2e", ".ci"] {
        for entry in fs::read_dir(root().join(folder)).into_iter().flatten() {
            tests.push_str(&fs::read_to_string(entry.expect("an entry").path()).unwrap_or_default());
        }
    }
    let page = fs::read_to_string(root().join("docs/reference/cli.md")).expect("the page");
    let flags: BTreeSet<&str> = page
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| {
            word.trim_end_matches([',', '.', ')', ':', ';', '`']).split('=').next().unwrap_or_default()
        })
        .filter(|flag| flag.len() > 3)
        .collect();
    assert!(flags.len() > 25, "{flags:?}");
    let missing: Vec<_> = flags.iter().filter(|flag| !tests.contains(**flag)).collect();
    assert!(missing.is_empty(), "no test uses {missing:?}");
}

#[test]
fn what_a_run_says_of_itself_goes_to_standard_error() {
    let folder = temp_dir(&[
        ("volcheck.yaml", "version: 1\nprofile: baseline\n"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\nno: object\n"),
        ("b/c.json", "{}"),
    ]);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("lint")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("volcheck");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (_, quiet, none) = run(&[]);
    assert_eq!(none, "");
    let policy = "policy: volcheck.yaml, profile baseline\n";
    let total = "files: 3, objects: 1, with volumes: 0, other documents: 3\n";
    assert_eq!(run(&["-v"]), (Some(0), quiet.clone(), format!("{policy}{total}")));
    let each = "a.yaml: objects: 1, with volumes: 0, other documents: 1\n";
    let (_, out, err) = run(&["--verbose", "--verbose"]);
    assert!(out == quiet && err.starts_with(&format!("{policy}{each}")) && err.ends_with(total), "{err}");
    assert_eq!(run(&["-v", "--no-policy"]).2.lines().next(), Some("policy: none, profile recommended"));
    let (code, out, err) = run(&["--timings"]);
    assert_eq!((code, out), (Some(0), quiet));
    let parts: Vec<_> = err.lines().filter_map(|line| line.split_once(": ")).map(|(part, _)| part).collect();
    assert_eq!(parts, ["policy and names", "reading and judging", "reporting"]);
    assert!(err.lines().all(|line| line.ends_with(" ms")), "{err}");
    assert_eq!(
        run(&["--show-files"]),
        (Some(0), "a.yaml\nb/c.json\nvolcheck.yaml\n".to_owned(), String::new())
    );
    let (code, out, err) = run(&["--show-files", "--exclude", "b/**", "a.yaml", "no*.yaml"]);
    assert_eq!((code, out.as_str()), (Some(2), "a.yaml\n"), "{err}");
    assert!(err.contains("could not read no*.yaml: no file matches the glob"), "{err}");
}

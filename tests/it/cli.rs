//! The command line: the effect of each flag, and the exit codes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use volcheck::rules::Registry;

use crate::reports::{out, volcheck};
use crate::support::{lint, root, selecting, temp_dir};

const FIRST: &str = "examples/first/agent.yaml";
/// A manifest with one finding of each severity.
const MIXED: &str = "examples/guidance/g11-undefined.yaml";

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
fn fail_on_sets_the_exit_code() {
    for (worst, rules, expected) in [
        ("error", &["--ignore", "host-root"][..], [1, 1, 1, 0]),
        ("warning", &["--ignore", "undefined-volume"], [0, 1, 1, 0]),
        ("info", &["--ignore", "undefined-volume,unused-volume"], [0, 0, 1, 0]),
        ("none", &["--profile", "none"], [0, 0, 0, 0]),
    ] {
        let lint = |arguments: &[&str]| code(&[&["lint", MIXED][..], rules, arguments].concat());
        let codes = ["error", "warning", "info", "never"].map(|fail_on| lint(&["--fail-on", fail_on]));
        assert_eq!(codes, expected, "{worst}");
        // Findings that `--min-severity` hides count too.
        assert_eq!(lint(&["--fail-on", "info", "--min-severity", "error"]), expected[2], "{worst}");
        assert_eq!(lint(&[]), expected[0], "{worst}: the default is error");
    }
}

#[test]
fn flags_select_the_enabled_rules() {
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
fn flags_do_not_disable_rules_about_unchecked_input() {
    let list = out(&volcheck(&["rules", "--select", "host-root", "--ignore", "invalid-field-value"]));
    for rule in ["unanalyzed-document", "invalid-field-value"] {
        let line = list.lines().find(|line| line.starts_with(rule)).expect("the rule");
        assert_eq!(line.split_whitespace().nth(1), Some("error"), "{line}");
    }
}

#[test]
fn min_severity_hides_findings_and_counts_them() {
    for (severity, labels, summary) in [
        (
            "error",
            &["error"][..],
            "Found 1 problem (1 error) in 1 of 1 file; 1 warning and 1 info not shown.",
        ),
        (
            "warning",
            &["error", "warning"],
            "Found 2 problems (1 error, 1 warning) in 1 of 1 file; 1 info not shown.",
        ),
        (
            "info",
            &["error", "warning", "info"],
            "Found 3 problems (1 error, 1 warning, 1 info) in 1 of 1 file.",
        ),
    ] {
        let text = out(&volcheck(&["lint", "--min-severity", severity, MIXED]));
        let shown = |label: &&str| text.lines().any(|line| line.starts_with(&format!("{label}[")));
        let all = ["error", "warning", "info"];
        assert_eq!(all.into_iter().filter(shown).collect::<Vec<_>>(), labels, "{text}");
        assert!(text.lines().any(|line| line == summary), "{text}");
    }
}

#[test]
fn namespace_applies_to_objects_without_one() {
    let file = "examples/guidance/g02-writable.yaml";
    assert!(out(&volcheck(&["lint", file])).contains("object: Pod default/log-reader"));
    assert!(out(&volcheck(&["lint", "--namespace", "shop", file])).contains("object: Pod shop/log-reader"));
}

#[test]
fn exclude_applies_to_files_given_as_arguments() {
    assert_eq!(code(&["lint", "--allow-empty", "--exclude", "examples/first/*", FIRST]), 0);
    assert_eq!(code(&["lint", "--exclude", "examples/**", "examples"]), 2);
}

#[test]
fn globs_and_extensions_select_files() {
    let files = |arguments: &[&str]| {
        let output = volcheck(&[&["lint", "--format", "json"], arguments].concat());
        let report: Value = serde_json::from_str(&out(&output)).expect("JSON");
        report["summary"]["files"].as_u64().expect("a number")
    };
    assert_eq!(files(&["examples/guidance/g0*.yaml"]), 9);
    assert_eq!(files(&["examples/**/g1*.yaml"]), 2);
    assert_eq!(files(&["examples/guidance", "examples/guidance/g1*.yaml"]), 11);
    assert_eq!(files(&["--ext", "json", "--allow-empty", "examples"]), 0);
}

#[test]
fn stdin_filename_sets_the_reported_path() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
        .args(["lint", "--stdin-filename", "rendered.yaml", "--format", "concise", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("volcheck runs");
    let text = fs::read(root().join(FIRST)).expect("an example");
    child.stdin.take().expect("a pipe").write_all(&text).expect("written");
    let output = child.wait_with_output().expect("an exit");
    assert!(out(&output).starts_with("rendered.yaml:18:11: error[writable-host-path]"), "{}", out(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn gitignore_excludes_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = fs::read_to_string(root().join(FIRST)).expect("an example");
    fs::write(directory.path().join("included.yaml"), &text).expect("written");
    fs::write(directory.path().join("ignored.yaml"), &text).expect("written");
    fs::create_dir(directory.path().join(".hidden")).expect("a directory");
    fs::write(directory.path().join(".hidden/included.yml"), &text).expect("written");
    fs::write(directory.path().join(".gitignore"), "ignored.yaml\n").expect("written");
    let path = directory.path().to_str().expect("a path");
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
fn strict_parse_reports_errors_in_skipped_documents() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a.yaml");
    fs::write(&file, "apiVersion: v1\nkind: Service\nmetadata:\n  name: [a\n").expect("written");
    let file = file.to_str().expect("a path");
    assert_eq!(code(&["lint", file]), 0);
    assert_eq!(code(&["lint", "--strict-parse", file]), 2);
}

#[test]
fn explain_lists_the_rules() {
    let index = out(&volcheck(&["explain"]));
    assert!(Registry::built_in().iter().all(|rule| index.contains(rule.id.as_str())));
    let unknown = volcheck(&["explain", "writeable-host-path"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `writable-host-path`?"));
}

#[test]
fn rules_lists_all_rules_in_each_format() {
    let text = out(&volcheck(&["rules"]));
    // The header precedes the rules, and an empty line and a legend follow them.
    assert_eq!(text.lines().count(), Registry::built_in().iter().len() + 3);
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
fn review_prints_the_response_of_the_webhook() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("review.json");
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","volumeMounts":[{"name":"v","mountPath":"/m"}]}],"volumes":[{"name":"v","hostPath":{"path":"/srv/x","type":"Directory"}}]}}"#;
    let review = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1","object":{pod}}}}}"#
    );
    fs::write(&file, review).expect("written");
    let path = file.to_str().expect("a path");
    let denied = volcheck(&["review", path]);
    let response: Value = serde_json::from_str(&out(&denied)).expect("JSON");
    assert_eq!(denied.status.code(), Some(1));
    assert_eq!(response["response"]["uid"], "u-1");
    assert_eq!(response["response"]["allowed"], false);
    assert_eq!(response["response"]["status"]["code"], 403);
    let allowed = volcheck(&["review", "--profile", "none", path]);
    assert_eq!(allowed.status.code(), Some(0));
    assert_eq!(code(&["review", "--endpoint", "advise", path]), 0);
    let warn = directory.path().join("warn.yaml");
    fs::write(&warn, "version: 1\nmodes: {\"*\": warn}\n").expect("written");
    let in_warn_mode = |endpoint| {
        code(&["review", "--endpoint", endpoint, "--policy", warn.to_str().expect("a path"), path])
    };
    assert_eq!((in_warn_mode("validate"), in_warn_mode("strict")), (0, 1));
    fs::write(&file, "{}").expect("written");
    assert_eq!(code(&["review", path]), 2);
}

#[test]
fn guidance_examples_violate_their_rules() {
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
        assert!(rules_found(&[file]).contains(rule), "{}: {rule} reports nothing in {file}", row[1]);
    }
}

#[test]
fn completions_and_manual_cover_every_command() {
    let (commands, _) = help(&[]);
    assert!(commands.len() > 9, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&volcheck(&["completions", shell]));
        let words: BTreeSet<&str> = script.split(|c: char| !c.is_alphanumeric()).collect();
        assert!(commands.iter().all(|command| words.contains(command.as_str())), "{shell}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("man");
    assert_eq!(code(&["man", pages.to_str().expect("a path")]), 0);
    for command in &commands {
        let page = fs::read_to_string(pages.join(format!("volcheck-{command}.1"))).expect("a page");
        assert!(page.contains(".TH"), "{command}");
    }
    assert_eq!(code(&["man", "Cargo.toml"]), 2);
    assert_eq!(code(&["completions", "nosuch"]), 2);
}

#[cfg(unix)]
#[test]
fn keeps_backslashes_in_file_names() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::copy(root().join(FIRST), directory.path().join("a\\b.yaml")).expect("a copy");
    let text = out(&volcheck(&["lint", "--format", "concise", directory.path().to_str().expect("a path")]));
    assert!(text.contains("/a\\b.yaml:"), "{text}");
}

#[test]
fn prints_the_package_version() {
    assert_eq!(out(&volcheck(&["--version"])), format!("volcheck {}\n", env!("CARGO_PKG_VERSION")));
}

/// Returns the subcommands and the flags in the help of a command.
fn help(command: &[String]) -> (Vec<String>, Vec<String>) {
    let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
    let text = out(&volcheck(&arguments));
    let list = text.split_once("\nCommands:\n").map_or("", |(_, list)| list);
    let subcommands = list
        .lines()
        .take_while(|line| !line.is_empty())
        // The lines of a wrapped description have more indentation.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help");
    let flags = text.lines().filter_map(|line| {
        let line = line.trim_start();
        let long = line.starts_with('-').then(|| line.split(' ').find(|word| word.starts_with("--")))??;
        Some(long.trim_end_matches([',', '.', ';', '`']))
    });
    (subcommands.map(str::to_owned).collect(), flags.map(str::to_owned).collect())
}

/// Adds the flags of a command and, recursively, of its subcommands to `all`.
fn add_flags(command: &mut Vec<String>, all: &mut BTreeSet<String>) {
    let (subcommands, flags) = help(command);
    all.extend(flags);
    for subcommand in subcommands {
        command.push(subcommand);
        add_flags(command, all);
        command.pop();
    }
}

#[cfg(feature = "server")]
#[test]
fn serve_rejects_durations_of_zero() {
    for flag in ["--ca-overlap", "--registration-delay"] {
        let output = volcheck(&["serve", "--service", "volcheck", flag, "0"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains("must be positive"), "{text}");
    }
}

#[test]
fn tests_cover_every_flag() {
    let mut tests = String::new();
    for entry in fs::read_dir(root().join("tests/it")).expect("a directory") {
        tests.push_str(&fs::read_to_string(entry.expect("an entry").path()).expect("a test"));
    }
    let mut flags = BTreeSet::new();
    add_flags(&mut Vec::new(), &mut flags);
    assert!(flags.len() > 25, "{flags:?}");
    // An argument is a whole string literal: the flag, or the flag with its value.
    let is_passed =
        |flag: &String| tests.contains(&format!("\"{flag}\"")) || tests.contains(&format!("\"{flag}="));
    let missing: Vec<_> = flags.iter().filter(|flag| !is_passed(flag)).collect();
    assert!(missing.is_empty(), "no test passes {missing:?}");
}

#[test]
fn verbose_and_timings_print_to_standard_error() {
    let directory = temp_dir(&[
        ("volcheck.yaml", "version: 1\nprofile: baseline\n"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\nno: object\n"),
        ("b/c.json", "{}"),
    ]);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("lint")
            .args(arguments)
            .current_dir(directory.path())
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
    let phases: Vec<_> =
        err.lines().filter_map(|line| line.split_once(": ")).map(|(phase, _)| phase).collect();
    assert_eq!(phases, ["loading policy and discovering files", "checking files", "writing reports"]);
    assert!(err.lines().all(|line| line.ends_with(" ms")), "{err}");
    assert_eq!(
        run(&["--show-files"]),
        (Some(0), "a.yaml\nb/c.json\nvolcheck.yaml\n".to_owned(), String::new())
    );
    let (code, out, err) = run(&["--show-files", "--exclude", "b/**", "a.yaml", "no*.yaml"]);
    assert_eq!((code, out.as_str()), (Some(2), "a.yaml\n"), "{err}");
    assert!(err.contains("could not read no*.yaml: no file matches the glob"), "{err}");
}

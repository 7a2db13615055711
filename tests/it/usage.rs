//! Help, completions and usage errors.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use volcheck::finding::Severity;
use volcheck::policy::Profile;
use volcheck::report::Format;
use volcheck::rules::Registry;

use crate::reports::{out, volcheck};
use crate::support::temp_dir;

const FIRST: &str = "examples/first/agent.yaml";

/// Returns the error of a run that exits with 2 and prints nothing to standard output.
fn error(arguments: &[&str]) -> String {
    let run = volcheck(arguments);
    assert_eq!((run.status.code(), out(&run).as_str()), (Some(2), ""), "{arguments:?}");
    String::from_utf8(run.stderr).expect("UTF-8")
}

#[test]
fn completions_contain_formats_profiles_severities_and_rules() {
    let rules = || Registry::built_in().iter().map(|rule| rule.id.as_str());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&volcheck(&["completions", shell]));
        let has =
            |name: &str| script.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == name);
        if shell == "elvish" || shell == "powershell" {
            // clap_complete completes no values for these shells.
            continue;
        }
        let names = Format::ALL.map(Format::name).into_iter().chain(Profile::ALL.map(Profile::name));
        for name in names.chain(Severity::ALL.map(Severity::name)).chain(rules()) {
            assert!(has(name), "{shell}: {name}");
        }
    }
    // `--select`, `--ignore` and `explain` complete rules, after each command that has them.
    let bash = out(&volcheck(&["completions", "bash"]));
    let lists = bash.matches("compgen -W \"host-root ").count() + bash.matches(" host-root ").count();
    assert!(lists > 4, "{lists} lists of rules");
}

#[test]
fn unknown_values_get_a_suggestion() {
    for (arguments, suggestion) in [
        (&["lint", "--format", "sariff"][..], "a similar value exists: 'sarif'"),
        (&["lint", "--output", "sariff=a"], "unknown format `sariff`; did you mean `sarif`?"),
        (&["lint", "--output", "xyz=a"], "unknown format `xyz`; expected `text`, `concise`, "),
        (&["lint", "--profile", "baselin"], "a similar value exists: 'baseline'"),
        (&["lint", "--min-severity", "warn"], "a similar value exists: 'warning'"),
        (&["lint", "--fail-on", "eror"], "a similar value exists: 'error'"),
        (&["lint", "--select", "host-rot"], "unknown rule `host-rot`; did you mean `host-root`?"),
        (&["lint", "--ignore", "host-rot"], "unknown rule `host-rot`; did you mean `host-root`?"),
        (&["explain", "host-rot"], "unknown rule `host-rot`; did you mean `host-root`?"),
        (&["rules", "--format", "jsn"], "a similar value exists: 'json'"),
    ] {
        let error = error(arguments);
        assert!(error.contains(suggestion), "{arguments:?}: {error}");
    }
}

#[test]
fn stdin_filename_requires_standard_input() {
    for command in ["lint", "baseline"] {
        let error = error(&[command, "--stdin-filename", "a.yaml", FIRST]);
        assert_eq!(error, "error: --stdin-filename requires the path `-`, which reads standard input\n");
    }
}

#[test]
fn help_groups_options_and_lists_exit_codes() {
    let help = |command: &str| out(&volcheck(&[command, "--help"]));
    let lint = help("lint");
    let headings: Vec<_> =
        lint.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    let expected = ["Arguments:", "Input:", "Policy:", "Findings:", "Report:", "Diagnostics:", "Exit codes:"];
    let known: Vec<_> = headings.iter().copied().filter(|heading| expected.contains(heading)).collect();
    assert_eq!(
        known,
        [
            "Arguments:",
            "Options:",
            "Input:",
            "Policy:",
            "Findings:",
            "Report:",
            "Diagnostics:",
            "Exit codes:"
        ]
        .into_iter()
        .filter(|heading| expected.contains(heading))
        .collect::<Vec<_>>()
    );
    let options = lint.split_once("\nOptions:\n").expect("options").1;
    let options = options.split_once("\n\n").expect("an end").0;
    assert_eq!(options.trim(), "-h, --help  Print help", "options without a group");
    let top = out(&volcheck(&["--help"]));
    for text in [&top, &lint, &help("review")] {
        let codes = text.split_once("\nExit codes:\n").expect("exit codes").1;
        let numbers: Vec<_> = codes.lines().filter_map(|line| line.strip_prefix("  ")?.get(..1)).collect();
        assert!(["0", "1", "2"].iter().all(|number| numbers.contains(number)), "{codes}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    assert_eq!(volcheck(&["man", &path]).status.code(), Some(0));
    let page = fs::read_to_string(directory.path().join("volcheck-lint.1")).expect("a page");
    assert!(page.contains("Exit codes:"), "{page}");
    let page = page.to_lowercase();
    for heading in ["input", "policy", "findings", "report", "diagnostics"] {
        assert!(
            page.contains(&format!("\n.sh {heading}\n")) || page.contains(&format!("\n.ss {heading}\n")),
            "{heading}"
        );
    }
}

#[test]
fn explain_states_the_properties_of_a_rule() {
    for rule in Registry::built_in().iter() {
        let text = out(&volcheck(&["explain", rule.id.as_str()]));
        let page = rule.page().markdown;
        let start = text.find("\n- highest severity: ").expect("the properties") + 1;
        let end = text[start..].find("\n\n").expect("an end") + start + 2;
        assert_eq!(format!("{}{}", &text[..start], &text[end..]), page, "{}", rule.id);
    }
    let properties = |rule: &str| {
        let text = out(&volcheck(&["explain", rule]));
        text.lines()
            .filter(|line| line.starts_with("- ") && line.contains(": "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let host_path = properties("host-path");
    assert!(host_path.contains(&"- highest severity: error".to_owned()), "{host_path:?}");
    assert!(host_path.contains(&"- profiles: baseline, restricted".to_owned()), "{host_path:?}");
    let empty_dir = properties("unbounded-empty-dir");
    assert!(empty_dir[1].starts_with("- profiles: recommended"), "{empty_dir:?}");
    assert!(
        empty_dir.contains(&"- fix: unsafe: it can change the behavior of a working object".to_owned()),
        "{empty_dir:?}"
    );
    assert!(empty_dir.iter().any(|line| line.starts_with("- rule option `defaultSize`: ")), "{empty_dir:?}");
    let unlisted = properties("unlisted-host-path");
    assert!(
        unlisted.iter().any(|line| line.starts_with("- policy key `hostPaths.allowOnly`: ")),
        "{unlisted:?}"
    );
    let baseline = properties("stale-baseline");
    assert!(baseline.iter().any(|line| line.starts_with("- webhook: never denies ")), "{baseline:?}");
}

#[test]
fn rules_end_with_a_legend() {
    let text = out(&volcheck(&["rules"]));
    let last = text.lines().next_back().expect("a line");
    for part in ["safe = ", "unsafe = ", "– = "] {
        assert!(last.contains(part), "{last}");
    }
    let json = out(&volcheck(&["rules", "--format", "json"]));
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

#[test]
fn review_explains_invalid_input() {
    let review = |text: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args(["review", "--no-policy"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("volcheck");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
        let run = child.wait_with_output().expect("an exit");
        assert_eq!(run.status.code(), Some(2), "{text}");
        String::from_utf8(run.stderr).expect("UTF-8")
    };
    let head = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview""#;
    let hint = "; to check manifests, run `volcheck lint`";
    for (text, message) in [
        ("", "empty, expected an AdmissionReview in JSON".to_owned()),
        ("apiVersion: v1\nkind: Pod\n", format!("not valid JSON at line 1, column 1{hint}")),
        ("{\n\"a\":", format!("not valid JSON at line 2, column 4{hint}")),
        ("[]", "invalid AdmissionReview: expected an object".to_owned()),
        (
            "{}",
            format!(
                "expected `AdmissionReview` of `admission.k8s.io/v1`, found an object without `kind`{hint}"
            ),
        ),
        (
            r#"{"apiVersion":"v1","kind":"Pod"}"#,
            format!("expected `AdmissionReview` of `admission.k8s.io/v1`, found `Pod` of `v1`{hint}"),
        ),
        (&format!("{head}}}"), "the AdmissionReview has no request".to_owned()),
        (
            &format!("{head},\"request\":{{\"uid\":3}}}}"),
            "invalid AdmissionReview: `request.uid`: invalid type: integer `3`, expected a string".to_owned(),
        ),
        (
            &format!("{head},\"request\":{{\"uid\":\"a\",\"dryRun\":\"x\"}}}}"),
            "invalid AdmissionReview: `request.dryRun`: invalid type: string \"x\", expected a boolean"
                .to_owned(),
        ),
    ] {
        assert_eq!(review(text), format!("error: <stdin>: {message}\n"));
    }
    let directory = temp_dir(&[("latin1.json", "")]);
    let file = directory.path().join("latin1.json");
    fs::write(&file, b"\xff").expect("written");
    let file = file.display().to_string();
    assert_eq!(error(&["review", &file]), format!("error: {file}: not valid UTF-8\n"));
}

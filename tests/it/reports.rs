//! Reports match their schemas, and are identical for any number of threads.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use volcheck::report::Format;

use crate::support::{root, temp_dir};

pub(crate) fn volcheck(arguments: &[&str]) -> Output {
    run(arguments, &[])
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volcheck"));
    command.args(arguments).current_dir(root()).env_remove("NO_COLOR").env_remove("FORCE_COLOR");
    command.env_remove("CLICOLOR_FORCE").envs(environment.iter().copied());
    command.output().expect("volcheck runs")
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn assert_valid(schema: &str, document: &str) {
    assert_all_valid(schema, [document]);
}

/// Asserts that each document is valid. Compiling a schema takes longer than validating a document.
pub(crate) fn assert_all_valid<'d>(schema: &str, documents: impl IntoIterator<Item = &'d str>) {
    let schema: Value = serde_json::from_str(schema).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for document in documents {
        let document: Value = serde_json::from_str(document).expect("JSON");
        let errors = validator.iter_errors(&document);
        let errors: Vec<_> = errors.map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}

/// Returns the published schema of SARIF 2.1.0. Removes an unmatched bracket from the pattern for
/// language tags, because the bracket makes the regular expression invalid.
pub(crate) fn sarif_schema() -> String {
    let schema = fs::read_to_string(root().join("tests/data/sarif-2.1.0.schema.json")).expect("the schema");
    assert!(schema.contains("{2}]?$"), "the patterns are valid");
    schema.replace("{2}]?$", "{2}$")
}

/// The arguments of three runs: with findings, without findings, and with unchecked input.
pub(crate) const RUNS: &[&[&str]] = &[
    &["examples", "tests/fixtures"],
    &["tests/fixtures/writable-host-path/good"],
    &["tests/data/fuzz/types", "tests/data/fuzz/latin1", "tests/data/fuzz/bidi", "no/such/file"],
];

#[test]
fn json_matches_its_schema() {
    let schema = fs::read_to_string(root().join("docs/reference/output.schema.json")).expect("the schema");
    assert_eq!(out(&volcheck(&["schema", "output"])), schema);
    for paths in RUNS {
        assert_valid(&schema, &out(&volcheck(&[&["lint", "--format", "json"], *paths].concat())));
    }
}

#[test]
fn sarif_matches_the_published_schema() {
    let schema = sarif_schema();
    for paths in RUNS {
        assert_valid(&schema, &out(&volcheck(&[&["lint", "--format", "sarif"], *paths].concat())));
    }
}

#[test]
fn concise_has_one_line_per_finding() {
    let text =
        out(&volcheck(&["lint", "--format", "concise", "--select", "writable-host-path", "examples/first"]));
    assert_eq!(
        text,
        "examples/first/agent.yaml:18:11: error[writable-host-path] host path `/var/log` is mounted writable in \
         container `agent` (DaemonSet logging/log-agent)\n"
    );
}

#[test]
fn reports_do_not_depend_on_the_thread_count() {
    let directory = temp_dir(&[]);
    let reports = |threads: &str| {
        let name = |format: Format| directory.path().join(format!("{}-{threads}", format.name()));
        let outputs = Format::ALL.map(|format| format!("{}={}", format.name(), name(format).display()));
        let mut arguments = vec!["lint", "--min-severity", "info", "--statistics"];
        arguments.extend(outputs.iter().flat_map(|output| ["--output", output.as_str()]));
        arguments.extend(["examples", "tests/fixtures"]);
        let output = run(&arguments, &[("RAYON_NUM_THREADS", threads)]);
        let texts = Format::ALL.map(|format| fs::read_to_string(name(format)).expect("a report"));
        (texts, output.stdout, output.stderr, output.status)
    };
    let first = reports("1");
    for threads in ["2", "7"] {
        assert!(reports(threads) == first, "{threads} threads");
    }
}

#[test]
fn colors_are_off_unless_requested() {
    let has_colors = |arguments: &[&str], environment: &[(&str, &str)]| {
        let output = run(&[&["lint", "examples/first"], arguments].concat(), environment);
        out(&output).contains('\u{1b}')
    };
    assert!(!has_colors(&[], &[]));
    assert!(has_colors(&["--color", "always"], &[]));
    assert!(has_colors(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(has_colors(&[], &[("FORCE_COLOR", "1")]));
    assert!(has_colors(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colors(&[], &[("CLICOLOR_FORCE", "0")]));
    assert!(!has_colors(&[], &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]));
    assert!(!has_colors(&[], &[("NO_COLOR", "0"), ("FORCE_COLOR", "1")]));
    assert!(!has_colors(&["--color", "never"], &[("FORCE_COLOR", "1")]));
}

#[test]
fn closed_pipes_do_not_change_the_exit_code() {
    let program = env!("CARGO_BIN_EXE_volcheck");
    let script =
        format!("'{program}' lint --min-severity info tests/fixtures | true; exit ${{PIPESTATUS[0]}}");
    let status = Command::new("bash").args(["-c", &script]).current_dir(root()).status().expect("bash");
    let whole = volcheck(&["lint", "--min-severity", "info", "tests/fixtures"]);
    assert_eq!(status.code(), whole.status.code());
}

/// Returns the findings of a rule in the JSON report about these files.
fn json_findings(rule: &str, paths: &[&str]) -> Vec<Value> {
    let report =
        out(&volcheck(&[&["lint", "--no-policy", "--format", "json", "--select", rule], paths].concat()));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    report["findings"].as_array().expect("findings").clone()
}

#[test]
fn json_findings_name_volume_container_path_and_access() {
    let fields =
        |finding: &Value| ["volume", "container", "host_path", "access"].map(|key| finding[key].clone());
    let example = |rule: &str| fields(&json_findings(rule, &["examples/first"])[0]);
    assert_eq!(example("writable-host-path"), ["logs", "agent", "/var/log", "write"].map(Value::from));
    let expected = [Value::from("logs"), Value::Null, "/var/log".into(), "write".into()];
    assert_eq!(example("sensitive-host-path"), expected);
    // The path in the fingerprint of these findings is not a host path.
    for rule in ["unbounded-empty-dir", "stale-sub-path", "duplicate-mount-path", "deprecated-volume-type"] {
        let bad = format!("tests/fixtures/{rule}/bad");
        for finding in json_findings(rule, &[&bad]) {
            assert_eq!([&finding["host_path"], &finding["access"]], [&Value::Null; 2], "{finding}");
            assert_ne!(finding["volume"], Value::Null, "{finding}");
        }
    }
}

/// A finding with an access to a volume of the node also has the path.
#[test]
fn json_findings_with_access_have_a_host_path() {
    let output = out(&volcheck(&["lint", "--no-policy", "--format", "json", "tests/fixtures"]));
    let report: Value = serde_json::from_str(&output).expect("JSON");
    for finding in report["findings"].as_array().expect("findings") {
        if finding["access"] != Value::Null && finding["rule"] != "writable-read-only-claim" {
            assert_ne!(finding["host_path"], Value::Null, "{finding}");
        }
    }
}

//! `--output`, `--statistics` and `--quiet`: reports in files, counts and summaries.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use volcheck::report::Format;

use crate::reports::{assert_valid, out, volcheck};
use crate::support::temp_dir;

const FIRST: &str = "examples/first/agent.yaml";
/// A manifest with one finding of each severity.
const MIXED: &str = "examples/guidance/g11-undefined.yaml";

fn code(arguments: &[&str]) -> Option<i32> {
    volcheck(arguments).status.code()
}

fn err(arguments: &[&str]) -> String {
    String::from_utf8(volcheck(arguments).stderr).expect("UTF-8")
}

fn output_flag(format: &str, file: &Path) -> String {
    format!("--output={format}={}", file.display())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn output_writes_the_same_report_as_format() {
    let directory = tempfile::tempdir().expect("a directory");
    let formats = Format::ALL.map(Format::name);
    let outputs: Vec<_> =
        formats.iter().map(|format| output_flag(format, &directory.path().join(format))).collect();
    for flags in [&[][..], &["--min-severity", "error"][..], &["--statistics", "--quiet"][..]] {
        let fixed = [&["lint", "--color", "always", MIXED][..], flags].concat();
        let outputs = outputs.iter().map(String::as_str);
        let run = volcheck(&fixed.iter().copied().chain(outputs).collect::<Vec<_>>());
        assert_eq!(out(&run), out(&volcheck(&fixed)), "standard output differs");
        for format in formats {
            let written = fs::read_to_string(directory.path().join(format)).expect("a report");
            let plain = [&["lint", MIXED, "--format", format][..], flags].concat();
            assert_eq!(written, out(&volcheck(&plain)), "{format} {flags:?}");
        }
    }
    assert_eq!(names(directory.path()).len(), formats.len(), "temporary files remain");
}

#[test]
fn reports_outputs_that_cannot_be_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (valid, missing) = (directory.path().join("a.json"), directory.path().join("no/b.xml"));
    let outputs =
        [output_flag("json", &valid), output_flag("junit", &missing), output_flag("sarif", directory.path())];
    let arguments =
        [&["lint", "--format", "concise", FIRST], &outputs.each_ref().map(String::as_str)[..]].concat();
    let run = volcheck(&arguments);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(out(&run), out(&volcheck(&["lint", "--format", "concise", FIRST])));
    let errors = err(&arguments);
    assert!(errors.contains(&format!("error: cannot write {}: ", missing.display())), "{errors}");
    assert!(errors.contains(&format!("error: cannot write {}: ", directory.path().display())), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(fs::read_to_string(valid).is_ok_and(|text| text.ends_with("}\n")));
    assert_eq!(names(directory.path()), ["a.json"]);
}

#[test]
fn rejects_two_outputs_to_one_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("a");
    let same = directory.path().join("../").join(directory.path().file_name().expect("a name")).join("a");
    for (first, second) in [(&file, &file), (&file, &same)] {
        let run = volcheck(&["lint", FIRST, &output_flag("json", first), &output_flag("sarif", second)]);
        assert_eq!(run.status.code(), Some(2));
        assert_eq!(out(&run), "");
        assert!(
            String::from_utf8_lossy(&run.stderr).starts_with("error: more than one --output writes to `")
        );
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn rejects_invalid_outputs() {
    for (output, message) in [
        ("json", "FORMAT=FILE"),
        ("json=", "FORMAT=FILE"),
        ("xml=a", "unknown format `xml`; expected `text`, `concise`, `json`, "),
    ] {
        let arguments = ["lint", FIRST, "--output", output];
        assert_eq!(code(&arguments), Some(2));
        assert!(err(&arguments).contains(message), "{}", err(&arguments));
    }
    assert_eq!(code(&["lint", FIRST, "--format", "xml"]), Some(2));
}

#[cfg(unix)]
#[test]
fn output_keeps_symbolic_links_and_permissions() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = tempfile::tempdir().expect("a directory");
    let (real, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::write(&real, "old").expect("written");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).expect("set");
    symlink(&real, &link).expect("a link");
    assert_eq!(code(&["lint", FIRST, &output_flag("concise", &link)]), Some(1));
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(fs::metadata(&real).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&real).expect("a file").lines().count(), 2);
    // A device is written to directly and not replaced.
    assert_eq!(code(&["lint", FIRST, "--output", "json=/dev/null"]), Some(1));
    assert!(!fs::metadata("/dev/null").expect("a device").is_file());
}

#[test]
fn statistics_count_rules_and_severities() {
    let lines = "     1 error   sensitive-host-path\n     1 error   writable-host-path\n";
    let text = out(&volcheck(&["lint", "--statistics", FIRST]));
    assert!(text.contains(&format!("\n\n{lines}\nFound 2 problems")), "{text}");
    let concise = out(&volcheck(&["lint", "--statistics", "--format", "concise", FIRST]));
    assert_eq!(concise.lines().count(), 4);
    assert!(concise.ends_with(lines), "{concise}");
    for format in Format::ALL {
        let arguments = ["lint", "--format", format.name(), FIRST, "--statistics"];
        if !format.includes_statistics() {
            assert_eq!(out(&volcheck(&arguments)), out(&volcheck(&arguments[..4])));
        }
        assert_eq!(err(&arguments), if format.includes_statistics() { "" } else { lines });
    }
    // Findings that are not shown are not counted.
    let statistics =
        |severity| out(&volcheck(&["lint", "--statistics", "--quiet", "--min-severity", severity, MIXED]));
    assert!(statistics("info").contains("info    sensitive-host-path"));
    assert!(!statistics("warning").contains("sensitive-host-path"));
}

#[test]
fn quiet_omits_the_summary() {
    let full = out(&volcheck(&["lint", FIRST]));
    let quiet = out(&volcheck(&["lint", "--quiet", FIRST]));
    assert!(!quiet.contains("Found") && full.starts_with(&quiet), "{quiet}");
    assert_eq!(out(&volcheck(&["lint", "--quiet", "--select", "host-root", FIRST])), "");
    let markdown = out(&volcheck(&["lint", "--quiet", "--format", "markdown", FIRST]));
    assert!(markdown.contains("| error |") && !markdown.contains("Found"), "{markdown}");
    let json = |flags: &[&str]| out(&volcheck(&[&["lint", "--format", "json", FIRST], flags].concat()));
    assert_eq!(json(&[]), json(&["--quiet"]));
    // Input that could not be checked is still reported.
    let run = volcheck(&["lint", "--quiet", "no/such/file"]);
    assert!(out(&run).contains("could not be read"));
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn every_format_reports_an_invalid_policy_and_baseline() {
    let policy = temp_dir(&[("volcheck.yaml", "version: 1\nrulez: {}\n")]);
    let baseline = temp_dir(&[("volcheck.yaml", "version: 1\nlint:\n  baseline: known.json\n")]);
    let unreadable = "could not be read: no such file or directory";
    for (directory, id, file, line, message) in [
        (policy, "invalid-policy", "volcheck.yaml", 2, "unknown key `rulez`; did you mean `rules`?"),
        (baseline, "invalid-baseline", "known.json", 1, unreadable),
    ] {
        for format in Format::ALL.map(Format::name) {
            let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
                .args(["lint", "--format", format, &format!("--output={format}=report")])
                .current_dir(directory.path())
                .output()
                .expect("volcheck");
            assert_eq!(output.status.code(), Some(2), "{format}");
            let errors = String::from_utf8(output.stderr).expect("UTF-8");
            assert!(errors.starts_with(&format!("error[{id}]: {message}\n")), "{errors}");
            assert!(errors.ends_with(" has 1 error; nothing was checked.\n"), "{errors}");
            let written = fs::read_to_string(directory.path().join("report")).expect("a report");
            let out = String::from_utf8(output.stdout).expect("UTF-8");
            assert_eq!(out, if format == "text" { "" } else { written.as_str() });
            for part in [id, file, message.split(['`', ':']).next().expect("a part")] {
                assert!(written.contains(part), "{format} lacks {part}: {written}");
            }
            assert!(!written.contains("No problems"), "{written}");
            let json = serde_json::from_str::<Value>(&written).unwrap_or_default();
            match format {
                "json" => {
                    assert_eq!(json["errors"][0]["rule"], id);
                    assert_eq!(json["summary"]["files"], 0);
                    assert_valid(volcheck::report::SCHEMA, &written);
                }
                "sarif" => {
                    let run = &json["runs"][0];
                    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
                    assert_eq!(run["results"][0]["ruleId"], id);
                    assert_eq!(run["results"][0].get("ruleIndex"), None);
                }
                "gitlab" => assert_eq!(json[0]["location"]["lines"]["begin"], line),
                _ => {}
            }
        }
    }
}

/// A report that shows no finding would contradict the exit code.
#[test]
fn findings_that_fail_the_run_are_shown() {
    let base =
        ["lint", MIXED, "--ignore", "undefined-volume,unused-volume", "--fail-on", "info", "--min-severity"];
    let directory = tempfile::tempdir().expect("a directory");
    for format in Format::ALL.map(Format::name) {
        let file = directory.path().join(format);
        let flags = ["--format", format, &output_flag(format, &file)];
        for min_severity in ["error", "warning", "info"] {
            let run = volcheck(&[&base[..], &[min_severity], &flags].concat());
            assert_eq!(run.status.code(), Some(1), "{format}");
            assert!(out(&run).contains("sensitive-host-path"), "{format}: {}", out(&run));
            assert_eq!(fs::read_to_string(&file).expect("a report"), out(&run), "{format}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn reports_a_full_standard_output() {
    for arguments in ["lint", "rules", "schema policy", "policy show", "explain host-root"] {
        let command = format!("\"$0\" {arguments} > /dev/full");
        let run = Command::new("sh").args(["-c", &command, env!("CARGO_BIN_EXE_volcheck")]).output();
        let run = run.expect("volcheck");
        assert_eq!(run.status.code(), Some(2), "{arguments}");
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(error.contains("error: cannot write to standard output: No space left"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn output_to_standard_output_keeps_the_report() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("out").display().to_string();
    for redirection in ["> \"$1\"", ">> \"$1\"", "| cat > \"$1\""] {
        let command = format!("\"$0\" lint {FIRST} --output json=/dev/stdout {redirection}");
        let arguments = ["-c", &command, env!("CARGO_BIN_EXE_volcheck"), &file];
        Command::new("sh").args(arguments).status().expect("a status");
        let text = fs::read_to_string(&file).expect("both reports");
        assert!(text.starts_with("error[") && text.ends_with("}\n"), "{redirection}: {text}");
        fs::remove_file(&file).expect("removed");
    }
    let error = err(&["lint", FIRST, "--output", "json=-"]);
    assert!(error.contains("`-` is not a file; use `--format json`"), "{error}");
}

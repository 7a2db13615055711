//! `--output`, `--statistics` and `--quiet`: reports in files, and what stands around the findings.

use std::fs;
use std::path::Path;

use crate::reports::{out, volcheck};

const FIRST: &str = "examples/first/agent.yaml";
/// A file with findings of every severity.
const MIXED: &str = "tests/fixtures/app-data-empty-dir/bad/pods.yaml";

fn code(arguments: &[&str]) -> Option<i32> {
    volcheck(arguments).status.code()
}

fn err(arguments: &[&str]) -> String {
    String::from_utf8(volcheck(arguments).stderr).expect("UTF-8")
}

fn to(format: &str, file: &Path) -> String {
    format!("--output={format}={}", file.display())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn each_output_is_what_its_format_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let formats = volcheck::report::Format::ALL.map(volcheck::report::Format::name);
    let outputs: Vec<_> = formats.iter().map(|format| to(format, &folder.path().join(format))).collect();
    for more in [&[][..], &["--min-severity", "error"][..], &["--statistics", "--quiet"][..]] {
        let fixed = [&["lint", "--color", "always", MIXED][..], more].concat();
        let outputs = outputs.iter().map(String::as_str);
        let run = volcheck(&fixed.iter().copied().chain(outputs).collect::<Vec<_>>());
        assert_eq!(out(&run), out(&volcheck(&fixed)), "standard output is another");
        for format in formats {
            let written = fs::read_to_string(folder.path().join(format)).expect("a report");
            let plain = [&["lint", MIXED, "--format", format][..], more].concat();
            assert_eq!(written, out(&volcheck(&plain)), "{format} {more:?}");
        }
    }
    assert_eq!(names(folder.path()).len(), formats.len(), "something else is left in the folder");
}

#[test]
fn an_output_that_cannot_be_written_is_said_and_the_rest_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, no_folder) = (folder.path().join("a.json"), folder.path().join("no/b.xml"));
    let outputs = [to("json", &whole), to("junit", &no_folder), to("sarif", folder.path())];
    let arguments =
        [&["lint", "--format", "concise", FIRST], &outputs.each_ref().map(String::as_str)[..]].concat();
    let run = volcheck(&arguments);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(out(&run), out(&volcheck(&["lint", "--format", "concise", FIRST])));
    let said = err(&arguments);
    assert!(said.contains(&format!("error: can't write {}: ", no_folder.display())), "{said}");
    assert!(said.contains(&format!("error: can't write {}: ", folder.path().display())), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(fs::read_to_string(whole).is_ok_and(|text| text.ends_with("}\n")));
    assert_eq!(names(folder.path()), ["a.json"]);
}

#[test]
fn two_outputs_to_one_file_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a");
    let same = folder.path().join("../").join(folder.path().file_name().expect("a name")).join("a");
    for (first, second) in [(&file, &file), (&file, &same)] {
        let run = volcheck(&["lint", FIRST, &to("json", first), &to("sarif", second)]);
        assert_eq!(run.status.code(), Some(2));
        assert_eq!(out(&run), "");
        assert!(String::from_utf8_lossy(&run.stderr).starts_with("error: two outputs go to the file"));
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn an_output_names_a_format_and_a_file() {
    for (output, said) in [
        ("json", "FORMAT=FILE"),
        ("json=", "FORMAT=FILE"),
        ("xml=a", "unknown format `xml`, expected one of text, concise, json, jsonl"),
    ] {
        let arguments = ["lint", FIRST, "--output", output];
        assert_eq!(code(&arguments), Some(2));
        assert!(err(&arguments).contains(said), "{}", err(&arguments));
    }
    assert_eq!(code(&["lint", FIRST, "--format", "xml"]), Some(2));
}

#[cfg(unix)]
#[test]
fn an_output_replaces_what_is_there_and_leaves_links_and_rights() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, "old").expect("written");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).expect("set");
    symlink(&real, &link).expect("a link");
    assert_eq!(code(&["lint", FIRST, &to("concise", &link)]), Some(1));
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(fs::metadata(&real).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&real).expect("a file").lines().count(), 2);
    // What is no file is written to as it is.
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
    for format in volcheck::report::Format::ALL {
        let arguments = ["lint", "--format", format.name(), FIRST, "--statistics"];
        if !format.holds_statistics() {
            assert_eq!(out(&volcheck(&arguments)), out(&volcheck(&arguments[..4])));
        }
        assert_eq!(err(&arguments), if format.holds_statistics() { "" } else { lines });
    }
    // What isn't shown isn't counted.
    let of =
        |severity| out(&volcheck(&["lint", "--statistics", "--quiet", "--min-severity", severity, MIXED]));
    assert!(of("info").contains("info    unbounded-empty-dir"));
    assert!(!of("warning").contains("unbounded-empty-dir"));
}

#[test]
fn quiet_leaves_the_findings_alone() {
    let whole = out(&volcheck(&["lint", FIRST]));
    let quiet = out(&volcheck(&["lint", "--quiet", FIRST]));
    assert!(!quiet.contains("Found") && whole.starts_with(&quiet), "{quiet}");
    assert_eq!(out(&volcheck(&["lint", "--quiet", "--select", "host-root", FIRST])), "");
    let markdown = out(&volcheck(&["lint", "--quiet", "--format", "markdown", FIRST]));
    assert!(markdown.contains("| error |") && !markdown.contains("Found"), "{markdown}");
    let json = |more: &[&str]| out(&volcheck(&[&["lint", "--format", "json", FIRST], more].concat()));
    assert_eq!(json(&[]), json(&["--quiet"]));
    // What couldn't be judged is no summary.
    let run = volcheck(&["lint", "--quiet", "no/such/file"]);
    assert!(out(&run).contains("could not be read"));
    assert_eq!(run.status.code(), Some(2));
}

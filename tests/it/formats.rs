//! Report formats: reports are valid for any content of manifests, and respect the limits of each
//! platform.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::Value;
use volcheck::finding::{Finding, Label, RuleId, Severity, SuppressedBy, Suppression, Target};
use volcheck::lint::{LocatedFinding, Location, OtherFile, RelatedLocation, Report};
use volcheck::model::{FieldPath, ObjectId};
use volcheck::report::{self, Format, Style};
use volcheck::rules::{Control, Registry, Rule};
use volcheck::source::{File, Position, Span};

use crate::reports::{RUNS, assert_all_valid, assert_valid, out, sarif_schema, volcheck};
use crate::support::{empty_report, root};

/// Text with a special meaning in one of the formats.
const HOSTILE: &[&str] = &[
    "a`b`c` | <script>alert(1)</script> &amp; &#0; \"q\" 'a'",
    "]]> --> <![CDATA[ %0A::error::x %25 ::set-env name=A::b",
    "line\nline\r\n::error file=x::y\t\u{0}\u{1}\u{8}\u{1b}[31m\u{7f}\u{85}",
    "\u{1F600} \u{202E}\u{2066}\u{200B}\u{FEFF}\u{FFFE}\u{FFFF}\u{2028}",
    "a,b=c:d;e,line=1::f @everyone #1 [x](http://y) ![z](w) **b** __c__ \\| \\",
    "##[error]x",
    "=HYPERLINK(\"http://x\")",
    "",
];

fn rendered(report: &Report, format: Format) -> String {
    report::render(report, format, Style::plain(Severity::Info))
}

fn located(severity: Severity, line: usize, path: &str, message: &str) -> LocatedFinding {
    let mut finding = Finding::new(RuleId::new("writable-host-path"), severity, FieldPath::root(), message)
        .label(message.to_owned())
        .why(message.to_owned())
        .help(message.to_owned())
        .volume(message);
    finding.object = Some(Arc::new(ObjectId {
        group: message.to_owned(),
        version: message.to_owned(),
        kind: message.to_owned(),
        namespace: message.to_owned(),
        name: message.to_owned(),
    }));
    let start = Position { line, column: 3, offset: 0 };
    let span = Span { start, end: Position { column: 5, ..start } };
    let location = Location { primary: Some(span), ..Location::of_file(path) };
    LocatedFinding::new(finding, location)
}

/// Returns a report with findings of every severity and unchecked input for each text in
/// [`HOSTILE`].
fn hostile() -> Report {
    let mut report = empty_report();
    for (index, text) in HOSTILE.iter().enumerate() {
        let path = format!("./f{text}");
        for severity in [Severity::Error, Severity::Warning, Severity::Info] {
            report.findings.push(located(severity, index + 1, &path, text));
        }
        let mut error = located(Severity::Error, index + 1, &path, text);
        error.finding.object = None;
        error.location.primary = None;
        report.errors.push(error);
    }
    report
}

/// Returns a report with this number of findings of each severity, the most severe last.
fn many(infos: usize, warnings: usize, errors: usize) -> Report {
    let kinds = [(Severity::Info, infos), (Severity::Warning, warnings), (Severity::Error, errors)];
    let kinds = kinds.iter().flat_map(|(severity, count)| std::iter::repeat_n(*severity, *count)).enumerate();
    let findings = kinds.map(|(index, severity)| located(severity, index + 1, "f.yaml", "text")).collect();
    Report { findings, ..empty_report() }
}

/// Renders the reports of all [`RUNS`], the hostile report and an empty report.
fn all(format: Format) -> Vec<String> {
    let runs = RUNS.iter().map(|paths| {
        let arguments = ["lint", "--format", format.name(), "--min-severity", "info"];
        out(&volcheck(&[&arguments, *paths].concat()))
    });
    runs.chain([rendered(&hostile(), format), rendered(&empty_report(), format)]).collect()
}

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn hostile_text_matches_json_and_sarif_schemas() {
    assert_valid(&file("docs/reference/output.schema.json"), &rendered(&hostile(), Format::Json));
    assert_valid(&sarif_schema(), &rendered(&hostile(), Format::Sarif));
}

#[test]
fn jsonl_and_json_have_the_same_entries() {
    let mut schema = json(&file("docs/reference/output.schema.json"));
    for key in ["type", "additionalProperties", "required"] {
        schema.as_object_mut().expect("a schema").remove(key);
    }
    schema["$ref"] = "#/$defs/line".into();
    let schema = schema.to_string();
    for text in all(Format::Jsonl) {
        assert_all_valid(&schema, text.lines());
        let last = json(text.lines().next_back().expect("a line"));
        assert_eq!(last["type"], "summary");
    }
    let report = hostile();
    let whole = json(&rendered(&report, Format::Json));
    let mut entries = [Vec::new(), Vec::new()];
    for line in rendered(&report, Format::Jsonl).lines() {
        let mut entry = json(line);
        let kind = entry.as_object_mut().expect("an object").remove("type").expect("a type");
        match kind.as_str() {
            Some("finding") => entries[0].push(entry),
            Some("error") => entries[1].push(entry),
            _ => assert_eq!(entry["summary"], whole["summary"]),
        }
    }
    assert_eq!(Value::from(entries[0].clone()), whole["findings"]);
    assert_eq!(Value::from(entries[1].clone()), whole["errors"]);
}

#[test]
fn only_formats_that_mark_suppressed_findings_show_them() {
    let mut suppressed = located(Severity::Error, 1, "f", "quiet");
    suppressed.suppressed = Some(Suppression { by: SuppressedBy::Comment, reason: "because".to_owned() });
    let report = Report { suppressed: vec![suppressed], ..empty_report() };
    let plain = Style::plain(Severity::Info);
    // SARIF has a property for suppressed results, so it always contains them.
    let sarif = json(&rendered(&report, Format::Sarif));
    let suppressions = &sarif["runs"][0]["results"][0]["suppressions"];
    let expected = serde_json::json!([{"kind": "inSource", "justification": "because", "properties": {"by": "comment"}}]);
    assert_eq!(*suppressions, expected);
    for format in Format::ALL {
        let text = report::render(&report, format, Style { show_suppressed: true, ..plain });
        let is_marked = matches!(
            format,
            Format::Text
                | Format::Concise
                | Format::Json
                | Format::Jsonl
                | Format::Sarif
                | Format::Junit
                | Format::Csv
        );
        assert_eq!(text.contains("quiet"), is_marked, "{}", format.name());
        assert_eq!(rendered(&report, format).contains("quiet"), format == Format::Sarif, "{}", format.name());
    }
}

/// SARIF requires that either all results of a run have suppressions, or none.
#[test]
fn every_sarif_result_has_suppressions() {
    let mut suppressed = located(Severity::Error, 1, "f", "quiet");
    suppressed.suppressed = Some(Suppression { by: SuppressedBy::Baseline, reason: String::new() });
    let report = Report { suppressed: vec![suppressed], ..hostile() };
    let results = sarif(&report)["results"].as_array().expect("results").clone();
    assert_eq!(results.len(), report.findings.len() + report.errors.len() + 1);
    let suppressions: Vec<_> =
        results.iter().filter_map(|result| result["suppressions"].as_array()).collect();
    assert_eq!(suppressions.len(), results.len());
    let suppressions: Vec<_> = suppressions.into_iter().flatten().collect();
    assert_eq!(suppressions, [&serde_json::json!({"kind": "external", "properties": {"by": "baseline"}})]);
}

/// GitHub requires a `fullDescription`, and shows at most 1,024 characters of it.
#[test]
fn sarif_rules_have_a_description() {
    for rule in Registry::built_in().iter() {
        let page = rule.page();
        let intro = page.intro();
        assert!(intro.ends_with('.') && intro.chars().count() <= 1_024, "{}: {intro}", rule.id);
        assert!(!intro.contains("\n\n") && !intro.starts_with('#'), "{}: {intro}", rule.id);
    }
    let rules = sarif(&hostile())["tool"]["driver"]["rules"].take();
    let description = "A container mounts a host path without `readOnly: true`.";
    assert_eq!(rules[0]["fullDescription"]["text"], description);
}

#[test]
fn documentation_lists_every_control() {
    let page = file("docs/formats.md");
    for control in Control::ALL {
        let rules = Registry::built_in();
        let has_rule = rules.iter().filter_map(Rule::security).any(|own| own.controls.contains(&control));
        assert!(has_rule, "{}", control.tag());
        let is_row = |line: &str| line.starts_with("| `") && line.contains(control.tag());
        assert!(page.lines().any(is_row), "{}", control.tag());
    }
}

#[test]
fn sarif_security_severity_follows_the_worst_unsuppressed_finding() {
    let severity = |findings: &[Severity], suppressed: &[Severity]| {
        let all = |severities: &[Severity]| -> Vec<_> {
            severities.iter().map(|severity| located(*severity, 1, "f", "x")).collect()
        };
        let mut suppressed = all(suppressed);
        for located in &mut suppressed {
            located.suppressed = Some(Suppression { by: SuppressedBy::Baseline, reason: String::new() });
        }
        let report = Report { findings: all(findings), suppressed, ..empty_report() };
        let properties = sarif(&report)["tool"]["driver"]["rules"][0]["properties"].take();
        assert_eq!(properties["tags"][0], "security");
        properties["security-severity"].as_str().map(str::to_owned).expect("a severity")
    };
    assert_eq!(severity(&[Severity::Error, Severity::Info], &[]), "8.0");
    assert_eq!(severity(&[Severity::Info, Severity::Warning], &[]), "6.9");
    assert_eq!(severity(&[Severity::Info], &[Severity::Error]), "3.9");
    assert_eq!(severity(&[], &[Severity::Error]), "8.0");
}

#[test]
fn junit_shows_suppressed_findings_as_skipped() {
    let mut suppressed = located(Severity::Error, 1, "f", "quiet");
    suppressed.suppressed = Some(Suppression { by: SuppressedBy::Exemption, reason: "a <b>".to_owned() });
    let report = Report { suppressed: vec![suppressed], ..hostile() };
    let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
    let text = report::render(&report, Format::Junit, style);
    let found = elements(&text);
    let skipped = found.iter().find(|element| element.path.ends_with("/skipped")).expect("a skipped test");
    assert_eq!(skipped.attributes["message"], "suppressed by an exemption: a <b>");
    assert_eq!(found[0].attributes["tests"], (report.findings.len() + report.errors.len() + 1).to_string());
    assert!(!found[0].attributes.contains_key("skipped"), "Jenkins does not allow it in the root");
    let suite = found.iter().find(|element| element.attributes.get("name").is_some_and(|name| name == "f"));
    assert_eq!(suite.expect("a suite").attributes["skipped"], "1");
}

#[test]
fn summary_with_unchecked_input_does_not_claim_success() {
    let mut error = located(Severity::Error, 1, "f.yaml", "not YAML");
    error.finding.object = None;
    let report = Report { errors: vec![error], ..empty_report() };
    let summary = [
        "Found no Kubernetes objects in the input that could be checked.",
        "1 input could not be fully checked.",
    ];
    assert!(rendered(&report, Format::Text).ends_with(&format!("{}\n{}\n", summary[0], summary[1])));
    let markdown = rendered(&report, Format::Markdown);
    assert!(summary.iter().all(|line| markdown.contains(line)), "{markdown}");
    for format in Format::ALL {
        let text = rendered(&report, format);
        assert!(!text.contains("No problems") && !text.contains("no problems in 0 files"), "{text}");
    }
}

/// Returns a report with one finding in `pod.yaml`. Its related location is the value `1Gi` in
/// `claims.yaml`, which has the content `other`.
fn with_related_file(other: &str) -> Report {
    let span = |text: &str, value: &str| {
        let offset = text.find(value).expect("the value");
        let line_start = text[..offset].rfind('\n').map_or(0, |end| end + 1);
        let line = text[..offset].matches('\n').count() + 1;
        let start = Position { line, column: offset - line_start + 1, offset };
        let end = Position { line, column: start.column + value.len(), offset: offset + value.len() };
        Span { start, end }
    };
    let decoded =
        |path: &str, text: &str| Some(Arc::new(File::decode(path, text.as_bytes().to_vec()).expect("UTF-8")));
    let object = |kind: &str, name: &str| {
        Some(Arc::new(ObjectId {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }))
    };
    let mut finding =
        Finding::new(RuleId::new("writable-host-path"), Severity::Error, FieldPath::root(), "small volume")
            .label("used here");
    finding.object = object("Pod", "web");
    finding.related.push(Label {
        object: object("PersistentVolumeClaim", "data"),
        path: FieldPath::root().key("spec"),
        target: Target::Value,
        text: "requested here".into(),
    });
    let pod = "kind: Pod\nname: web\n";
    let related = RelatedLocation {
        span: span(other, "1Gi"),
        other_file: decoded("claims.yaml", other).map(|file| OtherFile {
            path: "claims.yaml".into(),
            file,
            is_rendered: false,
        }),
    };
    let location = Location {
        file: decoded("pod.yaml", pod),
        primary: Some(span(pod, "web")),
        related: vec![related],
        ..Location::of_file("pod.yaml")
    };
    Report { findings: vec![LocatedFinding::new(finding, location)], ..empty_report() }
}

#[test]
fn every_format_shows_related_locations_in_other_files() {
    let report = with_related_file(&format!("{}size: 1Gi\n", "\n".repeat(999)));
    for format in Format::ALL {
        let text = rendered(&report, format);
        match format {
            Format::Text => {
                let snippets = "\
error[writable-host-path]: small volume
    --> pod.yaml:2:7
     |
   2 | name: web
     |       ^^^ used here
     |
    ::: claims.yaml:1000:7
     |
1000 | size: 1Gi
     |       --- requested here
     |
     = object: Pod default/web
";
                assert!(text.starts_with(snippets), "{text}");
            }
            Format::Json | Format::Jsonl => {
                let finding = match format {
                    Format::Json => json(&text)["findings"][0].take(),
                    _ => json(text.lines().next().expect("a line")),
                };
                let related = &finding["related"][0];
                assert_eq!(related["file"], "claims.yaml");
                assert_eq!(related["object"]["kind"], "PersistentVolumeClaim");
                assert_eq!(related["field_path"], "spec");
                assert_eq!(related["span"]["start"]["line"], 1000);
                assert_eq!(related["label"], "requested here");
            }
            Format::Sarif => {
                assert_valid(&sarif_schema(), &text);
                let related = &json(&text)["runs"][0]["results"][0]["relatedLocations"][0];
                let physical = &related["physicalLocation"];
                assert_eq!(physical["artifactLocation"]["uri"], "claims.yaml");
                assert_eq!(physical["region"]["startLine"], 1000);
                let name = &related["logicalLocations"][0]["fullyQualifiedName"];
                assert_eq!(name, "PersistentVolumeClaim default/data, spec");
                assert_eq!(related["message"]["text"], "requested here");
            }
            Format::Markdown => assert!(text.contains("small volume (see claims.yaml\\:1000)"), "{text}"),
            Format::Concise
            | Format::Github
            | Format::Gitlab
            | Format::Junit
            | Format::Checkstyle
            | Format::Csv => {
                assert!(text.contains("small volume (see claims.yaml:1000)"), "{text}");
            }
        }
    }
    assert_valid(&file("docs/reference/output.schema.json"), &rendered(&report, Format::Json));
}

#[test]
fn text_shortens_long_lines_of_related_files() {
    let filler = "x".repeat(10_000);
    let text = rendered(&with_related_file(&format!("{filler} 1Gi {filler}\n")), Format::Text);
    assert!(text.contains("::: claims.yaml:1:10002\n"), "{text}");
    assert!(text.lines().all(|line| line.len() < 500), "{text}");
}

#[test]
fn csv_has_one_row_per_finding() {
    let report = hostile();
    let text = rendered(&report, Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), report.errors.len() + report.findings.len());
    assert_eq!(text.lines().count(), rows.len() + 1, "a cell contains a line break");
    let is_formula = |cell: &str| cell.starts_with(['=', '+', '-', '@']);
    assert!(!rows.iter().flatten().any(is_formula), "{text}");
    assert!(rows.iter().flatten().any(|cell| cell.starts_with("'=")), "{text}");
}

#[test]
fn gitlab_matches_the_published_schema() {
    let schema = file("tests/data/gitlab-code-quality.schema.json");
    for text in all(Format::Gitlab) {
        assert_valid(&schema, &text);
        let issues = json(&text);
        let issues = issues.as_array().expect("a list");
        let fingerprints: BTreeSet<_> =
            issues.iter().map(|issue| issue["fingerprint"].as_str().expect("a string")).collect();
        assert_eq!(fingerprints.len(), issues.len(), "duplicate fingerprints");
    }
    assert_eq!(rendered(&empty_report(), Format::Gitlab), "[]\n");
}

#[test]
fn gitlab_fingerprints_ignore_lines_and_files() {
    let fingerprint = |line, path: &str, text: &str| {
        let findings = vec![located(Severity::Error, line, path, text)];
        let report = Report { findings, ..empty_report() };
        json(&rendered(&report, Format::Gitlab))[0]["fingerprint"].clone()
    };
    assert_eq!(fingerprint(1, "a.yaml", "x"), fingerprint(9, "b.yaml", "x"));
    assert_ne!(fingerprint(1, "a.yaml", "x"), fingerprint(1, "a.yaml", "y"));
}

/// A GitHub workflow command, as the GitHub Actions runner parses it.
struct Command {
    name: String,
    properties: BTreeMap<String, String>,
    message: String,
}

/// Parses a workflow command. Reverses the escaping of `actions/toolkit`
/// (packages/core/src/command.ts).
fn command(line: &str) -> Command {
    let data = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let property = |text: &str| data(&text.replace("%3A", ":").replace("%2C", ","));
    let (head, message) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
    let (name, properties) = head.split_once(' ').expect("properties");
    let pairs = properties.split(',').map(|pair| pair.split_once('=').expect("a pair"));
    let properties = pairs.map(|(key, value)| (key.to_owned(), property(value))).collect();
    Command { name: name.to_owned(), properties, message: data(message) }
}

#[test]
fn github_commands_are_escaped() {
    for text in all(Format::Github) {
        for command in text.lines().map(command) {
            assert!(["error", "warning", "notice"].contains(&command.name.as_str()));
            assert!(!command.message.chars().any(char::is_control), "{}", command.message);
            let known = ["file", "line", "endLine", "col", "endColumn", "title"];
            assert!(command.properties.keys().all(|key| known.contains(&key.as_str())));
        }
    }
    let mut report = empty_report();
    report.findings.push(located(Severity::Info, 7, "./a,b:c%d%0A.yaml", "50% of a::b, 100%25"));
    let text = rendered(&report, Format::Github);
    let command = command(text.trim_end());
    assert_eq!(command.name, "notice");
    assert_eq!(command.properties["file"], "a,b:c%d%0A.yaml");
    assert_eq!(command.properties["title"], "volcheck (writable-host-path)");
    let position = ["line", "endLine", "col", "endColumn"].map(|key| command.properties[key].as_str());
    assert_eq!(position, ["7", "7", "3", "5"]);
    assert_eq!(command.message, "50% of a::b, 100%25. 50% of a::b, 100%25");
}

#[test]
fn github_omits_findings_beyond_the_annotation_limit() {
    let annotations = |infos, warnings, errors| {
        let text = rendered(&many(infos, warnings, errors), Format::Github);
        let names: Vec<_> = text.lines().map(|line| command(line).name).collect();
        assert!(
            names.is_sorted_by_key(|name| ["error", "warning", "notice"].iter().position(|of| of == name))
        );
        let counts = ["error", "warning", "notice"].map(|of| names.iter().filter(|name| *name == of).count());
        let last = text.lines().next_back().map(|line| command(line).message).unwrap_or_default();
        (counts, last.split(" not annotated").next().unwrap_or_default().to_owned(), names.len())
    };
    assert_eq!(annotations(0, 0, 0), ([0, 0, 0], String::new(), 0));
    assert_eq!(annotations(10, 10, 10).0, [10, 10, 10]);
    assert_eq!(annotations(0, 0, 11), ([10, 0, 1], "1 error".to_owned(), 11));
    assert_eq!(annotations(10, 12, 3), ([3, 10, 10], "2 warnings, 1 info".to_owned(), 23));
    assert_eq!(annotations(11, 0, 0), ([0, 0, 10], "2 infos".to_owned(), 10));
}

#[test]
fn findings_omitted_for_github_affect_the_exit_code() {
    let run = |format| volcheck(&["lint", "--format", format, "tests/fixtures/writable-host-path/bad"]);
    assert!(
        out(&run("github")).lines().next_back().expect("a line").contains(" not annotated: GitHub shows")
    );
    assert_eq!(run("github").status, run("json").status);
}

/// An XML element, with its path from the root.
#[derive(Debug, Default)]
struct Element {
    path: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// Returns all elements of a document, in order. Panics if the document is not well-formed or
/// contains characters that XML doesn't allow.
fn elements(text: &str) -> Vec<Element> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    assert!(text.chars().all(allowed), "a character that XML does not allow");
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut found, mut open): (Vec<Element>, Vec<usize>) = (Vec::new(), Vec::new());
    let enter = |found: &mut Vec<Element>, open: &[usize], start: &BytesStart<'_>| {
        let name = String::from_utf8(start.name().as_ref().to_vec()).expect("UTF-8");
        let path = open.last().map_or(name.clone(), |parent| format!("{}/{name}", found[*parent].path));
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let value = attribute.normalized_value(XmlVersion::Explicit1_0).expect("a value").into_owned();
            assert!(value.chars().all(allowed), "a reference that XML does not allow");
            (String::from_utf8(attribute.key.as_ref().to_vec()).expect("UTF-8"), value)
        });
        found.push(Element { path, attributes: attributes.collect(), text: String::new() });
    };
    loop {
        match reader.read_event().expect("XML") {
            Event::Start(start) => {
                enter(&mut found, &open, &start);
                open.push(found.len() - 1);
            }
            Event::Empty(start) => enter(&mut found, &open, &start),
            Event::Text(text) => {
                let text = text.decode().expect("UTF-8");
                match open.last() {
                    Some(element) => found[*element].text.push_str(&text),
                    None => assert!(text.trim().is_empty(), "text outside of the root"),
                }
            }
            Event::End(_) => drop(open.pop()),
            Event::GeneralRef(reference) => {
                let name = reference.decode().expect("UTF-8").into_owned();
                assert!(["lt", "gt", "amp", "apos", "quot"].contains(&name.as_str()), "&{name};");
                found[*open.last().expect("an element")].text.push_str(&format!("&{name};"));
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
    found
}

/// Asserts that each element is at an allowed path and has exactly the attributes of that path.
fn assert_structure(elements: &[Element], allowed: &[(&str, &[&str])]) {
    for element in elements {
        let (_, attributes) =
            allowed.iter().find(|(path, _)| *path == element.path).unwrap_or_else(|| panic!("{element:?}"));
        let actual: BTreeSet<_> = element.attributes.keys().map(String::as_str).collect();
        assert_eq!(actual, attributes.iter().copied().collect(), "{}", element.path);
    }
}

/// The structure is a subset of the Jenkins schema (xunit-plugin, junit-10.xsd).
#[test]
fn junit_matches_the_jenkins_schema() {
    const RESULT: &[&str] = &["message", "type"];
    for text in all(Format::Junit) {
        let found = elements(&text);
        let suite = ["name", "tests", "skipped", "failures", "errors", "file"];
        let is_clean = !text.contains("<failure") && !text.contains("<error");
        assert_structure(
            &found,
            &[
                ("testsuites", &["name", "tests", "failures", "errors"]),
                ("testsuites/testsuite", if is_clean { &suite[..5] } else { &suite }),
                ("testsuites/testsuite/testcase", &["name", "classname"]),
                ("testsuites/testsuite/testcase/failure", RESULT),
                ("testsuites/testsuite/testcase/error", RESULT),
            ],
        );
        let count = |name: &str| found.iter().filter(|element| element.path.ends_with(name)).count();
        let root = &found[0].attributes;
        let counts = ["tests", "failures", "errors"].map(|key| root[key].parse::<usize>().expect("a number"));
        assert_eq!(counts, [count("/testcase"), count("/failure"), count("/error")]);
        assert!(counts[0] > 0, "a report without a test");
        assert!(quick_junit::Report::deserialize_from_str(&text).is_ok());
    }
}

#[test]
fn junit_maps_files_to_suites_and_findings_to_failures() {
    let report = hostile();
    let found = elements(&rendered(&report, Format::Junit));
    let count = |name: &str| found.iter().filter(|element| element.path.ends_with(name)).count();
    assert_eq!(count("/testsuite"), HOSTILE.len());
    assert_eq!(count("/failure"), report.findings.len());
    assert_eq!(count("/error"), report.errors.len());
    let clean = elements(&rendered(&empty_report(), Format::Junit));
    assert_eq!(clean[2].attributes["name"], "no Kubernetes objects in 0 files");
    let errors_alone = report::render(&report, Format::Junit, Style::plain(Severity::Error));
    assert_eq!(errors_alone.matches("<failure").count(), HOSTILE.len());
}

#[test]
fn checkstyle_has_the_expected_structure() {
    for text in all(Format::Checkstyle) {
        let found = elements(&text);
        assert_structure(
            &found,
            &[
                ("checkstyle", &["version"]),
                ("checkstyle/file", &["name"]),
                ("checkstyle/file/error", &["line", "column", "severity", "message", "source"]),
            ],
        );
        for error in found.iter().filter(|element| element.path.ends_with("/error")) {
            assert!(["error", "warning", "info"].contains(&error.attributes["severity"].as_str()));
            assert!(error.attributes["line"].parse::<usize>().is_ok_and(|line| line > 0));
        }
    }
    let found = elements(&rendered(&hostile(), Format::Checkstyle));
    assert_eq!(found.len(), 1 + HOSTILE.len() + HOSTILE.len() * 4);
    let report =
        Report { findings: vec![located(Severity::Error, 1, "f", "]]> \"a\" & <b>")], ..empty_report() };
    let found = elements(&rendered(&report, Format::Checkstyle));
    assert_eq!(found[2].attributes["message"], "]]> \"a\" & <b>. ]]> \"a\" & <b>");
}

#[test]
fn markdown_escapes_hostile_text() {
    for text in all(Format::Markdown) {
        for line in text.lines().filter(|line| line.starts_with("| ")) {
            assert_eq!(line.matches('|').count(), 5, "{line}");
        }
        for line in text.lines() {
            // Outside of code spans, there are no HTML tags and no mentions.
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
            let bare: String = line.split('`').step_by(2).collect();
            let parts = bare.split("<code>").enumerate().map(|(index, part)| match index {
                0 => part,
                _ => part.split_once("</code>").expect("an end").1,
            });
            assert!(!parts.collect::<String>().contains(['<', '@']), "{line}");
        }
        let known_starts = ["## volcheck", "### ", "| ", "|---|", "Found ", "No problems"];
        for line in text.lines() {
            let counts = ["could not be fully checked", "fixable with", "not rendered", "not checked"];
            let is_count = counts.iter().any(|count| line.contains(count));
            assert!(
                is_count || known_starts.iter().any(|start| line.starts_with(start)) || line.is_empty(),
                "{line}"
            );
        }
    }
    let report =
        Report { findings: vec![located(Severity::Error, 1, "f", "`a` *b* | @c `d")], ..empty_report() };
    let text = rendered(&report, Format::Markdown);
    assert!(text.contains("| `a` \\*b\\* &#124; <code>@</code>c &#96;d |"), "{text}");
}

#[test]
fn markdown_is_bounded_and_counts_omitted_findings() {
    let report = many(20_000, 0, 5);
    let text = rendered(&report, Format::Markdown);
    assert!(text.len() <= 1_000_000 && text.len() > 900_000, "{} bytes", text.len());
    let rows =
        |severity: &str| text.lines().filter(|line| line.starts_with(&format!("| {severity} |"))).count();
    assert_eq!(rows("error"), 5);
    let left = 20_000 - rows("info");
    assert!(text.contains(&format!("**{left} of 20005 findings not shown**")), "{}", &text[999_000..]);
    assert!(!rendered(&many(10, 0, 0), Format::Markdown).contains("not shown"));
}

/// Returns the first run of a SARIF report.
fn sarif(report: &Report) -> Value {
    let text = rendered(report, Format::Sarif);
    json(&text)["runs"][0].take()
}

#[test]
fn sarif_reports_exceeded_limits_of_code_scanning() {
    let notes = |run: &Value| run["invocations"][0]["toolExecutionNotifications"].clone();
    let count = |run: &Value| run["results"].as_array().map(Vec::len);
    let run = sarif(&many(4_999, 0, 1));
    assert_eq!((count(&run), notes(&run)), (Some(5_000), Value::Null));
    assert_eq!(run["results"][0]["level"], "note");
    let run = sarif(&many(5_000, 0, 1));
    assert_eq!((count(&run), &notes(&run)[0]["level"]), (Some(5_001), &Value::from("note")));
    assert_eq!(run["results"][0]["level"], "error");
    let report = many(25_000, 0, 1);
    let run = sarif(&report);
    assert_eq!((count(&run), &notes(&run)[0]["level"]), (Some(25_000), &Value::from("warning")));
    let text = notes(&run)[0]["message"]["text"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(text.starts_with("omitted the 1 least severe of 25001 results"), "{text}");
    assert_eq!(run["results"][0]["level"], "error");
}

#[test]
fn gzipped_sarif_has_at_most_ten_megabytes() {
    // Random characters, which hardly compress.
    let mut state = 1_u64;
    let mut noise = || {
        let characters = (0..1_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from_u32(0x4E00 + u32::try_from(state >> 51).expect("13 bits")).expect("a character")
        });
        characters.collect::<String>()
    };
    let mut report = many(5_000, 0, 1);
    report.findings.iter_mut().take(5_000).for_each(|located| located.finding.message = noise());
    let text = rendered(&report, Format::Sarif);
    let run = json(&text)["runs"][0].take();
    let kept = run["results"].as_array().map_or(0, Vec::len);
    assert!(kept < 5_001 && kept > 1_000, "{kept}");
    assert_eq!(run["results"][0]["level"], "error");
    let note = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(note.as_str().is_some_and(|text| text.starts_with("omitted the ")));
    assert_valid(&sarif_schema(), &rendered(&many(5_001, 0, 0), Format::Sarif));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("written");
    assert!(encoder.finish().expect("an end").len() <= 10_000_000);
}

#[test]
fn severities_map_to_the_levels_of_each_format() {
    for (severity, sarif_level, command_name, gitlab) in [
        (Severity::Error, "error", "error", "critical"),
        (Severity::Warning, "warning", "warning", "major"),
        (Severity::Info, "note", "notice", "info"),
    ] {
        let report = Report { findings: vec![located(severity, 1, "f", "x")], ..empty_report() };
        assert_eq!(sarif(&report)["results"][0]["level"], sarif_level);
        assert_eq!(command(rendered(&report, Format::Github).trim_end()).name, command_name);
        assert_eq!(json(&rendered(&report, Format::Gitlab))[0]["severity"], gitlab);
        assert_eq!(json(&rendered(&report, Format::Json))["findings"][0]["severity"], severity.name());
        let checkstyle = elements(&rendered(&report, Format::Checkstyle));
        assert_eq!(checkstyle[2].attributes["severity"], severity.name());
    }
}

#[test]
fn concise_has_one_line_per_hostile_finding() {
    let report = hostile();
    let count = rendered(&report, Format::Concise).lines().count();
    assert_eq!(count, report.findings.len() + report.errors.len());
}

#[test]
fn formats_escape_terminal_control_characters() {
    for format in Format::ALL {
        let text = rendered(&hostile(), format);
        let is_unsafe = |c: char| c.is_control() && c != '\n' || ('\u{202A}'..='\u{202E}').contains(&c);
        // JSON strings have their own escapes.
        let is_json = matches!(format, Format::Json | Format::Jsonl | Format::Sarif | Format::Gitlab);
        assert!(
            is_json || !text.contains(is_unsafe),
            "{}: {:?}",
            format.name(),
            text.find(is_unsafe).map(|at| &text[at..])
        );
    }
}

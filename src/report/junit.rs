//! `junit`: JUnit XML. CI systems show each finding as a failed test.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{NO_OBJECTS, Style, counted, docs, shown};
use crate::finding::Suppression;
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut files: BTreeMap<&str, TestSuite> = BTreeMap::new();
    let errors = report.errors.iter().map(|located| (located, status(located, NonSuccessKind::Error)));
    let findings = shown(report, style).into_iter().map(|located| match &located.suppressed {
        Some(suppression) => (located, skipped(suppression)),
        None => (located, status(located, NonSuccessKind::Failure)),
    });
    for (located, status) in errors.chain(findings) {
        let suite = files.entry(located.file_name()).or_insert_with(|| suite(located));
        suite.add_test_case(case(located, status));
    }
    let mut document = quick_junit::Report::new("volcheck");
    if files.is_empty() {
        // Several CI systems treat a report without tests as an error.
        let files = counted(report.counts.files, "file");
        let mut case = match report.has_no_objects() {
            true => {
                TestCase::new(format!("no Kubernetes objects in {files}"), status_without_objects(report))
            }
            false => TestCase::new(format!("no problems in {files}"), TestCaseStatus::success()),
        };
        case.set_classname("volcheck");
        let mut suite = TestSuite::new("volcheck");
        suite.add_test_case(case);
        document.add_test_suite(suite);
    }
    document.add_test_suites(files.into_values());
    // The JUnit schema of Jenkins doesn't allow the attribute `skipped` in the root element.
    let skipped = format!(" skipped=\"{}\"", document.skipped);
    // Writing to a string never fails.
    document.to_string().unwrap_or_default().replacen(&skipped, "", 1)
}

/// Returns the status of the only test of a run that found no Kubernetes objects.
fn status_without_objects(report: &Report) -> TestCaseStatus {
    if !report.lacks_objects {
        return TestCaseStatus::success();
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(NO_OBJECTS);
    status
}

fn suite(located: &LocatedFinding) -> TestSuite {
    let mut suite = TestSuite::new(xml(located.file_name()));
    suite.extra.insert("file".into(), xml(located.file_name()));
    suite
}

fn status(located: &LocatedFinding, kind: NonSuccessKind) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_message(xml(&located.message()))
        .set_type(located.finding.rule.as_str())
        .set_description(description(located));
    status
}

fn skipped(suppression: &Suppression) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(xml(&format!("suppressed {suppression}")));
    status
}

fn case(located: &LocatedFinding, status: TestCaseStatus) -> TestCase {
    let finding = &located.finding;
    let (line, column) = located.line_and_column();
    // GitLab drops test cases with the same name.
    let name = format!("{} at {line}:{column}: {}", finding.rule, located.message());
    let mut case = TestCase::new(xml(&name), status);
    case.set_classname(xml(located.file_name()));
    case
}

fn description(located: &LocatedFinding) -> XmlString {
    let finding = &located.finding;
    let (line, column) = located.line_and_column();
    let mut lines = vec![format!("{}: {}:{line}:{column}", finding.severity, located.file_name())];
    if let Some(id) = &finding.object {
        lines.push(format!("object: {id}, {}", finding.primary.path));
    }
    for (name, text) in [("why", &finding.why), ("help", &finding.help)] {
        if !text.is_empty() {
            lines.push(format!("{name}: {text}"));
        }
    }
    lines.push(format!("docs: {}", docs(finding.rule)));
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    XmlString::new(lines.join("\n"))
}

/// Escapes control characters, most of which XML doesn't allow.
pub(super) fn xml(text: &str) -> XmlString {
    XmlString::new(printable(text))
}

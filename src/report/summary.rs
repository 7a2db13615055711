//! The summary of a run, in sentences. `text` and `markdown` include it.

use std::fmt::Write as _;

use super::{Style, counted, joined, verdicts};
use crate::finding::{Safety, Severity};
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;
use crate::rules::Rule;

/// Returns the summary, one sentence per line.
pub(super) fn render(report: &Report, style: Style) -> String {
    if let Some(config) = report.invalid_config {
        let count = counted(report.errors.len(), "error");
        return format!("The {} has {count}; nothing was checked.\n", config.noun());
    }
    let mut out = findings(report, style.min_severity);
    if let Some((reference, outside)) = report.outside.as_ref().filter(|(_, outside)| *outside > 0) {
        // Writing to a string never fails.
        let _ = write!(out, "; {outside} outside the changes since {reference}");
    }
    if !report.suppressed.is_empty() {
        let _ = write!(out, "; {} suppressed", report.suppressed.len());
        let denied = report.denied_in_cluster();
        if denied > 0 {
            let errors = counted(denied, "error");
            let _ = write!(out, ", including {errors} that the webhook does not suppress");
        }
    }
    out.push_str(".\n");
    if !report.errors.is_empty() {
        let inputs = counted(report.inputs_with_errors(), "input");
        let _ = writeln!(out, "{inputs} could not be fully checked.");
    }
    out + &fixable(report, style.min_severity)
        + &notes(report)
        + &verdicts::summary(report, style.min_severity)
}

/// Returns a sentence about the findings of at least the minimum severity that can be fixed.
/// Returns an empty string if there are none.
fn fixable(report: &Report, min_severity: Severity) -> String {
    let shown = report.findings.iter().filter(|located| located.finding.severity >= min_severity);
    let fixes = shown.filter_map(LocatedFinding::applicable_fix);
    let (safe, others): (Vec<_>, Vec<_>) = fixes.partition(|(fix, _)| fix.safety == Safety::Safe);
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    match (safe.len(), others.len()) {
        (0, 0) => String::new(),
        (0, count) => format!("{count} {} fixable with `--fix --unsafe-fixes`.\n", verb(count)),
        (count, 0) => format!("{count} {} fixable with `--fix`.\n", verb(count)),
        (safe, others) => {
            format!("{safe} {} fixable with `--fix`, {others} more with `--unsafe-fixes`.\n", verb(safe))
        }
    }
}

/// Returns the sentences about what was not checked, although it is no error: charts and other
/// input that was not rendered, possible host paths, and disabled rules.
pub fn notes(report: &Report) -> String {
    let mut out = unrendered(report) + &unknown_host_paths(report);
    if !report.has_rules {
        out.push_str("No rules are enabled, except those that report unchecked input.\n");
    }
    out
}

/// Returns the start of the summary: the numbers of findings with at least the minimum severity,
/// and of those with a lower severity.
fn findings(report: &Report, min_severity: Severity) -> String {
    let kinds = [Severity::Error, Severity::Warning, Severity::Info]
        .map(|severity| (severity, report.count(severity)))
        .into_iter()
        .filter(|(_, count)| *count > 0);
    let (shown, hidden): (Vec<_>, Vec<_>) = kinds.partition(|(severity, _)| *severity >= min_severity);
    let nouns = |kinds: &[(Severity, usize)]| {
        kinds.iter().map(|(severity, count)| counted(*count, severity.name())).collect::<Vec<_>>()
    };
    let counts = &report.counts;
    let objects =
        format!("{}, {} with volumes", counted(counts.objects, "object"), counts.objects_with_volumes);
    let files = counted(counts.files, "file");
    let total: usize = shown.iter().map(|(_, count)| count).sum();
    let mut out = match (total, report.errors.is_empty()) {
        (0, true) if report.has_no_objects() => format!("Found no Kubernetes objects in {files}"),
        (0, false) if report.has_no_objects() => {
            "Found no Kubernetes objects in the input that could be checked".to_owned()
        }
        (0, true) => format!("No problems in {files} ({objects})"),
        (0, false) => format!("Found no problems in the input that could be checked ({objects})"),
        _ => {
            let problems = counted(total, "problem");
            let kinds = nouns(&shown).join(", ");
            format!("Found {problems} ({kinds}) in {}", files_with_findings(report, min_severity))
        }
    };
    if !hidden.is_empty() {
        // Writing to a string never fails.
        let _ = write!(out, "; {} not shown", nouns(&hidden).join(" and "));
    }
    out
}

/// Returns the part of the summary about files: the number of manifests with findings, and the
/// names of the policy and the baseline if there are findings about these files. Counts only
/// findings of at least the minimum severity.
fn files_with_findings(report: &Report, min_severity: Severity) -> String {
    let (mut manifests, mut config): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for LocatedFinding { finding, location, .. } in &report.findings {
        if finding.severity >= min_severity {
            let rule = report.rules.find(finding.rule.as_str());
            let files = if rule.is_some_and(Rule::checks_config) { &mut config } else { &mut manifests };
            files.push(&location.path);
        }
    }
    // The findings are in order of their files.
    manifests.dedup();
    config.dedup();
    let checked = counted(report.counts.files, "file");
    let config: Vec<_> = config.into_iter().map(printable).collect();
    match (manifests.len(), config.join(" and ")) {
        (count, config) if config.is_empty() => format!("{count} of {checked}"),
        (0, config) => format!("{config} and none in {checked}"),
        (count, config) => format!("{config} and {count} of {checked}"),
    }
}

/// Returns a sentence about charts and other input that was not rendered. Returns an empty string
/// if there is no such input.
fn unrendered(report: &Report) -> String {
    let counts = &report.counts;
    let by_noun = counts.unrendered.iter().map(|(noun, count)| (*count, noun.as_str()));
    let own = [(counts.kustomizations, "kustomization"), (counts.charts, "chart")].into_iter();
    let unrendered: Vec<_> = own.chain(by_noun).filter(|(count, _)| *count > 0).collect();
    if unrendered.is_empty() {
        return String::new();
    }
    let verb = if unrendered.iter().map(|(count, _)| count).sum::<usize>() == 1 { "was" } else { "were" };
    let nouns = unrendered.into_iter().map(|(count, noun)| counted(count, noun)).collect();
    format!("{} {verb} not rendered.\n", joined(nouns))
}

/// The maximum number of fields with possible host paths that the summary names.
const MAX_UNKNOWN_HOST_PATHS: usize = 3;

/// Returns a sentence about fields that may contain host paths, but were not checked. Returns an
/// empty string if there are no such fields.
fn unknown_host_paths(report: &Report) -> String {
    let fields = &report.unknown_host_paths;
    if fields.is_empty() {
        return String::new();
    }
    let mut named: Vec<_> = fields
        .iter()
        .take(MAX_UNKNOWN_HOST_PATHS)
        .map(|field| {
            let (object, path) = (&field.object, field.field.to_string());
            format!("{}:{}: `{}` of {object}", printable(&field.path), field.line, printable(&path))
        })
        .collect();
    if fields.len() > named.len() {
        named.push(format!("{} more", fields.len() - named.len()));
    }
    let verb = if fields.len() == 1 { "was" } else { "were" };
    format!("{} {verb} not checked ({}).\n", counted(fields.len(), "possible host path"), joined(named))
}

//! The verdicts of the webhook, for `--as-admission`.

use std::fmt::Write as _;

use serde::Serialize;

use super::{counted, joined};
use crate::finding::Severity;
use crate::lint::{ObjectVerdict, Report, ReviewedObject};
use crate::model::printable;

/// The numbers of objects by verdict. Objects without findings are not counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct VerdictCounts {
    pub(super) denied: usize,
    pub(super) pods_denied: usize,
    pub(super) warned: usize,
    pub(super) audited: usize,
    pub(super) unchecked: usize,
    /// The findings that are not in the report because the webhook does not report them.
    pub(super) omitted_findings: usize,
}

/// Returns the counts of a report, considering only findings of at least the minimum severity.
/// Returns `None` if the run does not determine the verdicts of the webhook.
pub(super) fn counts(report: &Report, min_severity: Severity) -> Option<VerdictCounts> {
    let objects = report.reviewed_objects(min_severity);
    let count = |verdict| objects.iter().filter(|object| object.verdict == verdict).count();
    Some(VerdictCounts {
        denied: count(ObjectVerdict::Denied),
        pods_denied: count(ObjectVerdict::PodsDenied),
        warned: count(ObjectVerdict::Warned),
        audited: count(ObjectVerdict::Audited),
        unchecked: count(ObjectVerdict::Unchecked),
        omitted_findings: report.omitted_findings?,
    })
}

/// Returns one line per object with findings of at least the minimum severity: the verdict, the
/// object, its location, and the rules that are the reason for the verdict. Denied objects come
/// first.
pub(super) fn table(report: &Report, min_severity: Severity) -> String {
    let mut objects = report.reviewed_objects(min_severity);
    objects.sort_by_key(|object| object.verdict);
    let mut out = String::new();
    for ReviewedObject { id, verdict, first, rules } in &objects {
        let rules: Vec<_> = rules.iter().map(|rule| rule.as_str()).collect();
        let path = printable(&first.location.path);
        let line = first.location.primary.map_or(1, |span| span.start.line);
        // Writing to a string never fails.
        let _ = writeln!(out, "{:11}  {id} ({path}:{line}): {}", verdict.name(), rules.join(", "));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// Returns a sentence with the number of objects by verdict. Returns an empty string if the run
/// does not determine the verdicts of the webhook.
pub(super) fn summary(report: &Report, min_severity: Severity) -> String {
    let Some(counts) = counts(report, min_severity) else { return String::new() };
    let denied = match counts.denied {
        0 => "deny no objects".to_owned(),
        count => format!("deny {}", counted(count, "object")),
    };
    let others = [
        (counts.pods_denied, "deny the Pods of"),
        (counts.warned, "warn about"),
        (counts.audited, "only audit"),
        (counts.unchecked, "not check"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let others = others.map(|(count, verb)| format!("{verb} {}", counted(count, "object")));
    let verdicts = joined(std::iter::once(denied).chain(others).collect());
    let omitted = match counts.omitted_findings {
        0 => String::new(),
        1 => "Omitted 1 finding that the webhook does not report.\n".to_owned(),
        count => format!("Omitted {count} findings that the webhook does not report.\n"),
    };
    format!("The webhook would {verdicts}.\n{omitted}")
}

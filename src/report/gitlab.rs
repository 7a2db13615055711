//! `gitlab`: a Code Quality report, for merge requests.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Style;
use crate::finding::{RuleId, Severity, digest};
use crate::lint::{LocatedFinding, Report};

#[derive(Serialize)]
struct Issue<'r> {
    description: String,
    check_name: RuleId,
    fingerprint: String,
    severity: &'static str,
    location: Location<'r>,
}

#[derive(Serialize)]
struct Location<'r> {
    path: &'r str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let issues: Vec<Issue<'_>> = report
        .unsuppressed(style.min_severity)
        .into_iter()
        .map(|located| issue(located, &mut seen))
        .collect();
    // Serializing these types never fails.
    let mut out = serde_json::to_string_pretty(&issues).unwrap_or_default();
    out.push('\n');
    out
}

fn issue<'r>(located: &'r LocatedFinding, seen: &mut BTreeMap<u64, usize>) -> Issue<'r> {
    let rule = located.finding.rule;
    let identity = identity(located);
    let count = seen.entry(identity).or_default();
    *count += 1;
    Issue {
        // GitLab doesn't show `check_name`.
        description: format!("{rule}: {}", located.message_with_help()),
        check_name: rule,
        // GitLab drops issues with the same fingerprint.
        fingerprint: match *count {
            1 => format!("{identity:016x}"),
            count => format!("{identity:016x}-{count}"),
        },
        severity: severity(located.finding.severity),
        location: Location { path: located.file_name(), lines: Lines { begin: located.line_and_column().0 } },
    }
}

/// Returns a digest that does not change when lines move. If the finding is about an object, the
/// digest covers the object and the fingerprint of the finding. Otherwise, it covers the file, the
/// rule and the message.
fn identity(located: &LocatedFinding) -> u64 {
    let finding = &located.finding;
    match &finding.object {
        Some(id) => {
            let fingerprint = finding.fingerprint.to_string();
            digest(&[&id.group, &id.kind, &id.namespace, &id.name, &fingerprint])
        }
        None => digest(&[located.file_name(), finding.rule.as_str(), &finding.message]),
    }
}

/// Returns the GitLab severity, which is one of info, minor, major, critical and blocker.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "critical",
        Severity::Warning => "major",
        Severity::Info => "info",
    }
}

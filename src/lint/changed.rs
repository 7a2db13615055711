//! `--changed-since`: keeps only the findings on changed lines or in changed objects.

use std::path::Path;

use super::{LocatedFinding, Report};
use crate::input::Changes;

/// Removes the findings and errors that are outside the changes. Counts them, except for suppressed
/// findings. `reference` is the name of the commit for the report.
///
/// The following are kept:
///
/// - findings whose primary location starts on a changed line
/// - findings about an object with changed lines
/// - findings with a related location in another file, if that location is on a changed line, in
///   rendered text, or in text that is not in a file
/// - findings about a changed file as a whole
/// - errors in changed files
/// - all findings and errors in rendered text, and in text that is not in a file
pub fn keep_changed(report: &mut Report, reference: &str, changes: &Changes) {
    let before = report.findings.len() + report.errors.len();
    report.findings.retain(|located| is_touched(changes, located));
    report.suppressed.retain(|located| is_touched(changes, located));
    report.errors.retain(|LocatedFinding { location, .. }| {
        is_unknown_to_git(&location.path, location.is_rendered)
            || changes.touches_file(Path::new(&*location.path))
    });
    let outside = before - report.findings.len() - report.errors.len();
    report.outside = Some((reference.to_owned(), outside));
}

/// Checks whether Git cannot have an earlier version of the text. This is the case if the text is
/// rendered or if no file exists at `path`, as for standard input.
fn is_unknown_to_git(path: &str, is_rendered: bool) -> bool {
    is_rendered || !Path::new(path).exists()
}

fn is_touched(changes: &Changes, located: &LocatedFinding) -> bool {
    let LocatedFinding { location, .. } = located;
    if is_unknown_to_git(&location.path, location.is_rendered) {
        return true;
    }
    let path = Path::new(&*location.path);
    let primary = location.primary.map(|span| span.start.line..=span.start.line);
    let object = location.file.as_ref().zip(located.object.as_ref()).map(|(file, bytes)| {
        file.line(bytes.start)..=file.line(bytes.end.saturating_sub(1).max(bytes.start))
    });
    // A finding in an unchanged file can be due to a change in another file.
    let is_elsewhere = location.related.iter().any(|related| {
        let line = related.span.start.line;
        related.other_file.as_ref().is_some_and(|other| {
            is_unknown_to_git(&other.path, other.is_rendered)
                || changes.touches(Path::new(&*other.path), &(line..=line))
        })
    });
    match (primary, object) {
        _ if is_elsewhere => true,
        (None, None) => changes.touches_file(path),
        (primary, object) => primary.iter().chain(&object).any(|lines| changes.touches(path, lines)),
    }
}

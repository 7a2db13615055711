//! `--changed-since`: of what was found, what a change has touched.

use std::env;
use std::path::Path;

use crate::input::Changes;
use crate::report::{Located, Report};

/// Leaves what has its primary place or its object in lines that are new since `reference`, and counts the rest.
pub(super) fn keep(report: &mut Report, reference: &str) -> anyhow::Result<()> {
    let changes = Changes::since(reference, &env::current_dir()?)
        .map_err(|error| anyhow::anyhow!("--changed-since {reference}: {error}"))?;
    let before = report.findings.len() + report.errors.len();
    report.findings.retain(|located| is_touched(&changes, located));
    report.suppressed.retain(|located| is_touched(&changes, located));
    report
        .errors
        .retain(|located| is_given(located) || changes.touches_file(Path::new(&*located.place.path)));
    let outside = before - report.findings.len() - report.errors.len();
    report.outside = Some((reference.to_owned(), outside));
    Ok(())
}

/// Whether git can't know it: it came by standard input, or it is rendered from more than one file.
fn is_given(located: &Located) -> bool {
    located.place.is_rendered || !Path::new(&*located.place.path).exists()
}

fn is_touched(changes: &Changes, located: &Located) -> bool {
    let path = Path::new(&*located.place.path);
    if is_given(located) {
        return true;
    }
    let primary = located.place.primary.map(|span| span.start.line..=span.start.line);
    let object = located.place.file.as_ref().zip(located.object.as_ref()).map(|(file, bytes)| {
        file.line(bytes.start)..=file.line(bytes.end.saturating_sub(1).max(bytes.start))
    });
    match (primary, object) {
        (None, None) => changes.touches_file(path),
        (primary, object) => primary.iter().chain(&object).any(|lines| changes.touches(path, lines)),
    }
}

//! `csv`: one row per finding, for spreadsheets (RFC 4180).

use super::{Style, shown};
use crate::finding::Access;
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

const COLUMNS: [&str; 16] = [
    "severity",
    "rule",
    "file",
    "line",
    "column",
    "rendered",
    "kind",
    "namespace",
    "name",
    "container",
    "volume",
    "path",
    "access",
    "message",
    "help",
    "suppressed",
];

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut table = Table::new(&COLUMNS);
    for located in report.errors.iter().chain(shown(report, style)) {
        row(&mut table, located);
    }
    table.into_text()
}

fn row(table: &mut Table, located: &LocatedFinding) {
    let LocatedFinding { finding, location, suppressed, .. } = located;
    let object = finding.object.as_deref();
    let start = location.primary.map(|span| span.start);
    let number = |number: Option<usize>| number.map_or_else(String::new, |number| number.to_string());
    let suppression = suppressed.as_ref().map_or_else(String::new, |own| match own.reason.as_str() {
        "" => own.by.noun().to_owned(),
        reason => format!("{}: {reason}", own.by.noun()),
    });
    table.row(&[
        finding.severity.name(),
        finding.rule.as_str(),
        &location.path,
        &number(start.map(|start| start.line)),
        &number(start.map(|start| start.column)),
        boolean(location.is_rendered),
        object.map_or("", |object| &object.kind),
        object.map_or("", |object| &object.namespace),
        object.map_or("", |object| &object.name),
        &finding.fingerprint.container,
        &finding.fingerprint.volume,
        &finding.fingerprint.path,
        access(finding.fingerprint.access),
        &located.message(),
        &finding.help,
        &suppression,
    ]);
}

pub(super) fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Returns the name of an access; empty if there is none.
pub(super) fn access(access: Option<Access>) -> &'static str {
    access.map_or("", Access::as_str)
}

/// A table in CSV.
pub(super) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut table = Self(csv::Writer::from_writer(Vec::new()));
        table.row(columns);
        table
    }

    /// Adds a row. If a spreadsheet could take a cell for a formula, an apostrophe is prepended.
    pub(super) fn row(&mut self, cells: &[&str]) {
        let escaped = cells.iter().map(|cell| match cell.starts_with(['=', '+', '-', '@']) {
            true => format!("'{}", printable(cell)),
            false => printable(cell).into_owned(),
        });
        // Writing to memory never fails, and all rows have the same length.
        let _ = self.0.write_record(escaped);
    }

    pub(super) fn into_text(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

//! `markdown`: a heading and a table per file, for step summaries and comments.
//!
//! Text from manifests is escaped so that it can't create links, mentions or other markup.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Style, counted, sort_by_severity, summary};
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

/// The maximum size of the report, in bytes. GitHub limits a step summary to 1 MiB, and GitLab
/// limits a comment to a million characters.
const MAX_BYTES: usize = 1_000_000;

/// The header of a table.
const HEADER: &str = "| severity | rule | message | location |\n|---|---|---|---|\n";

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if !style.quiet {
        out.push_str("## volcheck\n\n");
        out.push_str(&summary::render(report, style).replace('\n', "  \n"));
    }
    let mut shown = report.unsuppressed(style.min_severity);
    sort_by_severity(&mut shown);
    // Reserve space for the note about omitted findings.
    let mut remaining = MAX_BYTES.saturating_sub(out.len() + 300);
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    let mut kept = 0;
    for located in &shown {
        let (path, row) = (located.file_name(), row(located));
        let heading = if tables.contains_key(path) { String::new() } else { heading(path) };
        let Some(left) = remaining.checked_sub(heading.len() + row.len()) else { break };
        remaining = left;
        kept += 1;
        let table = tables.entry(path).or_default();
        table.push_str(&heading);
        table.push_str(&row);
    }
    tables.values().for_each(|table| out.push_str(table));
    if kept < shown.len() {
        // Writing to a string never fails.
        let _ = write!(
            out,
            "\n**{} of {} not shown**. The report is limited to {MAX_BYTES} bytes and omits the least severe findings. \
             For all findings, use another format.\n",
            shown.len() - kept,
            counted(shown.len(), "finding")
        );
    }
    out
}

fn heading(path: &str) -> String {
    format!("\n### {}\n\n{HEADER}", code(path))
}

fn row(located: &LocatedFinding) -> String {
    let finding = &located.finding;
    let (line, column) = located.line_and_column();
    let object =
        finding.object.as_ref().map_or_else(String::new, |id| format!(", {}", code(&id.to_string())));
    format!(
        "| {} | {} | {} | {line}:{column}{object} |\n",
        finding.severity,
        code(finding.rule.as_str()),
        prose(&located.message())
    )
}

/// Renders a message. Text in backticks is rendered as code, and all other markup is escaped.
fn prose(message: &str) -> String {
    let message = printable(message);
    let parts: Vec<&str> = message.split('`').collect();
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        let is_closed = index + 1 < parts.len();
        match index % 2 {
            1 if is_closed => out.push_str(&code(part)),
            1 => out.extend(["&#96;", &plain(part)]),
            _ => out.push_str(&plain(part)),
        }
    }
    out
}

/// Renders text as code. Uses HTML tags if the text is empty or contains a character that could end
/// the code or the table cell.
fn code(text: &str) -> String {
    let text = printable(text);
    match text.is_empty() || text.contains(['`', '|', '\\']) {
        true => format!("<code>{}</code>", escaped(&text)),
        false => format!("`{text}`"),
    }
}

/// Escapes markup and prevents mentions. Escaping the `@` would have no effect, because platforms
/// detect mentions in the rendered text. They ignore mentions in code, so the `@` is rendered as
/// code.
fn plain(text: &str) -> String {
    escaped(text).replace('@', "<code>@</code>")
}

/// Escapes markup and links.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Backslashes are encoded, too: a backslash before a pipe could escape the end of the
            // cell.
            '\\' | '|' | '`' | '<' | '>' | '&' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            '*' | '_' | '[' | ']' | '~' | '$' | ':' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

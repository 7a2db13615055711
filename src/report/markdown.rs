//! `markdown`: a headline and a table per file, for a step summary or a comment.
//!
//! What users have written comes out as it is written: it makes no link, no mention and no markup.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Style, counted, text, worst_first};
use crate::lint::{LocatedFinding, Report};
use crate::model::printable;

/// A step summary of GitHub takes 1 MiB, a comment of GitLab a million characters.
const MOST_BYTES: usize = 1_000_000;

/// What a table is below.
const HEAD: &str = "| severity | rule | message | place |\n|---|---|---|---|\n";

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if !style.quiet {
        out.push_str("## volcheck\n\n");
        out.push_str(&text::summary(report, style).replace('\n', "  \n"));
    }
    let mut shown = report.open(style.min_severity);
    worst_first(&mut shown);
    // Room for the headline, and for saying what is cut.
    let mut room = MOST_BYTES.saturating_sub(out.len() + 300);
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    let mut kept = 0;
    for located in &shown {
        let (path, row) = (located.file_name(), row(located));
        let heading = if tables.contains_key(path) { String::new() } else { heading(path) };
        let Some(rest) = room.checked_sub(heading.len() + row.len()) else { break };
        room = rest;
        kept += 1;
        let table = tables.entry(path).or_default();
        table.push_str(&heading);
        table.push_str(&row);
    }
    tables.values().for_each(|table| out.push_str(table));
    if kept < shown.len() {
        // Writing to a string can't fail.
        let _ = write!(
            out,
            "\n**{} of {} not shown here**, because platforms take no more than a megabyte of Markdown; the worst \
             are above, and every other format holds more.\n",
            shown.len() - kept,
            counted(shown.len(), "finding")
        );
    }
    out
}

fn heading(path: &str) -> String {
    format!("\n### {}\n\n{HEAD}", code(path))
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

/// A message: what stands in back-ticks is code, and nothing else has a meaning.
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

/// Text as code; with tags where it holds what would end the code or the cell.
fn code(text: &str) -> String {
    let text = printable(text);
    match text.is_empty() || text.contains(['`', '|', '\\']) {
        true => format!("<code>{}</code>", escaped(&text)),
        false => format!("`{text}`"),
    }
}

/// Text that mentions nobody: mentions are made of the text that the browser gets.
fn plain(text: &str) -> String {
    escaped(text).replace('@', "<code>@</code>")
}

/// Text that is no markup and no link.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Before a pipe, even an escaped back-slash would move where the cell ends.
            '\\' | '|' | '`' | '<' | '>' | '&' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            '*' | '_' | '[' | ']' | '~' | '$' | ':' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

//! Reports: what a run found, in the formats that people and programs read. One file per format.
//!
//! A format writes to a string, so that a report is whole or not there at all.

mod checkstyle;
mod concise;
mod github;
mod gitlab;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod sarif;
mod statistics;
mod text;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::str::FromStr;

use crate::finding::{RuleId, Severity};
use crate::lint::{LocatedFinding, Report};

pub use json::SCHEMA;
pub use statistics::render as statistics;
pub use text::diagnostic;

/// Returns the findings to show, in order.
fn shown(report: &Report, style: Style) -> Vec<&LocatedFinding> {
    let suppressed = report.suppressed.iter().filter(|_| style.show_suppressed);
    let mut shown: Vec<_> = report
        .findings
        .iter()
        .chain(suppressed)
        .filter(|located| located.finding.severity >= style.min_severity)
        .collect();
    if style.show_suppressed {
        shown.sort_by(|a, b| a.order(b));
    }
    shown
}

/// Orders by severity, the worst first, for where a platform takes only so many.
fn worst_first(shown: &mut [&LocatedFinding]) {
    shown.sort_by_key(|located| Reverse(located.finding.severity));
}

/// The formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: snippets, reasons, remedies.
    #[default]
    Text,
    /// A line each.
    Concise,
    /// One JSON document.
    Json,
    /// A line of JSON each.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands, which GitHub shows as annotations.
    Github,
    /// A Code Quality report of GitLab.
    Gitlab,
    /// JUnit's XML, which CI systems show as tests.
    Junit,
    /// Checkstyle's XML.
    Checkstyle,
    /// Tables for a step summary or a comment.
    Markdown,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Concise,
        Self::Json,
        Self::Jsonl,
        Self::Sarif,
        Self::Github,
        Self::Gitlab,
        Self::Junit,
        Self::Checkstyle,
        Self::Markdown,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Concise => "concise",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
            Self::Checkstyle => "checkstyle",
            Self::Markdown => "markdown",
        }
    }

    /// What it shows where nothing else is asked for: stores of findings get all, people what calls
    /// for action.
    pub fn default_min_severity(self) -> Severity {
        match self {
            Self::Json | Self::Jsonl | Self::Sarif => Severity::Info,
            Self::Text
            | Self::Concise
            | Self::Github
            | Self::Gitlab
            | Self::Junit
            | Self::Checkstyle
            | Self::Markdown => Severity::Warning,
        }
    }

    /// Whether statistics stand in it; the others have a shape of their own that has no place for
    /// them.
    pub fn holds_statistics(self) -> bool {
        matches!(self, Self::Text | Self::Concise)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("`{text}` is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// How a report is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// With links, where the terminal knows them.
    pub links: bool,
    /// What is below isn't shown, but counted.
    pub min_severity: Severity,
    /// Shows what is silenced, too.
    pub show_suppressed: bool,
    /// Without the summary, in the formats that have one for people.
    pub quiet: bool,
    /// With the counts per rule, in the formats that hold them.
    pub statistics: bool,
}

impl Style {
    /// Plain, with all from this severity on.
    pub fn plain(min_severity: Severity) -> Self {
        Self {
            color: false,
            links: false,
            min_severity,
            show_suppressed: false,
            quiet: false,
            statistics: false,
        }
    }
}

/// The report in a format.
pub fn render(report: &Report, format: Format, style: Style) -> String {
    match format {
        Format::Text => text::render(report, style),
        Format::Concise => concise::render(report, style),
        Format::Json => json::render(report, style),
        Format::Jsonl => jsonl::render(report, style),
        Format::Sarif => sarif::render(report, style),
        Format::Github => github::render(report, style),
        Format::Gitlab => gitlab::render(report, style),
        Format::Junit => junit::render(report, style),
        Format::Checkstyle => checkstyle::render(report, style),
        Format::Markdown => markdown::render(report, style),
    }
}

/// The level that a format has for a severity. They agree on errors and warnings, and have their
/// own word for an info.
fn level(severity: Severity, info: &'static str) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => info,
    }
}

/// `1 file`, `2 files`.
fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The address of the rules' pages; none while there is no such site.
const DOCS: Option<&str> = None;

/// Where a rule is explained.
fn docs(rule: RuleId) -> Cow<'static, str> {
    match DOCS {
        Some(address) => format!("{address}/{rule}").into(),
        None => format!("volcheck explain {rule}").into(),
    }
}

//! Report formats, one file each.
//!
//! Every format renders the whole report to a string before any of it is written.

mod checkstyle;
mod concise;
mod csv;
mod github;
mod gitlab;
mod group;
mod json;
mod jsonl;
mod junit;
mod markdown;
mod sarif;
mod statistics;
mod summary;
mod text;
mod verdicts;
mod volumes;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::str::FromStr;

use crate::finding::{RuleId, Severity};
use crate::lint::{ConfigFile, LocatedFinding, Report};
use crate::model::did_you_mean;

pub use json::SCHEMA;
pub use statistics::render as statistics;
pub use summary::notes;
pub use volumes::{VOLUMES_SCHEMA, VolumesFormat, volumes};

/// Returns the findings of at least the minimum severity, in report order. Includes suppressed
/// findings if the style shows them.
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

/// Sorts findings by descending severity, for platforms that limit their number.
fn sort_by_severity(shown: &mut [&LocatedFinding]) {
    shown.sort_by_key(|located| Reverse(located.finding.severity));
}

/// A report format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Snippets with explanations, for people.
    #[default]
    Text,
    /// One line per finding.
    Concise,
    /// One JSON document.
    Json,
    /// One line of JSON per finding, and a summary in the last line.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// GitHub Actions workflow commands.
    Github,
    /// A GitLab Code Quality report.
    Gitlab,
    /// JUnit XML, for the test reports of CI systems.
    Junit,
    /// Checkstyle XML.
    Checkstyle,
    /// Markdown tables, for step summaries and comments.
    Markdown,
    /// One row per finding, for spreadsheets.
    Csv,
}

impl Format {
    /// All formats, in the order of the documentation.
    pub const ALL: [Self; 11] = [
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
        Self::Csv,
    ];

    /// Returns the name of the format on the command line.
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
            Self::Csv => "csv",
        }
    }

    /// Returns the lowest severity that the format shows by default: info for `json`, `jsonl` and
    /// `sarif`, and warning for the other formats.
    pub fn default_min_severity(self) -> Severity {
        match self {
            Self::Json | Self::Jsonl | Self::Sarif => Severity::Info,
            Self::Text
            | Self::Concise
            | Self::Github
            | Self::Gitlab
            | Self::Junit
            | Self::Checkstyle
            | Self::Markdown
            | Self::Csv => Severity::Warning,
        }
    }

    /// Checks whether reports in this format contain the verdicts of the webhook. The readers of
    /// other formats know only severities.
    pub fn includes_verdicts(self) -> bool {
        matches!(self, Self::Text | Self::Concise | Self::Json | Self::Jsonl | Self::Markdown)
    }

    /// Checks whether reports in this format can include statistics. Reports in other formats have
    /// no place for them.
    pub fn includes_statistics(self) -> bool {
        matches!(self, Self::Text | Self::Concise)
    }

    /// Checks whether reports in this format state what was not checked, in a summary. Reports in
    /// other formats have no place for it.
    pub fn includes_summary(self) -> bool {
        matches!(self, Self::Text | Self::Markdown | Self::Json | Self::Jsonl)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.iter().map(|format| format.name());
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("unknown format `{text}`{}", did_you_mean(text, names)))
    }
}

/// The options of a report.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether `text` uses colors.
    pub color: bool,
    /// The lowest severity to show. Findings with a lower severity are only counted.
    pub min_severity: Severity,
    /// Whether to show suppressed findings in `text`, `concise`, `json`, `jsonl`, `csv` and
    /// `junit`. `sarif` always contains them, and the other formats never do.
    pub show_suppressed: bool,
    /// Whether to omit the summary from `text` and `markdown`.
    pub quiet: bool,
    /// Whether to add counts per rule to `text` and `concise`.
    pub statistics: bool,
}

impl Style {
    /// Returns a style without colors that shows findings of at least `min_severity`.
    pub fn plain(min_severity: Severity) -> Self {
        Self { color: false, min_severity, show_suppressed: false, quiet: false, statistics: false }
    }
}

/// Renders the report.
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
        Format::Csv => csv::render(report, style),
    }
}

/// Returns the name of a severity in the formats that use `error` and `warning`. These formats
/// differ only in the name of the lowest severity, which the caller passes as `info`.
fn severity_name(severity: Severity, info: &'static str) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => info,
    }
}

/// The message of a run that fails because it found no Kubernetes objects.
pub(crate) const NO_OBJECTS: &str = "no Kubernetes objects found; pass `--allow-empty` to allow this";

/// Returns the count with its noun, such as `1 file` or `2 files`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// Joins one or more items to `a`, `a and b`, or `a, b and c`.
fn joined(mut items: Vec<String>) -> String {
    match (items.pop(), items.join(", ")) {
        (Some(last), rest) if rest.is_empty() => last,
        (last, rest) => format!("{rest} and {}", last.unwrap_or_default()),
    }
}

/// The URL of the rule pages; `None` because they are not published yet.
const DOCS_URL: Option<&str> = None;

/// Returns the URL of the page for `rule`. Returns `None` if the pages are not published, or if
/// `rule` is the id of errors in a policy or baseline, which have no page.
fn docs_url(rule: RuleId) -> Option<String> {
    DOCS_URL.filter(|_| ConfigFile::from_id(rule).is_none()).map(|url| format!("{url}/{rule}"))
}

/// Returns the URL of the page for `rule`. If the page has no URL, returns the command that prints
/// it. For the id of errors in a policy or baseline, returns the command that describes this file.
fn docs(rule: RuleId) -> Cow<'static, str> {
    match (docs_url(rule), ConfigFile::from_id(rule)) {
        (Some(url), _) => url.into(),
        (None, Some(config)) => config.docs().into(),
        (None, None) => format!("volcheck explain {rule}").into(),
    }
}

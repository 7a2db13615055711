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
use std::cmp::{Ordering, Reverse};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use crate::finding::{Finding, Severity, SuppressedBy, Suppression};
use crate::model::printable;
use crate::rules;
use crate::source::{File, Span};

pub use json::SCHEMA;
pub use statistics::render as statistics;
pub use text::diagnostic;

/// A finding with its places in a text.
#[derive(Clone, Debug)]
pub struct Located {
    /// The finding.
    pub finding: Finding,
    /// Its file.
    pub place: Place,
    /// What silences it.
    pub suppressed: Option<Suppression>,
    /// The bytes of the text that its object stands in.
    pub object: Option<Range<usize>>,
}

/// Where a finding is.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file's name, as it is shown.
    pub path: Arc<str>,
    /// Its text; none where it couldn't be read.
    pub file: Option<Arc<File>>,
    /// The primary place; none where the finding is about the file as a whole.
    pub primary: Option<Span>,
    /// The related places, in the order of the finding's.
    pub related: Vec<Span>,
    /// Whether the text is what the file renders to: the places are in that, and none in the file itself.
    pub is_rendered: bool,
}

impl Place {
    /// A file as a whole.
    pub fn of_file(path: &str) -> Self {
        Self { path: path.into(), file: None, primary: None, related: Vec::new(), is_rendered: false }
    }
}

impl Located {
    /// A finding at a place, which nothing silences.
    pub fn new(finding: Finding, place: Place) -> Self {
        Self { finding, place, suppressed: None, object: None }
    }

    /// By path, line, rule: the order of every report.
    pub fn order(&self, other: &Self) -> Ordering {
        fn key(located: &Located) -> (&str, Option<usize>, Option<usize>) {
            let start = located.place.primary.map(|span| (span.start.line, span.start.column));
            (&*located.place.path, start.map(|(line, _)| line), start.map(|(_, column)| column))
        }
        let (own, its) = (key(self), key(other));
        (own.0, own.1)
            .cmp(&(its.0, its.1))
            .then_with(|| self.finding.rule.cmp(other.finding.rule))
            .then_with(|| own.2.cmp(&its.2))
            .then_with(|| self.finding.message.cmp(&other.finding.message))
    }

    /// The line and the column in the file: its first, where they aren't known.
    fn line_and_column(&self) -> (usize, usize) {
        self.span().map_or((1, 1), |span| (span.start.line, span.start.column))
    }

    /// The primary place, where that is one in the file.
    fn span(&self) -> Option<Span> {
        self.place.primary.filter(|_| !self.place.is_rendered)
    }

    /// The file's name, as people are shown it.
    fn path(&self) -> Cow<'_, str> {
        let path = printable(&self.place.path);
        if self.place.is_rendered { format!("{path} (rendered)").into() } else { path }
    }

    /// What is wrong, and the line of what is rendered, where a format can only name one in a file.
    fn message(&self) -> Cow<'_, str> {
        let message = self.finding.message.as_str();
        match self.place.primary.filter(|_| self.place.is_rendered) {
            Some(span) => format!("{message} (rendered, line {})", span.start.line).into(),
            None => message.into(),
        }
    }

    /// Its file, as code hosts name it.
    fn file(&self) -> &str {
        self.place.path.strip_prefix("./").unwrap_or(&self.place.path)
    }

    /// What is wrong and what to do, where a format has one text for both.
    fn sentence(&self) -> String {
        match self.finding.help.as_ref() {
            "" => self.message().into_owned(),
            help => format!("{}. {help}", self.message()),
        }
    }
}

/// What a run has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Files that were read.
    pub files: usize,
    /// Objects in them.
    pub objects: usize,
    /// Objects that are, make or back volumes.
    pub objects_with_volumes: usize,
    /// Documents that are no Kubernetes objects.
    pub other_documents: usize,
    /// Kustomizations that weren't rendered.
    pub kustomizations: usize,
    /// Charts that weren't rendered.
    pub charts: usize,
}

/// A run's result.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What it has seen.
    pub counts: Counts,
    /// What it found in objects, in order.
    pub findings: Vec<Located>,
    /// What it couldn't judge, in order.
    pub errors: Vec<Located>,
    /// What it found and something silences, in order.
    pub suppressed: Vec<Located>,
    /// The commit since which only changes are reported, and how many findings are outside of these.
    pub outside: Option<(String, usize)>,
}

impl Report {
    /// What is shown, in order.
    fn shown(&self, style: Style) -> Vec<&Located> {
        let suppressed = self.suppressed.iter().filter(|_| style.show_suppressed);
        let mut shown: Vec<_> = self
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

    /// How many errors are silenced here that the webhook denies: it knows the policy's exemptions alone.
    fn denied_elsewhere(&self) -> usize {
        let is_denied = |located: &&Located| {
            located.finding.severity == Severity::Error
                && located.suppressed.as_ref().is_some_and(|own| own.by != SuppressedBy::Exemption)
                && rules::find(located.finding.rule).is_some_and(|rule| rule.meta().lint_only.is_none())
        };
        self.suppressed.iter().filter(is_denied).count()
    }

    /// How many findings have the severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|located| located.finding.severity == severity).count()
    }

    /// What calls for action: all that couldn't be judged, then the findings of at least this severity.
    fn open(&self, min_severity: Severity) -> Vec<&Located> {
        let findings = self.findings.iter().filter(|located| located.finding.severity >= min_severity);
        self.errors.iter().chain(findings).collect()
    }
}

/// Orders by severity, the worst first, for where a platform takes only so many.
fn worst_first(shown: &mut [&Located]) {
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

    /// What it shows where nothing else is asked for: stores of findings get all, people what calls for action.
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

    /// Whether statistics stand in it; the others have a shape of their own that has no place for them.
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

/// The level that a format has for a severity. They agree on errors and warnings, and have their own word for
/// an info.
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
fn docs(rule: &str) -> Cow<'static, str> {
    match DOCS {
        Some(address) => format!("{address}/{rule}").into(),
        None => format!("volcheck explain {rule}").into(),
    }
}

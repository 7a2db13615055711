//! Findings with their locations in a text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::{Review, ValueLocation};
use crate::finding::{Finding, Fix, Suppression};
use crate::model::printable;
use crate::source::edit::{EditError, TextEdit};
use crate::source::{File, Span};

/// A finding with its locations in a text.
#[derive(Clone, Debug)]
pub struct LocatedFinding {
    pub finding: Finding,
    pub location: Location,
    /// The suppression of the finding; `None` if it is not suppressed.
    pub suppressed: Option<Suppression>,
    /// The byte range of the object in the text; `None` if the finding is not about an object.
    pub object: Option<Range<usize>>,
    /// The review of the object; `None` if the webhook receives neither the object nor Pods of it,
    /// or if the run does not determine the verdicts of the webhook.
    pub review: Option<Review>,
    /// The edits of the text that apply the fix, or the reason why they cannot be determined;
    /// `None` if the finding has no fix.
    pub text_edits: Option<Result<Vec<TextEdit>, EditError>>,
    /// The paths of the other files that the finding is about, such as other templates of a chart.
    pub other_files: Vec<Arc<str>>,
}

/// The location of a finding.
#[derive(Clone, Debug)]
pub struct Location {
    /// The name of the file, as shown to the user.
    pub path: Arc<str>,
    /// The text; `None` if it is not available.
    pub file: Option<Arc<File>>,
    /// The primary span; `None` if the finding is about the whole file.
    pub primary: Option<Span>,
    /// The related locations, in the order of the finding's labels.
    pub related: Vec<RelatedLocation>,
    /// Whether the text was rendered from the file. If so, spans refer to the rendered text.
    pub is_rendered: bool,
    /// The primary location in the template at `path` that the text was rendered from; `None` if it
    /// is unknown, or if the text was not rendered from a template.
    pub template: Option<TemplateLocation>,
}

/// The line of a template that produced rendered text.
#[derive(Clone, Debug)]
pub struct TemplateLocation {
    /// The template.
    pub file: Arc<File>,
    /// The span of the line, without its indentation.
    pub span: Span,
    /// Whether the line is certain to have produced the text. Otherwise, it is only similar.
    pub is_exact: bool,
    /// The value of the chart that the finding is about; `None` if the text is from the template
    /// itself, or if the value is unknown.
    pub value: Option<ValueLocation>,
}

impl TemplateLocation {
    /// Returns the text of the line, without its indentation.
    pub(crate) fn text(&self) -> &str {
        self.file.text()[self.file.line_range(self.span.start.line)].trim()
    }
}

/// A related location, which may be in another file.
#[derive(Clone, Debug)]
pub struct RelatedLocation {
    pub span: Span,
    /// The file; `None` if it is the file of the primary location.
    pub other_file: Option<OtherFile>,
}

/// A file that does not contain the primary location.
#[derive(Clone, Debug)]
pub struct OtherFile {
    /// The name of the file, as shown to the user.
    pub path: Arc<str>,
    /// The text.
    pub file: Arc<File>,
    /// Whether the text was rendered from the file. If so, the span refers to the rendered text.
    pub is_rendered: bool,
}

impl OtherFile {
    /// Returns the path as shown to people, with a note if the text was rendered.
    pub(crate) fn display_path(&self) -> Cow<'_, str> {
        display_path(&self.path, self.is_rendered)
    }
}

impl Location {
    /// Returns the location for a finding about a whole file.
    pub fn of_file(path: &str) -> Self {
        Self {
            path: path.into(),
            file: None,
            primary: None,
            related: Vec::new(),
            is_rendered: false,
            template: None,
        }
    }

    /// Returns the primary span and the spans of the related locations in the same text.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        let related = self.related.iter().filter(|related| related.other_file.is_none());
        self.primary.into_iter().chain(related.map(|related| related.span))
    }
}

impl LocatedFinding {
    pub fn new(finding: Finding, location: Location) -> Self {
        Self {
            finding,
            location,
            suppressed: None,
            object: None,
            review: None,
            text_edits: None,
            other_files: Vec::new(),
        }
    }

    /// Returns the paths of all files that the finding is about.
    pub fn files(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.location.path).chain(&self.other_files)
    }

    /// Compares findings by path, line, rule, column and message. [`Report`](super::Report)
    /// contains findings in this order.
    pub fn order(&self, other: &Self) -> Ordering {
        let start = |located: &Self| located.span().or(located.location.primary).map(|span| span.start);
        let (own, others) = (start(self), start(other));
        let rendered = |located: &Self| located.location.primary.map(|span| span.start.offset);
        self.location
            .path
            .cmp(&other.location.path)
            .then_with(|| own.map(|start| start.line).cmp(&others.map(|start| start.line)))
            .then_with(|| self.finding.rule.cmp(&other.finding.rule))
            .then_with(|| own.map(|start| start.column).cmp(&others.map(|start| start.column)))
            .then_with(|| self.finding.message.cmp(&other.finding.message))
            .then_with(|| rendered(self).cmp(&rendered(other)))
    }

    /// Returns the fix and its edits of the text, if they can be applied to the file.
    pub fn applicable_fix(&self) -> Option<(&Fix, &[TextEdit])> {
        Some((self.finding.fix.as_ref()?, self.text_edits.as_ref()?.as_ref().ok()?))
    }

    /// Returns the line and column in the file, or line 1 and column 1 if [`span`](Self::span)
    /// returns `None`.
    pub(crate) fn line_and_column(&self) -> (usize, usize) {
        self.span().map_or((1, 1), |span| (span.start.line, span.start.column))
    }

    /// Returns the primary span in the file. If the text was rendered, returns the span of the
    /// template line. Returns `None` if this line is unknown, or if the finding is about the whole
    /// file.
    pub(crate) fn span(&self) -> Option<Span> {
        match self.location.is_rendered {
            true => self.location.template.as_ref().map(|template| template.span),
            false => self.location.primary,
        }
    }

    /// Returns the path as shown to people, with a note if the text was rendered.
    pub(crate) fn display_path(&self) -> Cow<'_, str> {
        display_path(&self.location.path, self.location.is_rendered)
    }

    /// Returns the message for report formats with only one location per finding. The message
    /// includes the verdict of the webhook, if it is known, the related locations in other files
    /// and, if the text was rendered, the line.
    pub(crate) fn message(&self) -> Cow<'_, str> {
        let mut message = Cow::Borrowed(self.finding.message.as_str());
        if let Some(span) = self.location.primary.filter(|_| self.location.is_rendered) {
            let is_exact = self.location.template.as_ref().is_none_or(|template| template.is_exact);
            let note = if is_exact { "" } else { "; the line in the template is approximate" };
            message.to_mut().push_str(&format!(" (rendered, line {}{note})", span.start.line));
        }
        if let Some(review) = &self.review {
            message.to_mut().push_str(&format!(" ({})", review.verdict().name()));
        }
        for related in &self.location.related {
            let Some(other) = &related.other_file else { continue };
            let separator = if other.is_rendered { ", rendered, line " } else { ":" };
            let location = format!(" (see {}{separator}{})", printable(&other.path), related.span.start.line);
            message.to_mut().push_str(&location);
        }
        message
    }

    /// Returns the path without a leading `./`, as services such as GitHub expect it.
    pub(crate) fn file_name(&self) -> &str {
        self.location.path.strip_prefix("./").unwrap_or(&self.location.path)
    }

    /// Returns the message followed by the help and the flags that apply the fix, if there are any.
    /// It is for report formats without separate fields for them.
    pub(crate) fn message_with_help(&self) -> String {
        let mut message = self.message().into_owned();
        let help = &self.finding.help;
        if !help.is_empty() {
            message.push_str(&format!(". {help}"));
        }
        if let Some((fix, _)) = self.applicable_fix() {
            message.push_str(&format!(" (fixable with `{}`)", fix.safety.flags()));
        }
        message
    }
}

/// Returns the path as shown to people, with a note if the text was rendered.
fn display_path(path: &str, is_rendered: bool) -> Cow<'_, str> {
    let path = printable(path);
    if is_rendered { format!("{path} (rendered)").into() } else { path }
}

//! The edits that suppress findings, and their presentation.

use super::Form;
use crate::fix::FileEdit;
use crate::lint::LocatedFinding;
use crate::model::printable;

/// The edits that suppress findings.
#[derive(Debug, Default)]
pub struct Plan {
    pub edits: Vec<FileEdit>,
    /// The findings that the edits suppress. They may include findings that the report does not
    /// contain, because a selected finding about the same volume takes precedence.
    pub exempted: Vec<LocatedFinding>,
    /// The selected findings that cannot be suppressed, each with the reason.
    pub refused: Vec<(LocatedFinding, String)>,
}

impl Plan {
    /// Returns a sentence about the edits, and the findings that cannot be suppressed.
    pub fn summary(&self, form: &Form, is_dry_run: bool) -> String {
        let mut text = String::new();
        if let [first, rest @ ..] = self.edits.as_slice() {
            let verb = if is_dry_run { "Would exempt" } else { "Exempted" };
            let until = match form {
                Form::Policy { expires, .. } => format!(" until {expires}"),
                Form::Comment | Form::Annotation => String::new(),
            };
            let files =
                if rest.is_empty() { first.name.clone() } else { format!("{} files", self.edits.len()) };
            let noun = if self.exempted.len() == 1 { "finding" } else { "findings" };
            text.push_str(&format!("{verb} {} {noun} in {files}{until}.\n", self.exempted.len()));
        }
        for (located, problem) in &self.refused {
            text.push_str(&format!("warning: {}\n  not exempted, because {problem}\n", describe(located)));
        }
        text
    }
}

/// Describes a finding in one line.
pub(super) fn describe(located: &LocatedFinding) -> String {
    let finding = &located.finding;
    let object = finding.object.as_ref().map_or_else(String::new, |object| format!(" ({object})"));
    let message = printable(&finding.message);
    format!("{}: {}: {message}{object}", position(located), finding.rule)
}

/// Returns the path, the line and the column of a finding.
pub(super) fn position(located: &LocatedFinding) -> String {
    let (line, column) = located.line_and_column();
    format!("{}:{line}:{column}", located.display_path())
}

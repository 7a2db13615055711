//! Edits of the text of manifests that keep comments, order, indentation and line breaks.
//!
//! [`field_edits`] converts the edits of a fix to edits of the text. [`Addition`] adds items to a
//! collection. [`apply`] applies edits of the text.

mod addition;
mod field;
mod lines;
mod style;

use std::fmt;
use std::ops::Range;

pub use addition::Addition;
pub use field::field_edits;
pub use lines::{line_break, line_start};
pub use style::{quoted, scalar};

use lines::is_cut_off;

/// A replacement of a byte range of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    pub range: Range<usize>,
    pub text: String,
}

impl TextEdit {
    /// Creates an edit that replaces a range.
    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    /// Creates an edit that inserts text.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::replace(at..at, text)
    }

    /// Creates an edit that inserts lines at `at`, which is the start of a line or the end of
    /// `text`.
    pub fn insert_lines(text: &str, at: usize, lines: &[String]) -> Self {
        let line_break = line_break(text, at);
        let joined = lines.join(line_break);
        Self::insert(
            at,
            match is_cut_off(text, at) {
                true => line_break.to_owned() + &joined,
                false => joined + line_break,
            },
        )
    }
}

/// The reason why an edit of a field cannot be converted to edits of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EditError {
    /// Other parts of the document contain the field, too, by an alias or a merge key.
    Shared,
    /// The text around the field has an unusual form, or the field does not exist.
    Unsupported,
    /// The edit would remove a comment about another field.
    Comment,
    /// The object is in a string.
    InString,
    /// The text was rendered from a chart or a kustomization.
    Rendered,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "the field is shared through an anchor, an alias or a merge key",
            Self::Unsupported => "the notation of the field is not supported",
            Self::Comment => "a comment would be lost",
            Self::InString => "the object is in a string of another object",
            Self::Rendered => "the text is rendered",
        })
    }
}

/// Applies edits that do not overlap.
pub fn apply<'e>(text: &str, edits: impl IntoIterator<Item = &'e TextEdit>) -> String {
    let mut edits: Vec<_> = edits.into_iter().collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(text.get(at..edit.range.start).unwrap_or_default());
        out.push_str(&edit.text);
        at = edit.range.end;
    }
    out.push_str(&text[at..]);
    out
}

//! Fixes: edits at field paths, made into text by whoever has the text.

use serde::Serialize;

use crate::model::FieldPath;

/// What a fix may change for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// The containers see the same, or the object could not have run as written.
    Safe,
    /// Behaviour may change.
    Unsafe,
}

/// One change of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets the value at the path to a string or a boolean, adding the key where it is absent.
    Set(FieldPath, EditValue),
    /// Gives the key at the path another name.
    Rename(FieldPath, String),
    /// Removes the key or item at the path.
    Remove(FieldPath),
}

/// A value that a fix writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditValue {
    /// A string.
    Str(String),
    /// A boolean.
    Bool(bool),
    /// A mapping with nothing in it.
    EmptyMapping,
}

/// Edits that belong together, and end the finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What they may change.
    pub safety: Safety,
    /// In order.
    pub edits: Vec<Edit>,
}

//! Fixes: edits of fields of an object, independent of its text.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::FieldPath;

/// What a fix may change for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// The containers see the same as before, or the object could not have run as written.
    Safe,
    /// Behavior may change.
    Unsafe,
}

/// A change of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets the value at the path, adding the key if it is absent.
    Set(FieldPath, EditValue),
    /// Renames the key at the path.
    Rename(FieldPath, String),
    /// Removes the key or item at the path.
    Remove(FieldPath),
}

/// A value that a fix writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditValue {
    Str(String),
    Bool(bool),
    EmptyMapping,
}

/// Edits that together resolve a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What the fix does, as an imperative: the name of the action in an editor.
    pub title: Cow<'static, str>,
    /// What the edits may change for the user.
    pub safety: Safety,
    /// The edits, in the order in which they are applied.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// Creates a fix that may change behavior.
    pub fn unsafe_edits(title: impl Into<Cow<'static, str>>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Unsafe, edits }
    }

    /// Creates a fix that changes nothing for the containers.
    pub fn safe_edits(title: impl Into<Cow<'static, str>>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Safe, edits }
    }
}

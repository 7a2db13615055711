//! Fixes: edits of fields of an object, independent of its text.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::FieldPath;

/// The safety of a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// The fix does not change the behavior of a running object.
    Safe,
    /// The fix may change behavior, or there are several possible fixes.
    Unsafe,
}

impl Safety {
    /// Returns the name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
        }
    }

    /// Returns the flags of `volcheck lint` that apply fixes of this safety.
    pub fn flags(self) -> &'static str {
        match self {
            Self::Safe => "--fix",
            Self::Unsafe => "--fix --unsafe-fixes",
        }
    }
}

/// An edit of one field.
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
    /// The title, an imperative such as "set `readOnly: true`". Editors show it as the name of the
    /// action.
    pub title: Cow<'static, str>,
    /// The safety of the edits as a whole.
    pub safety: Safety,
    /// The edits, in the order in which they are applied.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// Creates a fix that is [`Safety::Unsafe`].
    pub fn unsafe_edits(title: impl Into<Cow<'static, str>>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Unsafe, edits }
    }

    /// Creates a fix that is [`Safety::Safe`].
    pub fn safe_edits(title: impl Into<Cow<'static, str>>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Safe, edits }
    }
}

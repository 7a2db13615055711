//! The error type shared by the YAML and JSON parsers.

use std::ops::Range;

use super::scalar::TagError;
use super::tree::MAX_DEPTH;

/// A document that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    pub kind: ParseErrorKind,
    /// The byte range in the text.
    pub span: Range<usize>,
}

/// The reason for a [`ParseError`].
///
/// If kubectl reports the same error, the message is that of go-yaml or libyaml, so that users can
/// search for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// A syntax error in YAML, with the message of libyaml.
    #[error("{0}")]
    Yaml(String),
    /// A syntax error in JSON.
    #[error("{0}")]
    Json(&'static str),
    /// A `%YAML` directive with a version other than 1.1.
    #[error("found incompatible YAML document")]
    IncompatibleVersion,
    /// The escape `\/` in a double-quoted YAML scalar. JSON and libyaml accept it, but go-yaml does
    /// not.
    #[error("found unknown escape character `\\/`")]
    UnknownEscape,
    /// An alias without a preceding anchor of the same name.
    #[error("unknown anchor `{0}` referenced")]
    UnknownAnchor(String),
    /// An alias inside the collection that it refers to.
    #[error("anchor `{0}` value contains itself")]
    RecursiveAnchor(String),
    /// More nodes from aliases than go-yaml allows, or more text from aliases than volcheck allows.
    #[error("document contains excessive aliasing")]
    ExcessiveAliasing,
    /// More than [`MAX_DEPTH`] nested collections.
    #[error("nested more than {} levels deep", MAX_DEPTH)]
    TooDeep,
    /// More than [`MAX_DEPTH`] nested collections after alias expansion.
    #[error("nested more than {} levels deep, including aliases", MAX_DEPTH)]
    TooDeepWithAliases,
    /// A mapping or a sequence as a key.
    #[error("a mapping key must be a scalar")]
    CollectionAsKey,
    /// A null key.
    #[error("a mapping key must not be null")]
    NullKey,
    /// A key whose text does not match its explicit tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A merge key whose value is neither a mapping nor a sequence of mappings.
    #[error("map merge requires map or sequence of maps as the value")]
    InvalidMerge,
}

impl ParseErrorKind {
    /// Returns an error of this kind at `span`.
    pub(super) fn at(self, span: Range<usize>) -> ParseError {
        ParseError { kind: self, span }
    }
}

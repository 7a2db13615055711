//! Entry points: text to trees.

use std::ops::Range;

use super::error::ParseError;
use super::tree::Tree;
use super::{fast, json, yaml};

/// Parses the first document in the bytes `chunk` of `text`. Returns `None` if the chunk contains
/// only white space and comments.
///
/// All ranges in the tree and in the error are relative to `text`, not to the chunk.
pub fn parse(text: &str, chunk: Range<usize>) -> Result<Option<Tree<'_>>, ParseError> {
    match parse_fast(text, chunk.clone()) {
        Some(tree) => Ok(Some(tree)),
        None => parse_general(text, chunk),
    }
}

/// Parses like [`parse`], but with the fast parser only. Returns `None` if the general parser has
/// to decide.
pub fn parse_fast(text: &str, chunk: Range<usize>) -> Option<Tree<'_>> {
    fast::parse(text, chunk)
}

/// Parses like [`parse`], but with the general parser only.
pub fn parse_general(text: &str, chunk: Range<usize>) -> Result<Option<Tree<'_>>, ParseError> {
    yaml::parse(text, chunk)
}

/// Parses the bytes `chunk` of `text` as a stream of JSON values.
pub fn parse_json(text: &str, chunk: Range<usize>) -> Result<Vec<Tree<'_>>, ParseError> {
    json::parse(text, chunk)
}

//! Entry points of the parsers.

use std::ops::Range;

use super::error::ParseError;
use super::tree::Tree;
use super::{fast, json, yaml};

/// Parses the first document in the byte range `chunk` of `text`. Returns `None` if the chunk
/// contains only white space and comments.
///
/// All ranges in the tree and in the error are relative to `text`, not to the chunk.
pub fn parse(text: &str, chunk: Range<usize>) -> Result<Option<Tree<'_>>, ParseError> {
    match parse_fast(text, chunk.clone()) {
        Some(tree) => Ok(Some(tree)),
        None => parse_general(text, chunk),
    }
}

/// Parses like [`parse`], but only with the fast parser. Returns `None` if the chunk requires the
/// general parser.
pub fn parse_fast(text: &str, chunk: Range<usize>) -> Option<Tree<'_>> {
    fast::parse(text, chunk)
}

/// Parses like [`parse`], but only with the general parser.
pub fn parse_general(text: &str, chunk: Range<usize>) -> Result<Option<Tree<'_>>, ParseError> {
    yaml::parse(text, chunk)
}

/// Parses the byte range `chunk` of `text` as a stream of JSON values.
pub fn parse_json(text: &str, chunk: Range<usize>) -> Result<Vec<Tree<'_>>, ParseError> {
    json::parse(text, chunk)
}

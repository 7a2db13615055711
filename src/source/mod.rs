//! Parsing of manifests: bytes to text, text to documents, documents to trees with spans, and field
//! paths back to spans.
//!
//! This module knows YAML and JSON, but no rules, policies or reports. [`File::decode`] turns bytes
//! into text, [`split_documents`] finds the documents and [`parse`] builds a [`Tree`] for one of
//! them. [`decode`] deserializes a node into a type of the model, and [`locate`] finds the span of
//! a field path for a finding.
//!
//! The files build on each other in one direction: `libyaml`, `scalar` and `tree` at the bottom,
//! `builder` above them, then one file per parser (`yaml`, `json`, `fast`), and `parse` on top,
//! which picks the parser.

mod builder;
mod de;
mod error;
mod fast;
mod file;
mod json;
mod libyaml;
mod locate;
mod parse;
mod position;
mod scalar;
mod split;
mod tree;
mod yaml;

pub use de::{NodeRef, decode};
pub use error::{ParseError, ParseErrorKind};
pub use fast::count_skippable;
pub use file::{File, MAX_FILE_BYTES, TextError, TextErrorKind};
pub use libyaml::count_events;
pub use locate::{find_node, locate, locate_key, node_span};
pub use parse::{parse, parse_fast, parse_general, parse_json};
pub use position::{Position, Span, Utf16Position};
pub use scalar::{Scalar, TagError};
pub use split::{Chunk, split_documents};
pub use tree::{KeyConflict, MAX_DEPTH, MappingEntry, NodeId, Tree, View};

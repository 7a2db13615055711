//! Parsing of manifests.
//!
//! - [`File::decode`] converts bytes to text.
//! - [`split_documents`] finds the documents in the text.
//! - [`parse`] parses a document into a [`Tree`]. Each node of the tree has a location in the text.
//! - [`decode`] deserializes a node into a type, such as a type of the model.
//! - [`locate`] returns the span of a field path, for a finding.
//!
//! This module handles YAML and JSON, and does not depend on rules, policies or reports.
//!
//! The files depend on each other in one direction. `scalar` and `tree` are at the bottom.
//! `builder` uses them, and each parser (`yaml`, `json` and `fast`) uses `builder`. Only `yaml`
//! uses `libyaml`. `parse` is at the top and selects the parser.

mod builder;
mod de;
pub mod edit;
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

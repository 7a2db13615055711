//! Text: from bytes to documents, trees with spans, and from field paths back to spans.
//!
//! It knows YAML and JSON, and nothing of rules, policies or what is reported. The way in is
//! [`File::decode`], then [`split`] and [`Tree`]; [`decode`] makes model types of a node, and [`locate`]
//! finds the span of a field path, for the findings that exist.

mod build;
mod de;
mod file;
mod json;
mod libyaml;
mod locate;
mod plain;
mod scalar;
mod sniff;
mod split;
mod tree;

pub use de::{Value, decode};
pub use file::{File, MAX_FILE_BYTES, Position, Span, TextError};
pub use libyaml::{Style, count_events};
pub use locate::{find, locate, locate_key, span_of};
pub use scalar::{Scalar, resolve};
pub use sniff::harmless_objects;
pub use split::{Chunk, split};
pub use tree::{Duplicate, MAX_DEPTH, NodeId, Pair, Tree, TreeError, View};

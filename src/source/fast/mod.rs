//! Two fast readers for the most common forms of manifests.
//!
//! They only improve performance. Without them, volcheck would be several times slower. The results
//! would be the same, except that syntax errors in skipped documents would be reported. You can
//! understand the rest of the crate without this directory.
//!
//! - [`plain`] parses a subset of YAML into a [`Tree`](super::tree::Tree). It is several times as
//!   fast as the general parser.
//! - [`sniff`] finds documents that do not need to be parsed, because none of their objects can
//!   contain a volume.
//!
//! The readers fulfill this contract:
//!
//! 1. When in doubt, a fast reader returns `None`. The general parser then parses the document.
//!    Only the general parser reports errors.
//! 2. A tree from `plain` equals the tree from the general parser, including all byte offsets.
//! 3. If `sniff` skips a document that the general parser accepts, the document contains exactly
//!    the number of objects that `sniff` returns, and the caller's predicate is true for all of
//!    them.
//!
//! The fuzz targets `plain` and `sniff` check the contract.

mod lexer;
mod plain;
mod sniff;

pub(super) use plain::parse;
pub use sniff::count_skippable;

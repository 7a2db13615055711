//! Two fast readers for the kinds of text that most manifests consist of.
//!
//! They exist for speed alone. Without them, volcheck would give the same results, only several
//! times slower, so readers of the code can skip this directory.
//!
//! - [`plain`] parses a subset of YAML into a [`Tree`](super::tree::Tree), seven times as fast as
//!   the general parser.
//! - [`sniff`] finds documents that need no parsing, because none of their objects can contain a
//!   volume.
//!
//! Both keep this contract:
//!
//! 1. When in doubt, they give up and return `None`. The general parser then decides, and it alone
//!    reports errors.
//! 2. A tree from `plain` equals the tree of the general parser in every byte offset.
//! 3. If the general parser accepts a document that `sniff` skips, it finds the same number of
//!    objects, and the predicate of the caller is true for all of them.
//!
//! The fuzz targets `plain` and `sniff` check the contract.

mod lexer;
mod plain;
mod sniff;

pub(super) use plain::parse;
pub use sniff::count_skippable;

//! The volcheck program as a library, for its own tests, benchmarks and fuzzers. It promises no
//! stable Rust API: the interface is the command line, the policy file and the report formats.
//!
//! One engine is used in two ways. Lint: paths → [`input`] → [`source`] → [`model`] → [`engine`] →
//! [`report`]. Admission: request → [`admission`] → [`model`] → [`engine`] → response. Both enter
//! the engine through [`engine::judge`] under one [`policy`]; the engine runs the [`rules`], which
//! report [`finding`]s.

pub mod admission;
pub mod cli;
#[cfg(feature = "server")]
pub mod cluster;
pub mod engine;
pub mod finding;
pub mod input;
pub mod lint;
pub mod model;
pub mod policy;
pub mod report;
pub mod rules;
#[cfg(feature = "server")]
pub mod server;
pub mod source;
pub mod suppress;

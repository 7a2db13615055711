//! The code of the `volcheck` program as a library, which the tests, benchmarks and fuzzers use.
//! The Rust API is not stable. The public interface of volcheck consists of the command line, the
//! policy file and the report formats.
//!
//! Linting and admission share one engine:
//!
//! - Linting: paths → [`input`] → [`source`] → [`model`] → [`engine`] → [`report`]
//! - Admission: request → [`admission`] → [`model`] → [`engine`] → response
//!
//! Both pass a subject, such as an object, and a [`policy`] to [`engine::judge`]. The engine runs
//! the [`rules`], which report [`finding`]s.

pub mod admission;
pub mod cli;
#[cfg(feature = "server")]
pub mod cluster;
pub mod engine;
pub mod exempt;
pub mod finding;
pub mod fix;
pub mod input;
#[cfg(feature = "server")]
pub mod install;
pub mod lint;
pub mod model;
pub mod policy;
pub mod policy_test;
pub mod report;
pub mod rules;
#[cfg(feature = "server")]
pub mod server;
pub mod source;
pub mod suppress;

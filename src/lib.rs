//! volcheck makes Kubernetes volumes safe: one engine as a linter and as an admission webhook.
//!
//! The way of the data, with no way back. Lint: paths → [`input`] → [`source`] → [`model`] → [`engine`] →
//! [`report`]. Admission: a review → [`admission`] → [`model`] → [`engine`] → its answer. Both enter the
//! engine through [`engine::judge`], under one [`policy`]; what it runs are the [`rules`], which report
//! [`finding`]s.

pub mod admission;
pub mod cli;
#[cfg(feature = "server")]
pub mod cluster;
pub mod engine;
pub mod finding;
pub mod input;
pub mod model;
pub mod policy;
pub mod report;
pub mod rules;
#[cfg(feature = "server")]
pub mod server;
pub mod source;
pub mod suppress;

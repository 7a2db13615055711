//! Installs the webhook without Helm: manifests, static registrations, and certificates.
//!
//! `tests/chart.sh` renders the chart once per source of certificates, with placeholders for the
//! values, and writes the manifests to `charts/plain`. [`manifest`] replaces the placeholders and
//! removes the objects that the values disable. A test compares the result with the chart, rendered
//! by Helm with the same values.

mod certificates;
mod manifest;
mod schema;
mod values;
mod yaml;

pub use certificates::{Certificates, certificates};
pub use manifest::{manifest, static_registration};
pub use values::Values;

//! A client of the Kubernetes API, which manages the Secret with volcheck's CA and the registration
//! of the webhooks.
//!
//! Reviews do not depend on this module. The client updates two objects that the chart creates, and
//! reads the EndpointSlices of the Service. It creates no objects, so uninstalling the chart
//! removes all objects.

pub mod ca;
mod registrar;
mod registration;
pub mod x509;

pub use registrar::{Registrar, RegistrarSettings};
pub use registration::ENTRIES_ANNOTATION;

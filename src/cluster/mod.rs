//! The client of the Kubernetes API: volcheck's CA in a Secret, and the registration of its
//! webhooks.
//!
//! No review depends on it. It updates two objects that the chart creates and reads the
//! EndpointSlices of the Service; it creates no object, so uninstalling the chart leaves none
//! behind. It does not check objects.

pub mod ca;
mod registrar;
mod registration;
pub mod x509;

pub use registrar::{Registrar, RegistrarSettings};
pub use registration::ENTRIES_ANNOTATION;

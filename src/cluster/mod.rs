//! A client of the Kubernetes API, which manages the Secret with volcheck's CA and the registration
//! of the webhooks, and records Events.
//!
//! Reviews do not depend on this module. The client updates two objects that the chart creates, and
//! reads a ConfigMap and the EndpointSlices of the Service. It creates no objects except Events, so
//! uninstalling the chart removes all other objects.

pub mod ca;
mod changes;
mod events;
pub mod probe;
mod registrar;
mod registration;
mod text;
pub mod x509;

pub use changes::Changes;
pub use events::{Event, EventRecorder};
pub use registrar::{Change, Registered, Registrar, RegistrarSettings, RegistrationState};
pub use registration::{Entries, parse_entries};

use anyhow::Context as _;
use kube::{Client, Config};

/// Creates a client that uses the Pod's service account. Returns an error outside of a cluster.
pub fn in_cluster_client() -> anyhow::Result<Client> {
    let config = Config::incluster().context("not running in a cluster")?;
    Ok(Client::try_from(config)?)
}

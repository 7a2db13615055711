//! The registrar, which rotates the CA and keeps the registration up to date.

use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::time::Instant;

use super::ca::CertificateAuthority;
use super::registration;

/// The field manager of the registered entries (`metadata.managedFields`).
const FIELD_MANAGER: &str = "volcheck";

#[derive(Clone, Debug)]
pub struct RegistrarSettings {
    /// The name of the Service that routes to this server. The ValidatingWebhookConfiguration has
    /// the same name. The Secret with the CA has the same name with the suffix `-ca`.
    pub service: String,
    /// The lifetime of a CA.
    pub ca_lifetime: SignedDuration,
    /// How long a new CA must be in the registered trust bundle before it signs certificates. API
    /// servers take some time to notice a changed registration.
    pub ca_overlap: Duration,
    /// How long the Service must have had a ready endpoint before the webhook is registered. Nodes
    /// take some time to route to a new endpoint.
    pub registration_delay: Duration,
}

/// Manages the CA and the registration of the Service for one of its replicas.
pub struct Registrar {
    settings: RegistrarSettings,
    namespace: String,
    client: Client,
    /// The registered trust bundle, and the time since which this replica has seen it registered
    /// without interruption. `None` if the webhooks were not registered when this replica last
    /// checked.
    registered: Option<(String, Instant)>,
    /// The time since which the Service has had a ready endpoint. `None` if it has none, or if the
    /// webhooks are registered.
    reachable_since: Option<Instant>,
}

impl Registrar {
    /// Creates a registrar that uses the Pod's service account. Returns an error outside of a
    /// cluster.
    pub fn new(settings: RegistrarSettings) -> anyhow::Result<Self> {
        let config = Config::incluster().context("cannot register the webhook: not running in a cluster")?;
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config)?;
        Ok(Self { settings, namespace, client, registered: None, reachable_since: None })
    }

    /// Returns the DNS name that the API server uses to connect to the Service.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.settings.service, self.namespace)
    }

    /// Generates the CA if the Secret contains none, or performs the rotation steps that are due.
    /// Stores a changed CA in the Secret. Returns the CA.
    pub async fn reconcile_ca(&self) -> anyhow::Result<CertificateAuthority> {
        let name = format!("{}-ca", self.settings.service);
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            let context = || format!("Secret {name}");
            let mut secret = secrets.get(&name).await.with_context(context)?;
            let data = secret.data.take().unwrap_or_default();
            let stored = CertificateAuthority::from_secret(&data).with_context(context)?;
            let (now, lifetime) = (Timestamp::now(), self.settings.ca_lifetime);
            let rotated = match &stored {
                None => Some(CertificateAuthority::generate(now, lifetime)?),
                Some(stored) => stored.rotate(now, lifetime, self.is_trusted(stored))?,
            };
            let Some(rotated) = rotated else { return stored.with_context(context) };
            secret.data = Some(rotated.to_secret());
            // `secret` still has the resource version that was read. If two replicas replace the
            // Secret at the same time, the second replica gets a conflict and reads the CA that the
            // first replica wrote.
            match secrets.replace(&name, &PostParams::default(), &secret).await {
                Ok(_) => return Ok(rotated),
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(error) => return Err(error).with_context(context),
            }
        }
    }

    /// Checks whether the CA's trust bundle has been registered for at least `ca_overlap`.
    fn is_trusted(&self, ca: &CertificateAuthority) -> bool {
        let registered = self.registered.as_ref().filter(|(bundle, _)| *bundle == ca.trust_bundle());
        registered.is_some_and(|(_, since)| since.elapsed() >= self.settings.ca_overlap)
    }

    /// Checks whether the last call of [`register`](Self::register) found or created a
    /// registration. A call that fails, or whose update conflicts with another update, does not
    /// change the result.
    pub fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// Fetches the current registration.
    pub async fn fetch_registration(&self) -> anyhow::Result<ValidatingWebhookConfiguration> {
        let name = &self.settings.service;
        let registration = self.registration_api().get(name).await;
        registration.with_context(|| format!("ValidatingWebhookConfiguration {name}"))
    }

    fn registration_api(&self) -> Api<ValidatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Registers the webhooks with the CA's trust bundle.
    ///
    /// Does nothing if the webhooks are not registered and the Service has not had a ready endpoint
    /// for the registration delay.
    ///
    /// `current` must have been fetched before `ca`. If the registration has changed since then,
    /// for example because another replica has registered a later CA, the API server rejects the
    /// update. The next call tries again.
    pub async fn register(
        &mut self,
        current: &ValidatingWebhookConfiguration,
        ca: &CertificateAuthority,
    ) -> anyhow::Result<()> {
        let is_registered = current.webhooks.as_ref().is_some_and(|entries| !entries.is_empty());
        if !is_registered && !self.is_reachable().await? {
            self.registered = None;
            return Ok(());
        }
        // Restart the registration delay if the entries are removed later.
        self.reachable_since = None;
        let (name, bundle) = (&self.settings.service, ca.trust_bundle());
        let context = || format!("ValidatingWebhookConfiguration {name}");
        let desired = registration::desired_entries(current, &bundle).with_context(context)?;
        if current.webhooks.as_ref() != Some(&desired) {
            // A merge patch replaces the whole list, which removes entries and fields that other
            // clients have added.
            let version = &current.metadata.resource_version;
            let patch = json!({ "metadata": { "resourceVersion": version }, "webhooks": desired });
            let params =
                PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            match self.registration_api().patch(name, &params, &Patch::Merge(&patch)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(()),
                Err(error) => return Err(error).with_context(context),
            }
        }
        let is_unchanged = registration::has_bundle(current, &bundle)
            && self.registered.as_ref().is_some_and(|(registered, _)| *registered == bundle);
        if !is_unchanged {
            self.registered = Some((bundle, Instant::now()));
        }
        Ok(())
    }

    /// Checks whether the Service has had a ready endpoint for at least the registration delay.
    async fn is_reachable(&mut self) -> anyhow::Result<bool> {
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        let selector = format!("kubernetes.io/service-name={}", self.settings.service);
        let slices = slices
            .list(&ListParams::default().labels(&selector))
            .await
            .context("cannot list EndpointSlices")?;
        let mut endpoints = slices.items.iter().flat_map(|slice| &slice.endpoints);
        let is_ready = endpoints.any(|endpoint| {
            endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
        });
        if !is_ready {
            self.reachable_since = None;
            return Ok(false);
        }
        let since = *self.reachable_since.get_or_insert_with(Instant::now);
        Ok(since.elapsed() >= self.settings.registration_delay)
    }
}

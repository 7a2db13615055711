//! The cluster that volcheck runs in: its authority, in a Secret, and its registration.
//!
//! All of it is off the way of a request, and by rights to three objects that the chart makes: none of them is made
//! here, so none is left behind. It judges nothing.

pub mod authority;
pub mod issue;
mod registration;

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

use authority::Authority;

pub use registration::ENTRIES;

/// By which the API server knows whose the entries are.
const FIELD_MANAGER: &str = "volcheck";

/// How volcheck keeps its authority and its registration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the Service that leads here, of the registration, and, with `-ca`, of the Secret.
    pub service: String,
    /// How long an authority holds.
    pub authority_lifetime: SignedDuration,
    /// How long a new authority is trusted before it signs: what the API servers take to learn of a change.
    pub overlap: Duration,
    /// How long the Service has led to somebody who is ready before that is registered: what the nodes take.
    pub settle: Duration,
}

/// Keeps the authority and the registration.
pub struct Keeper {
    settings: Settings,
    namespace: String,
    client: Client,
    /// The bundle that the registration has held at each look since then.
    trusted: Option<(String, Instant)>,
    /// Since when the Service leads somewhere.
    reachable: Option<Instant>,
}

impl Keeper {
    /// By the account that the Pod has.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let config = Config::incluster().context("outside of a cluster there is nobody to register with")?;
        let namespace = config.default_namespace.clone();
        Ok(Self { settings, namespace, client: Client::try_from(config)?, trusted: None, reachable: None })
    }

    /// By which name the API server knows the server.
    pub fn name(&self) -> String {
        format!("{}.{}.svc", self.settings.service, self.namespace)
    }

    /// The authority, one step on where that is due.
    pub async fn authority(&self) -> anyhow::Result<Authority> {
        let name = format!("{}-ca", self.settings.service);
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        loop {
            let context = || format!("Secret {name}");
            let mut secret = secrets.get(&name).await.with_context(context)?;
            let stored = Authority::read(&secret.data.take().unwrap_or_default()).with_context(context)?;
            let (now, lifetime) = (Timestamp::now(), self.settings.authority_lifetime);
            let after = match &stored {
                None => Some(Authority::new(now, lifetime)?),
                Some(stored) => stored.step(now, lifetime, self.is_trusted(stored))?,
            };
            let Some(after) = after else { return stored.with_context(context) };
            secret.data = Some(after.data());
            // With the version that was read: of two replicas, one is the first, and the other reads what it wrote.
            match secrets.replace(&name, &PostParams::default(), &secret).await {
                Ok(_) => return Ok(after),
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                Err(error) => return Err(error).with_context(context),
            }
        }
    }

    fn is_trusted(&self, authority: &Authority) -> bool {
        let trusted = self.trusted.as_ref().filter(|(bundle, _)| *bundle == authority.bundle());
        trusted.is_some_and(|(_, since)| since.elapsed() >= self.settings.overlap)
    }

    /// Whether something is registered, as far as is known here.
    pub fn is_registered(&self) -> bool {
        self.trusted.is_some()
    }

    /// What is registered now.
    pub async fn registered(&self) -> anyhow::Result<ValidatingWebhookConfiguration> {
        let name = &self.settings.service;
        let found = self.registrations().get(name).await;
        found.with_context(|| format!("ValidatingWebhookConfiguration {name}"))
    }

    fn registrations(&self) -> Api<ValidatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Registers, with what is to be trusted; not before the Service leads to somebody who is ready, where nothing is
    /// registered yet. `registered` is what was found before the authority was read: where somebody has changed it
    /// since, that may know of a later authority, and nothing is done.
    pub async fn register(
        &mut self,
        registered: &ValidatingWebhookConfiguration,
        authority: &Authority,
    ) -> anyhow::Result<()> {
        let is_registered = registered.webhooks.as_ref().is_some_and(|entries| !entries.is_empty());
        if !is_registered && !self.is_reachable().await? {
            self.trusted = None;
            return Ok(());
        }
        // What is taken away later settles anew before it comes back.
        self.reachable = None;
        let (name, bundle) = (&self.settings.service, authority.bundle());
        let context = || format!("ValidatingWebhookConfiguration {name}");
        let wanted = registration::wanted(registered, &bundle).with_context(context)?;
        if registered.webhooks.as_ref() != Some(&wanted) {
            // All entries, and all that is in them: what somebody has added goes, too.
            let version = &registered.metadata.resource_version;
            let patch = json!({ "metadata": { "resourceVersion": version }, "webhooks": wanted });
            let parameters =
                PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            match self.registrations().patch(name, &parameters, &Patch::Merge(&patch)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(()),
                Err(error) => return Err(error).with_context(context),
            }
        }
        let is_known = registration::trusts(registered, &bundle)
            && self.trusted.as_ref().is_some_and(|(trusted, _)| *trusted == bundle);
        if !is_known {
            self.trusted = Some((bundle, Instant::now()));
        }
        Ok(())
    }

    /// Whether the Service has led to somebody who is ready for long enough for every node to know.
    async fn is_reachable(&mut self) -> anyhow::Result<bool> {
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        let of_service = format!("kubernetes.io/service-name={}", self.settings.service);
        let slices =
            slices.list(&ListParams::default().labels(&of_service)).await.context("EndpointSlices")?;
        let mut endpoints = slices.items.iter().flat_map(|slice| &slice.endpoints);
        let is_ready = endpoints
            .any(|endpoint| endpoint.conditions.as_ref().is_some_and(|known| known.ready == Some(true)));
        let since = *self.reachable.get_or_insert_with(Instant::now);
        if !is_ready {
            self.reachable = None;
        }
        Ok(is_ready && since.elapsed() >= self.settings.settle)
    }
}

//! The registrar, which rotates the CA and keeps the registration up to date.

use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ca::CertificateAuthority;
use super::changes::Changes;
use super::events::EventRecorder;
use super::registration::{self, Entries};
use super::text;

/// The field manager of the registered entries (`metadata.managedFields`).
pub(super) const FIELD_MANAGER: &str = "volcheck";

/// The maximum length of a reason for which the API server refuses entries, in bytes.
const MAX_REASON_LEN: usize = 800;

#[derive(Clone, Debug)]
pub struct RegistrarSettings {
    /// The name of the Service that routes to this server. The ValidatingWebhookConfiguration, and
    /// the ConfigMap with its intended entries, have the same name. The Secret with the CA has the
    /// same name with the suffix `-ca`.
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
    trusted: Option<(String, Instant)>,
    /// The entries that this replica last registered, or found registered as intended. `None` at
    /// the start, and after the registration has been created again.
    in_place: Option<InPlace>,
    /// The time since which the Service has had a ready endpoint. `None` if it has none, or if the
    /// webhooks are registered.
    reachable_since: Option<Instant>,
}

/// Entries, with the trust bundle, and the uid of the registration that contains them.
struct InPlace {
    uid: Option<String>,
    entries: Entries,
}

/// The objects that determine the registration. They must be read in this order, and before the
/// CA: see [`Registrar::register`].
pub struct RegistrationState {
    registration: DynamicObject,
    /// The intended entries, or the reason why they are invalid.
    intended: Result<Entries, String>,
}

/// The result of [`Registrar::register`].
#[derive(Debug, PartialEq, Eq)]
pub struct Registered {
    /// The change of the registration; `None` if there was nothing to change.
    pub change: Option<Change>,
    /// The reason why the intended entries are invalid or refused by the API server. The last valid
    /// entries stay registered.
    pub refusal: Option<String>,
}

/// A change of the registration by volcheck.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// The entries were registered for the first time, or the intended entries or the trust bundle
    /// had changed.
    Updated,
    /// Another client had changed the registration, and the change was reverted. Contains the name
    /// of the field manager of the last change. That client can choose any name.
    Repaired { manager: String },
}

/// The result of an attempt to register entries.
enum Attempt {
    Done,
    /// Another client changed the registration after it was read.
    Conflict,
    /// The API server refuses the entries.
    Refused(String),
}

impl Registrar {
    /// Creates a registrar that uses the Pod's service account.
    pub fn new(settings: RegistrarSettings, client: Client) -> Self {
        let namespace = client.default_namespace().to_owned();
        Self { settings, namespace, client, trusted: None, in_place: None, reachable_since: None }
    }

    /// Returns the DNS name that the API server uses to connect to the Service.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.settings.service, self.namespace)
    }

    /// Returns the name of the registration.
    pub fn registration_name(&self) -> &str {
        &self.settings.service
    }

    /// Returns a reference to the registration, for Events.
    pub fn registration(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("admissionregistration.k8s.io/v1".to_owned()),
            kind: Some("ValidatingWebhookConfiguration".to_owned()),
            name: Some(self.settings.service.clone()),
            ..ObjectReference::default()
        }
    }

    /// Returns a reference to the Service, for Events.
    pub fn service(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.settings.service.clone()),
            ..ObjectReference::default()
        }
    }

    /// Starts a recorder of Events with `instance` as the reporting instance.
    pub fn record_events(&self, instance: String) -> EventRecorder {
        EventRecorder::start(self.client.clone(), instance)
    }

    /// Watches the registration and its intended entries for changes.
    pub fn watch(&self) -> Changes {
        let mut changes = Changes::default();
        let name = &self.settings.service;
        changes.watch(self.registration_api(), "ValidatingWebhookConfiguration", name);
        changes.watch(self.config_api(), "ConfigMap", name);
        changes
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
        let trusted = self.trusted.as_ref().filter(|(bundle, _)| *bundle == ca.trust_bundle());
        trusted.is_some_and(|(_, since)| since.elapsed() >= self.settings.ca_overlap)
    }

    /// Checks whether the last call of [`register`](Self::register) registered the webhooks, or
    /// found them registered. A call that fails, or whose update conflicts with another update,
    /// does not change the result.
    pub fn is_registered(&self) -> bool {
        self.trusted.is_some()
    }

    /// Reads the registration, and then its intended entries.
    pub async fn fetch_registration(&self) -> anyhow::Result<RegistrationState> {
        let name = &self.settings.service;
        let registration = self.registration_api().get(name).await;
        let registration = registration.with_context(|| format!("ValidatingWebhookConfiguration {name}"))?;
        let context = || format!("ConfigMap {name}");
        let config = self.config_api().get(name).await.with_context(context)?;
        let text = registration::entries_text(&config).with_context(context)?;
        let intended = registration::parse_entries(text).map_err(|error| reason(&format!("{error:#}")));
        Ok(RegistrationState { registration, intended })
    }

    fn registration_api(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
        Api::all_with(self.client.clone(), &resource)
    }

    fn config_api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Registers the intended entries with the CA's trust bundle, and reverts all other changes of
    /// the registered entries. If the entries are invalid or the API server refuses them, keeps the
    /// last valid entries, with the trust bundle.
    ///
    /// Returns `None` if the webhooks are not registered and the Service has not had a ready
    /// endpoint for the registration delay. There is no delay if this replica has already seen them
    /// registered: another client has then removed them.
    ///
    /// `state` must have been read before `ca`. If the registration has changed since then, for
    /// example because another replica has registered a later CA, the API server rejects the
    /// update, and this function returns `None`. The next call tries again.
    pub async fn register(
        &mut self,
        state: &RegistrationState,
        ca: &CertificateAuthority,
    ) -> anyhow::Result<Option<Registered>> {
        let RegistrationState { registration, intended } = state;
        let found = registration::registered_entries(registration);
        // The registration can have been deleted and created again, for example to change
        // `certs.mode`.
        self.in_place.take_if(|known| known.uid != registration.metadata.uid);
        if found.is_empty() && self.in_place.is_none() && !self.is_reachable().await? {
            self.trusted = None;
            return Ok(None);
        }
        // Restart the registration delay if the registration is created again later.
        self.reachable_since = None;
        let bundle = ca.trust_bundle();
        let refusal = match intended {
            Ok(intended) => {
                let desired = registration::with_bundle(intended, &bundle);
                match self.put(registration, &desired).await? {
                    Attempt::Done => {
                        let change = self.record_entries(registration, desired, bundle);
                        return Ok(Some(Registered { change, refusal: None }));
                    }
                    Attempt::Conflict => return Ok(None),
                    Attempt::Refused(reason) => Some(reason),
                }
            }
            Err(reason) => Some(reason.clone()),
        };
        let last = self.in_place.as_ref().map_or(found, |known| &known.entries);
        let last = registration::with_bundle(last, &bundle);
        if last.is_empty() {
            self.trusted = None;
            return Ok(Some(Registered { change: None, refusal }));
        }
        match self.put(registration, &last).await? {
            Attempt::Done => {
                let change = self.record_entries(registration, last, bundle);
                Ok(Some(Registered { change, refusal }))
            }
            Attempt::Conflict => Ok(None),
            Attempt::Refused(reason) => {
                Err(anyhow::anyhow!(reason).context("cannot register the last valid webhooks"))
            }
        }
    }

    /// Registers entries, unless the registration already contains exactly these entries.
    async fn put(&self, current: &DynamicObject, desired: &[Value]) -> anyhow::Result<Attempt> {
        if registration::registered_entries(current) == desired {
            return Ok(Attempt::Done);
        }
        let name = &self.settings.service;
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        // A merge patch replaces the whole list, which removes the entries and fields that other
        // clients have added.
        let version = &current.metadata.resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version }, "webhooks": desired });
        match self.registration_api().patch(name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => Ok(Attempt::Done),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Attempt::Conflict),
            Err(error) => match refusal(&error) {
                Some(reason) => Ok(Attempt::Refused(reason)),
                None => Err(error).with_context(|| format!("ValidatingWebhookConfiguration {name}")),
            },
        }
    }

    /// Records that `entries` are registered, and returns the change that this required.
    fn record_entries(&mut self, before: &DynamicObject, entries: Entries, bundle: String) -> Option<Change> {
        let is_unchanged = registration::registered_entries(before) == entries;
        let change = match &self.in_place {
            _ if is_unchanged => None,
            Some(known) if known.entries == entries => {
                let manager = registration::last_manager(before).unwrap_or("unknown");
                Some(Change::Repaired { manager: text::bounded(manager, 128) })
            }
            _ => Some(Change::Updated),
        };
        if !is_unchanged || self.trusted.as_ref().is_none_or(|(trusted, _)| *trusted != bundle) {
            self.trusted = Some((bundle, Instant::now()));
        }
        self.in_place = Some(InPlace { uid: before.metadata.uid.clone(), entries });
        change
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

/// Returns the reason why the API server refuses an object as invalid. Returns `None` for other
/// errors.
pub(super) fn refusal(error: &kube::Error) -> Option<String> {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 422) => Some(reason(&status.message)),
        _ => None,
    }
}

fn reason(text: &str) -> String {
    text::bounded(text, MAX_REASON_LEN)
}

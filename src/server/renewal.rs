//! The loop that renews the serving certificate and keeps the webhook registered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time;
use tracing::{info, warn};

use super::Shared;
use super::log::Rate;
use super::metrics::CertificateRole;
use super::shutdown::Phase;
use crate::cluster::ca::{self, CertificateAuthority};
use crate::cluster::x509::Validity;
use crate::cluster::{Change, Event, EventRecorder, Registered, Registrar};

/// The time limit of one round. A round consists of a few requests to the API server.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum pause between rounds until the webhook is registered.
const UNREGISTERED_INTERVAL: Duration = Duration::from_millis(500);

/// The minimum pause between rounds. It limits the number of requests if another client changes the
/// registration again and again.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The number of rounds after which a persistent error is logged again, because logs are rotated.
const ROUNDS_PER_LOG: u32 = 30;

/// The active serving certificate and the certificate of the CA that signed it, in PEM.
struct IssuedCertificate {
    cert: String,
    ca: String,
}

/// Renews the certificate and maintains the registration until the server starts to shut down. From
/// then on, other replicas maintain the registration. `lifetime` is the lifetime of serving
/// certificates.
pub(super) async fn run(shared: Arc<Shared>, registrar: Registrar, lifetime: SignedDuration) {
    let (changes, events) = (registrar.watch(), registrar.record_events(super::instance()));
    let mut renewal = Renewal {
        shared,
        registrar,
        events,
        lifetime,
        certificate: None,
        last_error: RepeatedText::default(),
        last_refusal: RepeatedText::default(),
    };
    while renewal.shared.phase() == Phase::Serving {
        renewal.round().await;
        let interval = renewal.shared.settings.reload_interval;
        let interval = match renewal.registrar.is_registered() {
            true => interval,
            false => interval.min(UNREGISTERED_INTERVAL),
        };
        time::sleep(MIN_PAUSE.min(interval)).await;
        let _ = time::timeout(interval.saturating_sub(MIN_PAUSE), changes.changed()).await;
    }
}

/// The state of the loop.
struct Renewal {
    shared: Arc<Shared>,
    registrar: Registrar,
    events: EventRecorder,
    /// The lifetime of serving certificates.
    lifetime: SignedDuration,
    certificate: Option<IssuedCertificate>,
    last_error: RepeatedText,
    last_refusal: RepeatedText,
}

impl Renewal {
    async fn round(&mut self) {
        let result = time::timeout(ROUND_TIMEOUT, self.renew_and_register()).await;
        let result = result.context("timed out waiting for the API server").flatten();
        let metrics = &self.shared.metrics;
        metrics.registration.set_registered(result.is_ok() && self.registrar.is_registered());
        let error = result.err().map(|error| format!("{error:#}"));
        if error.is_some() {
            metrics.record_certificate_reload(false);
        }
        if let Some(error) = self.last_error.next(error) {
            warn!(error, "failed to renew certificate or register webhook, will retry");
        }
    }

    async fn renew_and_register(&mut self) -> anyhow::Result<()> {
        let Self { shared, registrar, .. } = self;
        // Read the registration before the CA, so that a registration with a newer CA is never
        // overwritten.
        let registration = registrar.fetch_registration().await;
        let ca = registrar.reconcile_ca().await?;
        if self.certificate.as_ref().is_none_or(|certificate| needs_renewal(certificate, &ca)) {
            let pair = ca.issue(&registrar.server_name(), Timestamp::now(), self.lifetime)?;
            let renewed = IssuedCertificate { cert: pair.cert.clone(), ca: ca.current.cert.clone() };
            shared.certificate.replace(pair).map_err(anyhow::Error::msg)?;
            shared.metrics.record_certificate_reload(true);
            info!(
                not_after = shared.certificate.not_after().map(tracing::field::display),
                "certificate issued"
            );
            self.certificate = Some(renewed);
        }
        let ca_not_after = Validity::from_pem(&ca.current.cert).map_err(anyhow::Error::msg)?.not_after;
        shared.metrics.set_certificate_expiration(CertificateRole::Ca, ca_not_after);
        if shared.not_ready_reason().is_none() {
            let was_registered = registrar.is_registered();
            let registered = registrar.register(&registration?, &ca).await?;
            if registrar.is_registered() && !was_registered {
                info!("webhook registered");
            }
            if let Some(registered) = registered {
                self.report(registered);
            }
        }
        Ok(())
    }

    /// Reports a repaired registration, and refused entries, in the log, metrics and Events.
    fn report(&mut self, registered: Registered) {
        let metrics = &self.shared.metrics;
        metrics.registration.set_valid(registered.refusal.is_none());
        let name = self.registrar.registration_name();
        if let Some(Change::Repaired { manager }) = registered.change {
            metrics.registration.record_repair();
            if self.shared.log.admits("registration repaired", "", Rate { burst: 10.0, per_second: 1.0 }) {
                warn!(manager, "reverted a change of the registration by another client");
            }
            let note = format!(
                "reverted a change of ValidatingWebhookConfiguration `{name}` by field manager `{manager}`"
            );
            self.record("RegistrationRepaired", "Repair", note);
        }
        if let Some(error) = self.last_refusal.next(registered.refusal) {
            warn!(error, "invalid webhooks, keeping the last valid ones");
            let note = format!(
                "cannot update ValidatingWebhookConfiguration `{name}`, keeping its last valid webhooks: {error}"
            );
            self.record("RegistrationRefused", "Register", note);
        }
    }

    /// Records an Event about the Service of the webhook. The registration itself has no namespace,
    /// so Events about it would be in the namespace `default`.
    fn record(&self, reason: &'static str, action: &'static str, note: String) {
        let related = Some(self.registrar.registration());
        let regarding = self.registrar.service();
        self.events.record(Event { regarding, related, is_warning: true, reason, action, note });
    }
}

/// A text that is logged when it changes, and again from time to time while it stays the same,
/// because logs are rotated.
#[derive(Default)]
struct RepeatedText {
    last: Option<String>,
    rounds: u32,
}

impl RepeatedText {
    /// Takes the text of a round; `None` if there is none. Returns the text if it must be logged.
    fn next(&mut self, text: Option<String>) -> Option<&str> {
        self.rounds = if self.last == text { self.rounds.wrapping_add(1) } else { 0 };
        self.last = text;
        self.last.as_deref().filter(|_| self.rounds.is_multiple_of(ROUNDS_PER_LOG))
    }
}

/// Checks whether another CA has become the current one since the certificate was issued, or two
/// thirds of the certificate's lifetime have passed.
fn needs_renewal(certificate: &IssuedCertificate, ca: &CertificateAuthority) -> bool {
    certificate.ca != ca.current.cert
        || ca::needs_renewal(&certificate.cert, Timestamp::now()).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_text_is_logged_once_per_30_rounds() {
        let mut repeated = RepeatedText::default();
        let mut logged = |text: Option<&str>| repeated.next(text.map(str::to_owned)).is_some();
        assert_eq!((0..60).filter(|_| logged(Some("a"))).count(), 2);
        assert!(logged(Some("b")) && !logged(Some("b")) && !logged(None));
        assert!(logged(Some("b")));
    }
}

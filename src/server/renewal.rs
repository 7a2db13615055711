//! The loop that renews the serving certificate and keeps the webhook registered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time;
use tracing::{info, warn};

use super::Shared;
use super::metrics::CertificateRole;
use super::shutdown::Phase;
use crate::cluster::Registrar;
use crate::cluster::ca::{self, CertificateAuthority};
use crate::cluster::x509::Validity;

/// The time limit of one round. A round consists of a few requests to the API server.
const ROUND_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum pause between rounds until the webhook is registered.
const UNREGISTERED_INTERVAL: Duration = Duration::from_millis(500);

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
pub(super) async fn run(shared: Arc<Shared>, mut registrar: Registrar, lifetime: SignedDuration) {
    let (mut certificate, mut last_error, mut rounds) = (None, String::new(), 0_u32);
    while shared.phase() == Phase::Serving {
        let round = renew_and_register(&shared, &mut registrar, &mut certificate, lifetime);
        let result = time::timeout(ROUND_TIMEOUT, round).await;
        let result = result.context("timed out waiting for the API server").flatten();
        shared.metrics.set_webhook_registered(result.is_ok() && registrar.is_registered());
        match result {
            Ok(()) => last_error.clear(),
            Err(error) => {
                shared.metrics.record_certificate_reload(false);
                let error = format!("{error:#}");
                if error != last_error || rounds.is_multiple_of(ROUNDS_PER_LOG) {
                    warn!(error, "failed to renew certificate or register webhook, will retry");
                    last_error = error;
                }
            }
        }
        rounds = rounds.wrapping_add(1);
        let interval = shared.settings.reload_interval;
        time::sleep(match registrar.is_registered() {
            true => interval,
            false => interval.min(UNREGISTERED_INTERVAL),
        })
        .await;
    }
}

async fn renew_and_register(
    shared: &Shared,
    registrar: &mut Registrar,
    certificate: &mut Option<IssuedCertificate>,
    lifetime: SignedDuration,
) -> anyhow::Result<()> {
    // Fetch the registration before the CA, so that a registration with a newer CA is never
    // overwritten.
    let registration = registrar.fetch_registration().await;
    let ca = registrar.reconcile_ca().await?;
    if certificate.as_ref().is_none_or(|certificate| needs_renewal(certificate, &ca)) {
        let pair = ca.issue(&registrar.server_name(), Timestamp::now(), lifetime)?;
        let renewed = IssuedCertificate { cert: pair.cert.clone(), ca: ca.current.cert.clone() };
        shared.certificate.replace(pair).map_err(anyhow::Error::msg)?;
        shared.metrics.record_certificate_reload(true);
        info!(not_after = shared.certificate.not_after().map(tracing::field::display), "certificate issued");
        *certificate = Some(renewed);
    }
    let ca_not_after = Validity::from_pem(&ca.current.cert).map_err(anyhow::Error::msg)?.not_after;
    shared.metrics.set_certificate_expiration(CertificateRole::Ca, ca_not_after);
    if shared.not_ready_reason().is_none() {
        let was_registered = registrar.is_registered();
        registrar.register(&registration?, &ca).await?;
        if registrar.is_registered() && !was_registered {
            info!("webhook registered");
        }
    }
    Ok(())
}

/// Checks whether another CA has become the current one since the certificate was issued, or two
/// thirds of the certificate's lifetime have passed.
fn needs_renewal(certificate: &IssuedCertificate, ca: &CertificateAuthority) -> bool {
    certificate.ca != ca.current.cert
        || ca::needs_renewal(&certificate.cert, Timestamp::now()).unwrap_or(true)
}

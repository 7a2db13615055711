//! The certificate that volcheck issues itself, and its registration: kept, for as long as the server runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::time;
use tracing::{info, warn};

use super::{Phase, Shared};
use crate::cluster::Registrar;
use crate::cluster::ca::{self, CertificateAuthority};
use crate::cluster::x509::Validity;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often is looked until volcheck is registered.
const AT_FIRST: Duration = Duration::from_millis(500);

/// After so many looks, what is still wrong is said again.
const REPEATED: u32 = 30;

/// What is served, and who signed it, in PEM.
struct Issued {
    cert: String,
    authority: String,
}

/// Looks after both for as long as the server serves: from then on it is for those that come after it. Nothing to do where
/// the certificate comes from files.
pub(super) async fn keep(shared: Arc<Shared>, keeper: Option<(Registrar, SignedDuration)>) {
    let Some((mut keeper, lifetime)) = keeper else { return };
    let (mut issued, mut trouble, mut rounds) = (None, String::new(), 0_u32);
    while shared.phase() == Phase::Serving {
        let round = round(&shared, &mut keeper, &mut issued, lifetime);
        let result = time::timeout(PATIENCE, round).await.context("the API server doesn't answer").flatten();
        shared.metrics.registered(result.is_ok() && keeper.is_registered());
        match result {
            Ok(()) => trouble.clear(),
            Err(error) => {
                shared.metrics.certificate_reloaded(false);
                let message = format!("{error:#}");
                // Said again now and then: logs are thrown away.
                if message != trouble || rounds.is_multiple_of(REPEATED) {
                    warn!(
                        error = message,
                        "certificate and registration can't be looked after; it is tried again"
                    );
                    trouble = message;
                }
            }
        }
        rounds = rounds.wrapping_add(1);
        let period = shared.settings.reload;
        time::sleep(if keeper.is_registered() { period } else { period.min(AT_FIRST) }).await;
    }
}

async fn round(
    shared: &Shared,
    keeper: &mut Registrar,
    issued: &mut Option<Issued>,
    lifetime: SignedDuration,
) -> anyhow::Result<()> {
    // Before the authority: what is registered later than that is left alone.
    let registered = keeper.registration().await;
    let authority = keeper.reconcile_ca().await?;
    if !issued.as_ref().is_some_and(|issued| holds(issued, &authority)) {
        let pair = authority.issue(&keeper.server_name(), Timestamp::now(), lifetime)?;
        let served = Issued { cert: pair.cert.clone(), authority: authority.current.cert.clone() };
        shared.certificate.serve(pair).map_err(anyhow::Error::msg)?;
        shared.metrics.certificate_reloaded(true);
        info!(not_after = shared.certificate.not_after().map(tracing::field::display), "certificate issued");
        *issued = Some(served);
    }
    let until = Validity::from_pem(&authority.current.cert).map_err(anyhow::Error::msg)?.not_after;
    shared.metrics.holds("authority", until);
    if shared.unready().is_none() {
        let was_registered = keeper.is_registered();
        keeper.register(&registered?, &authority).await?;
        if keeper.is_registered() && !was_registered {
            info!("registered");
        }
    }
    Ok(())
}

/// Whether what is served may be served on.
fn holds(issued: &Issued, authority: &CertificateAuthority) -> bool {
    let is_old = ca::needs_renewal(&issued.cert, Timestamp::now());
    issued.authority == authority.current.cert && is_old.is_ok_and(|is_old| !is_old)
}

//! `volcheck serve`: the webhook.

use std::io;

use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use rustls::pki_types::ServerName;
use tracing_subscriber::EnvFilter;

use super::CLEAN;
use super::args::{LogFormat, PolicyArgs, ServeArgs};
use crate::cluster::RegistrarSettings;
use crate::server::{self, ClientSettings, Files, Identity, Settings, Source};

pub(super) fn run(arguments: &ServeArgs) -> anyhow::Result<u8> {
    let filter = EnvFilter::try_new(&arguments.log_level).context("--log-level")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match arguments.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.with_ansi(false).init(),
    }
    // One line a mistake, like all others.
    std::panic::set_hook(Box::new(|mistake| tracing::error!(%mistake, "a mistake of volcheck's own")));
    let settings = Settings {
        listen: arguments.listen,
        admin_listen: arguments.admin_listen,
        identity: identity(arguments)?,
        clients: arguments
            .client_ca
            .clone()
            .map(|ca| ClientSettings { ca, names: arguments.client_name.clone() }),
        max_body: arguments.max_body,
        max_connections: arguments.max_connections,
        read_timeout: arguments.read_timeout,
        idle_timeout: arguments.idle_timeout,
        drain: arguments.drain,
        reload: arguments.reload,
    };
    // Never one that lies about by chance: what the webhook denies by is named.
    let policy = PolicyArgs {
        policy: arguments.policy.clone(),
        no_policy: arguments.policy.is_none(),
        ..PolicyArgs::default()
    };
    let source: Source = Box::new(move || super::policy::load(&policy));
    server::run(settings, source)?;
    Ok(CLEAN)
}

/// Where the certificate comes from; which flags go together, the command line knows.
fn identity(arguments: &ServeArgs) -> anyhow::Result<Identity> {
    if let Some(service) = &arguments.service {
        let cluster = RegistrarSettings {
            service: service.clone(),
            ca_lifetime: arguments.authority_days,
            ca_overlap: arguments.overlap,
            registration_delay: arguments.settle,
        };
        // Two thirds of its time are over when the next one is made.
        if arguments.authority_days / 3 <= SignedDuration::try_from(arguments.overlap)? {
            bail!("--overlap: an authority that holds so short has ended before the next one is trusted");
        }
        return Ok(Identity::Issued { cluster, lifetime: arguments.certificate_days });
    }
    let (cert, key) = (arguments.tls_cert.clone(), arguments.tls_key.clone());
    let (cert, key) = cert.zip(key).context("--tls-cert and --tls-key")?;
    let name = arguments.tls_name.clone().map(ServerName::try_from).transpose().context("--tls-name")?;
    Ok(Identity::Files(Files { cert, key, name }))
}

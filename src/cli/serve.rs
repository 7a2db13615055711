//! `volcheck serve`: runs the webhook server.

use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use rustls::pki_types::ServerName;
use tracing_subscriber::EnvFilter;

use super::EXIT_OK;
use super::args::{LogFormat, PolicyArgs, ServeArgs};
use crate::cluster;
use crate::server::{
    self, CertificateFiles, CertificateSource, ClientAuthSettings, LogWriter, PolicySource, Settings,
    TlsSettings,
};

pub(super) fn run(arguments: &ServeArgs) -> anyhow::Result<u8> {
    let filter = EnvFilter::try_new(&arguments.log_level).context("--log-level")?;
    let is_json = matches!(arguments.log_format, LogFormat::Json);
    let writer = move || LogWriter { is_json };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    match arguments.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.with_ansi(false).init(),
    }
    // Log panics in the same format as other events.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "internal error, please report it")));
    let client_auth = arguments
        .client_ca
        .clone()
        .map(|ca| ClientAuthSettings { ca, allowed_names: arguments.client_name.clone() });
    let settings = Settings {
        listen: arguments.listen,
        admin_listen: arguments.admin_listen,
        certificate_source: certificate_source(arguments)?,
        tls: TlsSettings::new(arguments.tls_min_version, arguments.tls_cipher_suites.clone())
            .map_err(anyhow::Error::msg)
            .context("--tls-cipher-suites")?,
        client_auth,
        max_body: arguments.max_body,
        max_connections: arguments.max_connections,
        read_timeout: arguments.read_timeout,
        idle_timeout: arguments.idle_timeout,
        drain_timeout: arguments.drain_timeout,
        reload_interval: arguments.reload_interval,
        records_events: arguments.events,
        message: arguments.message.clone(),
    };
    // The webhook never searches for a policy file, because its verdicts must not depend on the
    // working directory.
    let policy = PolicyArgs {
        policy: arguments.policy.clone(),
        no_policy: arguments.policy.is_none(),
        ..PolicyArgs::default()
    };
    let policy_source: PolicySource = Box::new(move || super::policy::load_merged(&policy));
    server::run(settings, policy_source)?;
    Ok(EXIT_OK)
}

/// Returns the source of the serving certificate. The parser has already rejected invalid
/// combinations of flags.
fn certificate_source(arguments: &ServeArgs) -> anyhow::Result<CertificateSource> {
    if let Some(service) = &arguments.service {
        // A CA is replaced after two thirds of its lifetime.
        if arguments.ca_days / 3 <= SignedDuration::try_from(arguments.ca_overlap)? {
            bail!("--ca-overlap: must be less than a third of --ca-days");
        }
        let cluster = cluster::RegistrarSettings {
            service: service.clone(),
            ca_lifetime: arguments.ca_days,
            ca_overlap: arguments.ca_overlap,
            registration_delay: arguments.registration_delay,
        };
        return Ok(CertificateSource::OwnCa { cluster, lifetime: arguments.certificate_days });
    }
    let (cert, key) = (arguments.tls_cert.clone(), arguments.tls_key.clone());
    let (cert, key) = cert.zip(key).context("--tls-cert and --tls-key")?;
    let server_name =
        arguments.tls_name.clone().map(ServerName::try_from).transpose().context("--tls-name")?;
    Ok(CertificateSource::Files(CertificateFiles { cert, key, server_name }))
}

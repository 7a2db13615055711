//! The arguments of `serve`, `certs` and `manifest`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::server::{CipherSuite, TlsVersion};

const NETWORK: &str = "Network";
const CERTIFICATES: &str = "Certificates and registration";
const POLICY: &str = "Policy";
const LIMITS: &str = "Limits";
const OUTPUT: &str = "Output";

#[derive(Debug, Args)]
// The chart appends its value `extraArgs`, whose flags override those that the chart sets.
#[command(args_override_self = true)]
pub(in crate::cli) struct ServeArgs {
    /// Address of the webhook port, served over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:10250", help_heading = NETWORK)]
    pub(in crate::cli) listen: SocketAddr,
    /// Address of the admin port, which serves probes and metrics without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8081", help_heading = NETWORK)]
    pub(in crate::cli) admin_listen: SocketAddr,
    /// PEM file with the serving certificate and any intermediate certificates, in this order;
    /// reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", required_unless_present = "service", help_heading = CERTIFICATES)]
    pub(in crate::cli) tls_cert: Option<PathBuf>,
    /// PEM file with the private key of the serving certificate; reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = CERTIFICATES)]
    pub(in crate::cli) tls_key: Option<PathBuf>,
    /// DNS name or IP address that the serving certificate must be valid for, such as
    /// `SERVICE.NAMESPACE.svc`
    #[arg(long, value_name = "NAME", requires = "tls_cert", help_heading = CERTIFICATES)]
    pub(in crate::cli) tls_name: Option<String>,
    /// Minimum TLS version of the webhook port: 1.2 or 1.3
    #[arg(long, value_name = "VERSION", default_value = "1.2", help_heading = NETWORK)]
    pub(in crate::cli) tls_min_version: TlsVersion,
    /// IANA names of the cipher suites of the webhook port, such as TLS_AES_128_GCM_SHA256,
    /// separated by commas. If not set, all supported suites are used. The error message about an
    /// unknown name lists all supported names
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = NETWORK)]
    pub(in crate::cli) tls_cipher_suites: Vec<CipherSuite>,
    /// Issue the serving certificate for this Service and register the webhook, instead of using
    /// --tls-cert. The CA is stored in the Secret `NAME-ca`. The `webhooks` list of the
    /// ValidatingWebhookConfiguration `NAME` is read from the key `webhooks.json` of the ConfigMap
    /// `NAME`. All three objects must exist; the Helm chart creates them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key"], help_heading = CERTIFICATES)]
    pub(in crate::cli) service: Option<String>,
    /// Lifetime of the CA, which is replaced after two thirds of this time
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = days, requires = "service", help_heading = CERTIFICATES)]
    pub(in crate::cli) ca_days: SignedDuration,
    /// Lifetime of serving certificates, which are renewed after two thirds of this time
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = days, requires = "service", help_heading = CERTIFICATES)]
    pub(in crate::cli) certificate_days: SignedDuration,
    /// How long a new CA must be registered before it signs certificates; must be less than a third
    /// of --ca-days
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "service", help_heading = CERTIFICATES)]
    pub(in crate::cli) ca_overlap: Duration,
    /// How long the Service must have a ready endpoint before the webhook is registered
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, requires = "service", help_heading = CERTIFICATES)]
    pub(in crate::cli) registration_delay: Duration,
    /// PEM file with the CAs that sign client certificates; reloaded when it changes. If not set,
    /// any client may send reviews
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    pub(in crate::cli) client_ca: Option<PathBuf>,
    /// Common name or DNS name of an allowed client; may be repeated. If not set, all names are
    /// allowed
    #[arg(long, value_name = "NAME", requires = "client_ca", help_heading = NETWORK)]
    pub(in crate::cli) client_name: Vec<String>,
    /// Policy file; reloaded when it changes. If not set, the profile `recommended` is used
    #[arg(long, value_name = "FILE", help_heading = POLICY)]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// Maximum size of a request body
    #[arg(long, value_name = "BYTES", default_value_t = 7 << 20, help_heading = LIMITS)]
    pub(in crate::cli) max_body: usize,
    /// Maximum number of open connections to the webhook port. When this number is reached, a new
    /// connection evicts another one, or waits while all others have requests that are being
    /// checked. The number is reduced if the process cannot open enough files
    #[arg(long, value_name = "COUNT", default_value_t = 512, help_heading = LIMITS)]
    pub(in crate::cli) max_connections: usize,
    /// Maximum time to keep accepting requests after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds, help_heading = LIMITS)]
    pub(in crate::cli) drain_timeout: Duration,
    /// How often to check the certificates, the policy and the registration for changes
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = POLICY)]
    pub(in crate::cli) reload_interval: Duration,
    /// Timeout for the TLS handshake, for the first request of a connection, and for each request
    /// body
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, help_heading = LIMITS)]
    pub(in crate::cli) read_timeout: Duration,
    /// Timeout for idle connections. It should be longer than 90 seconds, after which the API
    /// server closes its idle connections
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, help_heading = LIMITS)]
    pub(in crate::cli) idle_timeout: Duration,
    /// Record Kubernetes Events about objects that are denied, or would be denied in mode `deny`.
    /// Requires a service account that may create and patch Events in all namespaces
    #[arg(long, help_heading = OUTPUT)]
    pub(in crate::cli) events: bool,
    /// Text or link to add to each denial, at most 1000 characters on one line. If not set, denials
    /// refer to `volcheck explain`
    #[arg(long, value_name = "TEXT", value_parser = crate::admission::parse_message, help_heading = OUTPUT)]
    pub(in crate::cli) message: Option<String>,
    /// Format of the log
    #[arg(long, value_name = "FORMAT", default_value = "json", help_heading = OUTPUT)]
    pub(in crate::cli) log_format: LogFormat,
    /// Log level: error, warn, info (includes denials) or debug (includes all verdicts)
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = OUTPUT)]
    pub(in crate::cli) log_level: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CertsArgs {
    /// Directory to write `ca.crt`, `tls.crt` and `tls.key` to
    #[arg(value_name = "DIR")]
    pub(in crate::cli) directory: PathBuf,
    /// Name of the webhook's Service
    #[arg(long, value_name = "NAME", default_value = "volcheck")]
    pub(in crate::cli) service: String,
    /// Namespace of the Service
    #[arg(long, value_name = "NAMESPACE", default_value = "volcheck")]
    pub(in crate::cli) namespace: String,
    /// DNS name or IP address for which the serving certificate is valid, instead of the name of
    /// the Service; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with_all = ["service", "namespace"])]
    pub(in crate::cli) name: Vec<String>,
    /// Days until the certificates expire
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(in crate::cli) days: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ManifestArgs {
    /// Container image of the webhook, with its tag or digest. Required unless the values contain
    /// the image or --static is set
    #[arg(long, value_name = "IMAGE")]
    pub(in crate::cli) image: Option<String>,
    /// Namespace to install the webhook in
    #[arg(long, value_name = "NAMESPACE", default_value = "volcheck")]
    pub(in crate::cli) namespace: String,
    /// Admission mode of namespaces for which the policy sets no mode [default: warn]
    #[arg(long, value_parser = ["deny", "warn", "audit", "off"])]
    pub(in crate::cli) mode: Option<String>,
    /// Policy file for the webhook
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// PEM file with the CA certificates that the API server uses to verify the webhook. Sets
    /// `certs.mode` to `secret`
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_bundle: Option<PathBuf>,
    /// File with values of the Helm chart; may be repeated. Values that only Helm supports are
    /// rejected
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(in crate::cli) values: Vec<PathBuf>,
    /// Value of the Helm chart, such as `replicas=3` or `webhook.excludedNamespaces={a,b}`; may be
    /// repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) set: Vec<String>,
    /// Value of the Helm chart, read from a file; may be repeated
    #[arg(long, value_name = "KEY=FILE")]
    pub(in crate::cli) set_file: Vec<String>,
    /// Print only a static registration of a webhook at this URL, such as
    /// https://volcheck.example:443. Requires --ca-bundle. Static registrations are files in the
    /// API server's `staticManifestsDir`. This feature is enabled by default since Kubernetes 1.37.
    /// Static registrations cannot be changed through the API
    #[arg(long = "static", value_name = "URL", conflicts_with_all = ["image", "mode", "policy"])]
    pub(in crate::cli) static_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    Text,
    Json,
}

/// Parses a positive number of days.
fn days(text: &str) -> Result<SignedDuration, String> {
    let days = text.parse::<f64>().map_err(|error| error.to_string())?;
    let duration = SignedDuration::try_from_secs_f64(days * 86_400.0).map_err(|error| error.to_string())?;
    if duration.is_positive() { Ok(duration) } else { Err(NOT_POSITIVE.to_owned()) }
}

/// Parses a positive number of seconds.
pub(in crate::cli) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err(NOT_POSITIVE.to_owned()) } else { Ok(duration) }
}

const NOT_POSITIVE: &str = "must be positive";

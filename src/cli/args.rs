//! The command-line arguments and their help texts.

#[cfg(feature = "server")]
use std::net::SocketAddr;
use std::path::PathBuf;
#[cfg(feature = "server")]
use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
#[cfg(feature = "server")]
use jiff::SignedDuration;

use super::lint::output::Output;
use crate::admission::Endpoint;
use crate::finding::Severity;
use crate::model::KubernetesVersion;
use crate::policy::Profile;
use crate::report::Format;
#[cfg(feature = "server")]
use crate::server::{CipherSuite, TlsVersion};

/// Linter and admission webhook that finds unsafe volumes in Kubernetes manifests
#[derive(Debug, Parser)]
#[command(name = "volcheck", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check manifests
    Lint(LintArgs),
    /// Write existing findings to a baseline, so that `lint` reports only new ones
    Baseline(BaselineArgs),
    /// Run the admission webhook
    #[cfg(feature = "server")]
    Serve(ServeArgs),
    /// Generate a CA and a serving certificate for the webhook
    #[cfg(feature = "server")]
    Certs(CertsArgs),
    /// Print manifests that install the webhook without Helm
    #[cfg(feature = "server")]
    Manifest(ManifestArgs),
    /// Wait until the API server enforces the verdicts of the webhook
    #[cfg(feature = "server")]
    Probe(super::probe::ProbeArgs),
    /// Print the webhook's response to an AdmissionReview, without a cluster
    Review(ReviewArgs),
    /// Explain a rule
    Explain(ExplainArgs),
    /// List the rules
    Rules(RulesArgs),
    /// Write a commented policy for existing manifests
    Init(InitArgs),
    /// Show or check a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a JSON schema
    Schema(SchemaArgs),
    /// Print the completion script for a shell
    Completions {
        /// Shell to generate the script for
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man {
        /// Directory to write the pages to
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// The input arguments of the commands that check manifests.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// Files, directories or globs to check; `-` reads standard input [default: the current
    /// directory, unless --helm or --kustomize is given]
    #[arg(hide_default_value = true, default_value = ".", default_value_ifs = [("helm", ArgPredicate::IsPresent, None), ("kustomize", ArgPredicate::IsPresent, None)])]
    pub(super) paths: Vec<String>,
    /// Helm chart to render with `helm` and check; may be repeated. If --kube-version is set, the
    /// chart is rendered for this version
    #[arg(long, value_name = "CHART")]
    pub(super) helm: Vec<String>,
    /// Values file for the charts; may be repeated
    #[arg(long, short = 'f', value_name = "FILE", requires = "helm")]
    pub(super) values: Vec<PathBuf>,
    /// Kustomization to render with `kustomize` or `kubectl` and check; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) kustomize: Vec<String>,
    /// Glob of paths to exclude, even if they are named explicitly; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Include files that `.gitignore` and similar files exclude
    #[arg(long)]
    pub(super) no_gitignore: bool,
    /// File extensions of the manifests to check in directories, separated by commas
    #[arg(long, value_name = "EXT", value_delimiter = ',', default_value = "yaml,yml,json")]
    pub(super) ext: Vec<String>,
    /// File name to report for standard input
    #[arg(long, value_name = "PATH")]
    pub(super) stdin_filename: Option<String>,
    /// Also parse documents that cannot contain a volume, and report their syntax errors
    #[arg(long)]
    pub(super) strict_parse: bool,
}

#[derive(Debug, Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// Baseline file [default: `lint.baseline` in the policy]
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Report only findings in objects that changed since the current branch forked from this
    /// branch or commit, and in charts and kustomizations whose files changed since then. `REF..`
    /// compares with REF itself
    #[arg(long, value_name = "REF")]
    pub(super) changed_since: Option<String>,
    /// Lowest severity of a finding that causes exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(super) fail_on: FailOn,
    /// Lowest severity to show [default: info for json, jsonl and sarif; warning for the other
    /// formats]. Findings that cause exit code 1 are always shown
    #[arg(long, value_name = "SEVERITY")]
    pub(super) min_severity: Option<Severity>,
    /// Format of the report: text, concise, json, jsonl, sarif, github, gitlab, junit, checkstyle
    /// or markdown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Additional report to write, such as `sarif=volcheck.sarif`; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub(super) output: Vec<Output>,
    /// Print the number of findings of each rule. In text and concise reports, the numbers follow
    /// the findings. For other formats, they are printed to standard error
    #[arg(long)]
    pub(super) statistics: bool,
    /// Omit the summary from text and markdown reports
    #[arg(long)]
    pub(super) quiet: bool,
    /// Do not fail if no Kubernetes objects are found
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// Do not apply ignore comments, ignore annotations or the baseline
    #[arg(long)]
    pub(super) no_ignores: bool,
    /// Include suppressed findings, marked as suppressed, in text, concise, json and jsonl reports
    #[arg(long)]
    pub(super) show_suppressed: bool,
    /// Print the path of the policy file, the profile and the number of objects to standard error;
    /// `-vv` also prints the number of objects in each file
    #[arg(long, short = 'v', action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print the names of the input files without checking them
    #[arg(long)]
    pub(super) show_files: bool,
    /// Print the duration of each phase to standard error
    #[arg(long)]
    pub(super) timings: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: When,
    /// When to use hyperlinks to the pages of the rules. Has no effect yet, because the pages are
    /// not published
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) links: When,
}

#[derive(Debug, Args)]
// `init` does not read a policy, so the version has another default.
#[command(mut_arg("kube_version", |arg| arg.help(INIT_KUBE_VERSION_HELP)))]
pub(super) struct InitArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) kube_version: KubeVersionArg,
}

const INIT_KUBE_VERSION_HELP: &str =
    "Version of Kubernetes that runs the objects, such as 1.33 [default: 1.37]";

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Show the effective policy and the origins of its values
    Show {
        /// Policy file; overrides --policy and --no-policy [default: the nearest volcheck.yaml]
        file: Option<PathBuf>,
        /// Omit the origins, for example to use the output as the policy of the webhook
        #[arg(long)]
        flat: bool,
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// Report errors in a policy
    Check {
        /// Policy file [default: the nearest volcheck.yaml]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// Baseline file [default: `lint.baseline` in the policy, or .volcheck-baseline.json]
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Only remove entries for findings that are no longer reported
    #[arg(long, conflicts_with = "force")]
    pub(super) prune: bool,
    /// Add new findings to an existing baseline
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct PolicyArgs {
    /// Policy file [default: the nearest volcheck.yaml, from the current directory up to the
    /// repository root]
    #[arg(long, value_name = "FILE", conflicts_with = "no_policy")]
    pub(super) policy: Option<PathBuf>,
    /// Rule profile: none, recommended, baseline or restricted [default: the policy's, or
    /// recommended]
    #[arg(long)]
    pub(super) profile: Option<Profile>,
    /// Rules to enable, separated by commas; all others are disabled, except the rules that report
    /// unchecked input
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) select: Option<Vec<String>>,
    /// Rules to disable, separated by commas; the rules that report unchecked input stay enabled
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,
    /// Do not use a policy file
    #[arg(long)]
    pub(super) no_policy: bool,
    /// Namespace to assume for objects that do not specify one [default: the policy's, or
    /// `default`]
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
    #[command(flatten)]
    pub(super) kube_version: KubeVersionArg,
}

/// The version of Kubernetes, kept as written because it is also passed to Helm.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct KubeVersionArg {
    /// Version of Kubernetes that runs the objects, such as 1.33 [default: the policy's, or 1.37]
    #[arg(long, value_name = "VERSION", value_parser = kube_version)]
    kube_version: Option<String>,
}

impl KubeVersionArg {
    pub(super) fn text(&self) -> Option<&str> {
        self.kube_version.as_deref()
    }

    pub(super) fn version(&self) -> Option<KubernetesVersion> {
        self.text()?.parse().ok()
    }
}

fn kube_version(text: &str) -> Result<String, String> {
    text.parse::<KubernetesVersion>().map(|_| text.to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

impl FailOn {
    /// Returns the lowest severity for which the exit code is 1, or `None` for `never`.
    pub(super) fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[cfg(feature = "server")]
#[derive(Debug, Args)]
// The chart appends its value `extraArgs`, whose flags override those that the chart sets.
#[command(args_override_self = true)]
pub(super) struct ServeArgs {
    /// Address of the webhook port, served over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:10250")]
    pub(super) listen: SocketAddr,
    /// Address of the admin port, which serves probes and metrics without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8081")]
    pub(super) admin_listen: SocketAddr,
    /// PEM file with the serving certificate and any intermediate certificates, in this order;
    /// reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", required_unless_present = "service")]
    pub(super) tls_cert: Option<PathBuf>,
    /// PEM file with the private key of the serving certificate; reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// DNS name or IP address that the serving certificate must be valid for, such as
    /// `SERVICE.NAMESPACE.svc`
    #[arg(long, value_name = "NAME", requires = "tls_cert")]
    pub(super) tls_name: Option<String>,
    /// Minimum TLS version of the webhook port: 1.2 or 1.3
    #[arg(long, value_name = "VERSION", default_value = "1.2")]
    pub(super) tls_min_version: TlsVersion,
    /// IANA names of the cipher suites of the webhook port, such as TLS_AES_128_GCM_SHA256,
    /// separated by commas. If not set, all supported suites are used. The error message about an
    /// unknown name lists all supported names
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) tls_cipher_suites: Vec<CipherSuite>,
    /// Issue the serving certificate for this Service and register the webhook, instead of using
    /// --tls-cert. The CA is stored in the Secret `NAME-ca`. The `webhooks` list of the
    /// ValidatingWebhookConfiguration `NAME` is read from the key `webhooks.json` of the ConfigMap
    /// `NAME`. All three objects must exist; the Helm chart creates them
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(super) service: Option<String>,
    /// Lifetime of the CA, which is replaced after two thirds of this time
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = days, requires = "service")]
    pub(super) ca_days: SignedDuration,
    /// Lifetime of serving certificates, which are renewed after two thirds of this time
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = days, requires = "service")]
    pub(super) certificate_days: SignedDuration,
    /// How long a new CA must be registered before it signs certificates; must be less than a third
    /// of --ca-days
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "service")]
    pub(super) ca_overlap: Duration,
    /// How long the Service must have a ready endpoint before the webhook is registered
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, requires = "service")]
    pub(super) registration_delay: Duration,
    /// PEM file with the CAs that sign client certificates; reloaded when it changes. If not set,
    /// any client may send reviews
    #[arg(long, value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,
    /// Common name or DNS name of an allowed client; may be repeated. If not set, all names are
    /// allowed
    #[arg(long, value_name = "NAME", requires = "client_ca")]
    pub(super) client_name: Vec<String>,
    /// Policy file; reloaded when it changes. If not set, the profile `recommended` is used
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Maximum size of a request body
    #[arg(long, value_name = "BYTES", default_value_t = 7 << 20)]
    pub(super) max_body: usize,
    /// Maximum number of open connections to the webhook port. When this number is reached, a new
    /// connection evicts another one, or waits while all others have requests that are being
    /// checked. The number is reduced if the process cannot open enough files
    #[arg(long, value_name = "COUNT", default_value_t = 512)]
    pub(super) max_connections: usize,
    /// Maximum time to keep accepting requests after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub(super) drain_timeout: Duration,
    /// How often to check the certificates, the policy and the registration for changes
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) reload_interval: Duration,
    /// Timeout for the TLS handshake, for the first request of a connection, and for each request
    /// body
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) read_timeout: Duration,
    /// Timeout for idle connections. It should be longer than 90 seconds, after which the API
    /// server closes its idle connections
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub(super) idle_timeout: Duration,
    /// Record Kubernetes Events about objects that are denied, or would be denied in mode `deny`.
    /// Requires a service account that may create and patch Events in all namespaces
    #[arg(long)]
    pub(super) events: bool,
    /// Text or link to add to each denial, at most 1000 characters on one line. If not set, denials
    /// refer to `volcheck explain`
    #[arg(long, value_name = "TEXT", value_parser = crate::admission::parse_message)]
    pub(super) message: Option<String>,
    /// Format of the log
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) log_format: LogFormat,
    /// Log level: error, warn, info (includes denials) or debug (includes all verdicts)
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: String,
}

#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub(super) struct CertsArgs {
    /// Directory to write `ca.crt`, `tls.crt` and `tls.key` to
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// Name of the webhook's Service
    #[arg(long, value_name = "NAME", default_value = "volcheck")]
    pub(super) service: String,
    /// Namespace of the Service
    #[arg(long, value_name = "NAMESPACE", default_value = "volcheck")]
    pub(super) namespace: String,
    /// DNS name or IP address for which the serving certificate is valid, instead of the name of
    /// the Service; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with_all = ["service", "namespace"])]
    pub(super) name: Vec<String>,
    /// Days until the certificates expire
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) days: u32,
}

#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// Container image of the webhook, with its tag or digest. Required unless the values contain
    /// the image or --static is set
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: Option<String>,
    /// Namespace to install the webhook in
    #[arg(long, value_name = "NAMESPACE", default_value = "volcheck")]
    pub(super) namespace: String,
    /// Admission mode of namespaces for which the policy sets no mode [default: warn]
    #[arg(long, value_parser = ["deny", "warn", "audit", "off"])]
    pub(super) mode: Option<String>,
    /// Policy file for the webhook
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// PEM file with the CA certificates that the API server uses to verify the webhook. Sets
    /// `certs.mode` to `secret`
    #[arg(long, value_name = "FILE")]
    pub(super) ca_bundle: Option<PathBuf>,
    /// File with values of the Helm chart; may be repeated. Values that only Helm supports are
    /// rejected
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(super) values: Vec<PathBuf>,
    /// Value of the Helm chart, such as `replicas=3` or `webhook.excludedNamespaces={a,b}`; may be
    /// repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Value of the Helm chart, read from a file; may be repeated
    #[arg(long, value_name = "KEY=FILE")]
    pub(super) set_file: Vec<String>,
    /// Print only a static registration of a webhook at this URL, such as
    /// https://volcheck.example:443. Requires --ca-bundle. Static registrations are files in the
    /// API server's `staticManifestsDir`. This feature is enabled by default since Kubernetes 1.37.
    /// Static registrations cannot be changed through the API
    #[arg(long = "static", value_name = "URL", conflicts_with_all = ["image", "mode", "policy"])]
    pub(super) static_url: Option<String>,
}

#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Parses a positive number of days.
#[cfg(feature = "server")]
fn days(text: &str) -> Result<SignedDuration, String> {
    let days = text.parse::<f64>().map_err(|error| error.to_string())?;
    let duration = SignedDuration::try_from_secs_f64(days * 86_400.0).map_err(|error| error.to_string())?;
    if duration.is_positive() { Ok(duration) } else { Err(NOT_POSITIVE.to_owned()) }
}

/// Parses a positive number of seconds.
#[cfg(feature = "server")]
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err(NOT_POSITIVE.to_owned()) } else { Ok(duration) }
}

#[cfg(feature = "server")]
const NOT_POSITIVE: &str = "must be positive";

#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    /// File with an AdmissionReview in JSON; `-` reads standard input
    #[arg(default_value = "-")]
    pub(super) file: String,
    /// Endpoint of the webhook to simulate: `validate` (Pods and PersistentVolumes), `strict` (Pods
    /// in namespaces with the label `volcheck.io/mode: deny`), or `advise` (workloads and claims)
    #[arg(long, value_name = "ENDPOINT", default_value = "validate")]
    pub(super) endpoint: ReviewEndpoint,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReviewEndpoint {
    Validate,
    Strict,
    Advise,
}

impl From<ReviewEndpoint> for Endpoint {
    fn from(endpoint: ReviewEndpoint) -> Self {
        match endpoint {
            ReviewEndpoint::Validate => Self::Validate,
            ReviewEndpoint::Strict => Self::Strict,
            ReviewEndpoint::Advise => Self::Advise,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Rule to explain [default: list all rules]
    pub(super) rule: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// Format of the list
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: RulesFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RulesFormat {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Schema to print
    pub(super) schema: SchemaKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaKind {
    /// Schema of `lint --format json` reports
    Output,
    /// Schema of the policy file
    Policy,
}

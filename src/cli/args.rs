//! The command line's grammar.

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
use crate::policy::Profile;
use crate::report::Format;

/// Makes Kubernetes volumes safe.
#[derive(Debug, Parser)]
#[command(name = "volcheck", version, about, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check manifests: files, folders, globs, or `-` for standard input
    Lint(LintArgs),
    /// Write a baseline of what there is, so that only what is new is reported
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
    /// Print the webhook's response to an AdmissionReview, without a cluster
    Review(ReviewArgs),
    /// Show the page of a rule
    Explain(ExplainArgs),
    /// List the rules
    Rules(RulesArgs),
    /// Write a commented policy for the manifests that are there
    Init(InitArgs),
    /// Show or check a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a schema
    Schema(SchemaArgs),
    /// Print what a shell needs to complete commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages
    Man {
        /// The folder to write them to
        folder: PathBuf,
    },
}

/// What is read.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// Files, folders or globs; `-` is standard input. The folder here, where nothing is to be rendered either
    #[arg(default_value = ".", default_value_ifs = [("helm", ArgPredicate::IsPresent, None), ("kustomize", ArgPredicate::IsPresent, None)])]
    pub(super) paths: Vec<String>,
    /// What this chart renders to, by your own helm (may be given several times)
    #[arg(long, value_name = "CHART")]
    pub(super) helm: Vec<String>,
    /// The values for the charts (may be given several times)
    #[arg(long, short = 'f', value_name = "FILE", requires = "helm")]
    pub(super) values: Vec<PathBuf>,
    /// The version of Kubernetes that the charts are rendered for; by default helm's own
    #[arg(long, value_name = "VERSION", requires = "helm")]
    pub(super) kube_version: Option<String>,
    /// What the kustomization in this folder renders to, by your own kustomize or kubectl (may be given several
    /// times)
    #[arg(long, value_name = "FOLDER")]
    pub(super) kustomize: Vec<String>,
    /// Don't read these, even when they are named (may be given several times)
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Read what `.gitignore` and its like say not to
    #[arg(long)]
    pub(super) no_gitignore: bool,
    /// The endings of manifests in a folder
    #[arg(long, value_name = "EXT", value_delimiter = ',', default_value = "yaml,yml,json")]
    pub(super) ext: Vec<String>,
    /// The name of standard input in the report
    #[arg(long, value_name = "PATH")]
    pub(super) stdin_filename: Option<String>,
    /// Parse documents that can't hold a volume, too, and so judge their syntax
    #[arg(long)]
    pub(super) strict_parse: bool,
    /// The baseline; by default as the policy says
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LintArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// Report only what has its place or its object in lines that git says are new since this commit
    #[arg(long, value_name = "COMMIT")]
    pub(super) changed_since: Option<String>,
    /// What makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(super) fail_on: FailOn,
    /// What is shown: by default all in json, jsonl and sarif, and `warning` in the others
    #[arg(long, value_name = "SEVERITY")]
    pub(super) min_severity: Option<Severity>,
    /// The format of the report: text, concise, json, jsonl, sarif, github, gitlab, junit, checkstyle or
    /// markdown
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Another report, to a file: `sarif=volcheck.sarif` (may be given several times)
    #[arg(long, value_name = "FORMAT=FILE")]
    pub(super) output: Vec<Output>,
    /// How often each rule was found: behind the findings of text and concise, beside other formats on
    /// standard error
    #[arg(long)]
    pub(super) statistics: bool,
    /// The findings alone: no summary in text and markdown
    #[arg(long)]
    pub(super) quiet: bool,
    /// No manifest is no trouble: exit 0
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// Comments, annotations and baseline count for nothing
    #[arg(long)]
    pub(super) no_ignores: bool,
    /// Show what is silenced, too, and by what, in text, concise, json and jsonl
    #[arg(long)]
    pub(super) show_suppressed: bool,
    /// Say which policy holds and what was read, on standard error; twice, for each file
    #[arg(long, short = 'v', action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print the names of what would be read, and judge nothing
    #[arg(long)]
    pub(super) show_files: bool,
    /// Say how long each part of the run took, on standard error
    #[arg(long)]
    pub(super) timings: bool,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: When,
    /// Links from findings to the rules' pages, in terminals that know them
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) links: When,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Show what comes of a policy, and who says so
    Show {
        /// The policy file; without it the one that holds here
        file: Option<PathBuf>,
        /// As one file that extends nothing, for the webhook
        #[arg(long)]
        flat: bool,
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// Say whether a policy is right
    Check {
        /// The policy file; without it the one that holds here
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// Only take out what is not found any more
    #[arg(long, conflicts_with = "force")]
    pub(super) prune: bool,
    /// Let a baseline that is there grow
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct PolicyArgs {
    /// The policy file; without it the nearest `volcheck.yaml` from here up to the repository's root
    #[arg(long, value_name = "FILE", conflicts_with = "no_policy")]
    pub(super) policy: Option<PathBuf>,
    /// The rules that count: none, recommended, baseline or restricted; by default as the policy says, or
    /// recommended
    #[arg(long)]
    pub(super) profile: Option<Profile>,
    /// These rules alone, whatever the profile
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) select: Option<Vec<String>>,
    /// Not these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,
    /// The profile alone, whatever policy file there is
    #[arg(long)]
    pub(super) no_policy: bool,
    /// The namespace of objects that name none; by default as the policy says, or `default`
    #[arg(long, value_name = "NAMESPACE")]
    pub(super) namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

impl FailOn {
    /// The least severity that fails a run.
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
// The chart's `extraArgs` follow its own flags and override them.
#[command(args_override_self = true)]
pub(super) struct ServeArgs {
    /// Address of the webhook port, served over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:10250")]
    pub(super) listen: SocketAddr,
    /// Address of the admin port, which serves probes and metrics without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8081")]
    pub(super) admin_listen: SocketAddr,
    /// Serving certificate, followed by its intermediates, in PEM; reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", required_unless_present = "service")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the serving certificate, in PEM; reloaded when it changes
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// DNS name that the serving certificate must be valid for, such as `SERVICE.NAMESPACE.svc`
    #[arg(long, value_name = "NAME", requires = "tls_cert")]
    pub(super) tls_name: Option<String>,
    /// Issue the serving certificate for this Service and register the webhook, instead of using
    /// --tls-cert. The CA is stored in the Secret `NAME-ca`; the entries to register are an annotation
    /// of the ValidatingWebhookConfiguration `NAME`. The Helm chart creates both objects
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(super) service: Option<String>,
    /// Lifetime of the CA; it is replaced after two thirds of it
    #[arg(long, value_name = "DAYS", default_value = "365", value_parser = days, requires = "service")]
    pub(super) ca_days: SignedDuration,
    /// Lifetime of issued certificates; they are renewed after two thirds of it
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = days, requires = "service")]
    pub(super) certificate_days: SignedDuration,
    /// How long a new CA is trusted before it signs certificates; less than a third of --ca-days
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "service")]
    pub(super) ca_overlap: Duration,
    /// How long the Service must have a ready endpoint before the webhook is registered
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, requires = "service")]
    pub(super) registration_delay: Duration,
    /// CAs of client certificates, in PEM; reloaded when they change. Without it, any client may
    /// send reviews
    #[arg(long, value_name = "FILE")]
    pub(super) client_ca: Option<PathBuf>,
    /// Common name or DNS name of allowed clients; may be repeated. Without it, any name is allowed
    #[arg(long, value_name = "NAME", requires = "client_ca")]
    pub(super) client_name: Vec<String>,
    /// Policy file; reloaded when it changes. Without it, the profile `recommended` is used
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Maximum size of a request body
    #[arg(long, value_name = "BYTES", default_value_t = 7 << 20)]
    pub(super) max_body: usize,
    /// Maximum number of open connections; further ones wait
    #[arg(long, value_name = "COUNT", default_value_t = 1024)]
    pub(super) max_connections: usize,
    /// How long to wait after SIGTERM for connections to close
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub(super) drain_timeout: Duration,
    /// How often to check the certificates, the policy and the registration for changes
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) reload_interval: Duration,
    /// Timeout for a TLS handshake, the first request of a connection, and a request body
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) read_timeout: Duration,
    /// Timeout for idle connections; the API server closes its own after 90 seconds
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub(super) idle_timeout: Duration,
    /// Format of the log
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(super) log_format: LogFormat,
    /// Log level: error, warn, info (logs denials) or debug (logs all verdicts)
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
    /// Days until the certificates expire
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) days: u32,
}

#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// Image to run, with its tag or digest
    #[arg(long, value_name = "IMAGE", required_unless_present = "static_url")]
    pub(super) image: Option<String>,
    /// Namespace to install the webhook in
    #[arg(long, value_name = "NAMESPACE", default_value = "volcheck")]
    pub(super) namespace: String,
    /// Mode of namespaces that the policy does not mention
    #[arg(long, value_parser = ["deny", "warn", "audit", "off"], default_value = "warn")]
    pub(super) mode: String,
    /// Policy file to enforce
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Print only a static registration of the webhook at this URL, such as https://volcheck.example:443. It is for
    /// the API server's `staticManifestsDir` (Kubernetes 1.37 and later) and cannot be changed through the API
    #[arg(long = "static", value_name = "URL", requires = "ca_bundle", conflicts_with_all = ["image", "policy"])]
    pub(super) static_url: Option<String>,
    /// CA certificates in PEM with which the API server verifies the webhook at that URL
    #[arg(long, value_name = "FILE", requires = "static_url")]
    pub(super) ca_bundle: Option<PathBuf>,
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
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err(NOT_POSITIVE.to_owned()) } else { Ok(duration) }
}

#[cfg(feature = "server")]
const NOT_POSITIVE: &str = "must be positive";

#[derive(Debug, Args)]
pub(super) struct ReviewArgs {
    /// AdmissionReview in JSON; `-` reads standard input
    #[arg(default_value = "-")]
    pub(super) file: String,
    /// Endpoint at which it arrives: `validate`, `strict` for namespaces with the label `volcheck.io/mode: deny`,
    /// or `advise` for workloads
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
    /// The rule; without one, an index
    pub(super) rule: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
    /// The format of the list
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
    /// Which one
    pub(super) what: SchemaOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// The report of `lint --format json`
    Output,
    /// The policy file
    Policy,
}

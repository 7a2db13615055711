//! The command-line arguments and their help texts.

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::lint::output::Output;
#[cfg(feature = "server")]
use super::server_args::{CertsArgs, ManifestArgs, ProbeArgs, ServeArgs};
use crate::admission::Endpoint;
use crate::finding::Severity;
use crate::model::KubernetesVersion;
use crate::policy::Profile;
use crate::report::Format;

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
    /// Wait until the API server denies what the webhook denies
    #[cfg(feature = "server")]
    Probe(ProbeArgs),
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
    /// Report only findings in objects that changed since this Git commit. Findings in rendered
    /// charts and kustomizations, and in standard input, are always reported
    #[arg(long, value_name = "COMMIT")]
    pub(super) changed_since: Option<String>,
    /// Lowest severity of a finding that causes exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(super) fail_on: FailOn,
    /// Lowest severity to show [default: info for json, jsonl and sarif; warning for the other
    /// formats]
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

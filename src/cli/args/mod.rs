//! The command-line arguments and their help texts.

mod exempt;
mod lint;
mod policy;
#[cfg(feature = "server")]
mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use self::exempt::*;
pub(super) use self::lint::*;
pub(super) use self::policy::*;
#[cfg(feature = "server")]
pub(super) use self::server::*;
use crate::admission::Endpoint;

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
    /// Suppress existing findings in the policy, or with comments or annotations
    Exempt(ExemptArgs),
    /// List the volumes with a host path, a claim or an emptyDir
    Paths(PathsArgs),
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
    /// Show, check or test a policy
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
    /// Schema of `paths --format json` lists
    Paths,
    /// Schema of the policy file
    Policy,
    /// Schema of policy test files
    PolicyTest,
}

//! The command-line arguments and their help texts.

mod exempt;
mod lint;
mod policy;
#[cfg(feature = "server")]
mod server;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::Error as ClapError;
use clap::{Arg, Args, Command as ClapCommand, Parser, Subcommand, ValueEnum};

pub(super) use self::exempt::*;
pub(super) use self::lint::*;
pub(super) use self::policy::*;
#[cfg(feature = "server")]
pub(super) use self::server::*;
use crate::admission::Endpoint;
use crate::policy::{Overrides, Policy, Profile};

/// Linter and admission webhook that finds unsafe volumes in Kubernetes manifests
#[derive(Debug, Parser)]
#[command(name = "volcheck", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const LINT_EXIT_CODES: &str = "\
Exit codes:
  0  no finding reaches --fail-on
  1  a finding reaches --fail-on
  2  some input could not be checked, there are no Kubernetes objects, the
     arguments, policy or baseline are invalid, or a report could not be written";

const REVIEW_EXIT_CODES: &str = "\
Exit codes:
  0  the webhook would allow the request
  1  the webhook would deny the request
  2  the AdmissionReview, the arguments or the policy are invalid";

const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  `lint` reports a finding that reaches --fail-on, `review` denies the request,
     a case of `policy test` fails, or `exempt` cannot exempt a finding
  2  failure, such as invalid arguments or input that could not be checked";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check manifests
    #[command(after_help = LINT_EXIT_CODES)]
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
    #[command(after_help = REVIEW_EXIT_CODES)]
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

/// Returns the parser for a value with one of these names. Clap lists the names in the help and in
/// the completions, and suggests a similar name for an unknown one.
fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// The parser for the name of a rule. It adds the names to the completions, but accepts any text,
/// because the errors about unknown rules suggest a similar one.
#[derive(Clone, Debug)]
struct RuleName;

impl TypedValueParser for RuleName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &ClapCommand,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, ClapError> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let policy = Policy::from_profile(Profile::default(), &Overrides::default()).ok()?;
        Some(Box::new(policy.rules().iter().map(|rule| PossibleValue::new(rule.id.as_str()))))
    }
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
    #[arg(value_parser = RuleName, hide_possible_values = true)]
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

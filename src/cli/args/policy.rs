//! The arguments about the policy.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{RuleName, one_of};
use crate::model::KubernetesVersion;
use crate::policy::Profile;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PolicyCommand {
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
    /// Report errors in a policy, and warn about settings that probably do not have the intended
    /// effect
    Check {
        /// Policy file [default: the nearest volcheck.yaml]
        file: Option<PathBuf>,
    },
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Policy")]
pub(in crate::cli) struct PolicyArgs {
    /// Policy file [default: the nearest volcheck.yaml, from the current directory up to the
    /// repository root]
    #[arg(long, value_name = "FILE", conflicts_with = "no_policy")]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// Rule profile; `none` enables only the rules that report unchecked input [default: the
    /// policy's, or recommended]
    #[arg(long, value_parser = one_of::<Profile>(Profile::ALL.map(Profile::name)))]
    pub(in crate::cli) profile: Option<Profile>,
    /// Rules to enable, separated by commas; all others are disabled, except the rules that report
    /// unchecked input
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = RuleName, hide_possible_values = true)]
    pub(in crate::cli) select: Option<Vec<String>>,
    /// Rules to disable, separated by commas; the rules that report unchecked input stay enabled
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = RuleName, hide_possible_values = true)]
    pub(in crate::cli) ignore: Vec<String>,
    /// Do not use a policy file
    #[arg(long)]
    pub(in crate::cli) no_policy: bool,
    /// Namespace to assume for objects that do not specify one [default: the policy's, or
    /// `default`]
    #[arg(long, value_name = "NAMESPACE")]
    pub(in crate::cli) namespace: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) kube_version: KubeVersionArg,
}

/// The version of Kubernetes, kept as written because it is also passed to Helm.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct KubeVersionArg {
    /// Version of Kubernetes that runs the objects, such as 1.33 [default: the policy's, or 1.37]
    #[arg(long, value_name = "VERSION", value_parser = kube_version)]
    kube_version: Option<String>,
}

impl KubeVersionArg {
    pub(in crate::cli) fn text(&self) -> Option<&str> {
        self.kube_version.as_deref()
    }

    pub(in crate::cli) fn version(&self) -> Option<KubernetesVersion> {
        self.text()?.parse().ok()
    }
}

fn kube_version(text: &str) -> Result<String, String> {
    text.parse::<KubernetesVersion>().map(|_| text.to_owned())
}

//! The arguments of the commands that check manifests.

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args, ValueEnum};

use super::{KubeVersionArg, PolicyArgs, one_of};
use crate::cli::lint::output::Output;
use crate::finding::Severity;
use crate::policy;
use crate::report::{Format, VolumesFormat};
use crate::rules::Rule;

pub(super) const FINDINGS: &str = "Findings";
const BASELINE: &str = "Baseline";
const REPORT: &str = "Report";
const FIXES: &str = "Fixes";
const DIAGNOSTICS: &str = "Diagnostics";

/// The input arguments of the commands that check manifests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(in crate::cli) struct InputArgs {
    /// Files, directories or globs to check; `-` reads standard input [default: the current
    /// directory, unless --helm or --kustomize is given]
    #[arg(help_heading = None::<&str>, hide_default_value = true, default_value = ".", default_value_ifs = [("helm", ArgPredicate::IsPresent, None), ("kustomize", ArgPredicate::IsPresent, None)])]
    pub(in crate::cli) paths: Vec<String>,
    /// Render the charts in the directories with `helm`, and the kustomizations with `kustomize` or
    /// `kubectl`, and check the output instead of the templates and kustomization files. The
    /// resources of kustomizations are also checked as files [default: `lint.render` in the policy]
    #[arg(long)]
    pub(in crate::cli) render: bool,
    /// Helm chart or glob of charts to render with `helm` and check; may be repeated. If
    /// --kube-version is set, charts are rendered for this version
    #[arg(long, value_name = "CHART")]
    pub(in crate::cli) helm: Vec<String>,
    /// Values file for all rendered charts; may be repeated
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(in crate::cli) values: Vec<PathBuf>,
    /// Value for all rendered charts, as in `helm template --set`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(in crate::cli) set: Vec<String>,
    /// Release name for all rendered charts [default: the default of `helm`]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) release_name: Option<String>,
    /// API version that charts can assume to be available in the cluster, as in `helm template
    /// --api-versions`; may be repeated
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) api_versions: Vec<String>,
    /// How long the rendering of a chart or a kustomization may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(in crate::cli) render_timeout: u64,
    /// Kustomization to render with `kustomize` or `kubectl` and check; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) kustomize: Vec<String>,
    /// Pattern of paths to exclude, even if they are named explicitly, with the syntax of
    /// `.gitignore` and relative to the current directory; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude: Vec<String>,
    /// Include files that `.gitignore` and similar files exclude
    #[arg(long)]
    pub(in crate::cli) no_gitignore: bool,
    /// File extensions of the manifests to check in directories, separated by commas
    #[arg(long, value_name = "EXT", value_delimiter = ',', default_value = "yaml,yml,json")]
    pub(in crate::cli) ext: Vec<String>,
    /// File name to report for standard input; requires the path `-`
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) stdin_filename: Option<String>,
    /// Also parse documents that cannot contain a volume, and report their syntax errors
    #[arg(long)]
    pub(in crate::cli) strict_parse: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("fixing").args(["fix", "diff"]).multiple(true))]
pub(in crate::cli) struct LintArgs {
    #[command(flatten)]
    pub(in crate::cli) input: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArgs,
    /// Report what the webhook would deny, warn about or audit, according to the modes in the
    /// policy. The exit code is 1 if it would deny an object, or the Pods of an object. Ignores and
    /// the baseline do not apply. Supports the formats text, concise, json, jsonl and markdown
    #[arg(long, conflicts_with_all = ["baseline", "fail_on"], help_heading = FINDINGS)]
    pub(in crate::cli) as_admission: bool,
    /// Baseline file [default: `lint.baseline` in the policy]
    #[arg(long, value_name = "FILE", help_heading = FINDINGS)]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// Report only findings in objects that changed since the current branch forked from this
    /// branch or commit, and in charts and kustomizations whose files changed since then. `REF..`
    /// compares with REF itself
    #[arg(long, value_name = "REF", help_heading = FINDINGS)]
    pub(in crate::cli) changed_since: Option<String>,
    /// Lowest severity of a finding that causes exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error", help_heading = FINDINGS)]
    pub(in crate::cli) fail_on: FailOn,
    /// Lowest severity to show [default: info for json, jsonl and sarif; warning for the other
    /// formats]. Findings that cause exit code 1 are always shown
    #[arg(long, value_name = "SEVERITY", value_parser = one_of::<Severity>(Severity::ALL.map(Severity::name)), help_heading = FINDINGS)]
    pub(in crate::cli) min_severity: Option<Severity>,
    /// Format of the report
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<Format>(Format::ALL.map(Format::name)), help_heading = REPORT)]
    pub(in crate::cli) format: Format,
    /// Additional report to write, such as `sarif=volcheck.sarif`; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", help_heading = REPORT)]
    pub(in crate::cli) output: Vec<Output>,
    /// Print the number of findings of each rule. In text and concise reports, the numbers follow
    /// the findings. For other formats, they are printed to standard error
    #[arg(long, help_heading = REPORT)]
    pub(in crate::cli) statistics: bool,
    /// Omit the summary from text and markdown reports. For other formats, omit the notes on
    /// standard error about what was not checked
    #[arg(long, help_heading = REPORT)]
    pub(in crate::cli) quiet: bool,
    /// Apply safe fixes of the findings that a text report shows, and report the remaining
    /// findings. Fixes standard input to standard output, and prints the report to standard error
    #[arg(long, conflicts_with_all = ["as_admission", "helm", "kustomize", "show_files"], help_heading = FIXES)]
    pub(in crate::cli) fix: bool,
    /// Print the fixes as a unified diff instead of applying them and instead of the report. The
    /// exit code is 1 if there are any fixes
    #[arg(long, conflicts_with_all = ["as_admission", "helm", "kustomize", "show_files", "output"], help_heading = FIXES)]
    pub(in crate::cli) diff: bool,
    /// Include fixes that may change the behavior of Pods, or that are one of several possible
    /// fixes
    #[arg(long, requires = "fixing", help_heading = FIXES)]
    pub(in crate::cli) unsafe_fixes: bool,
    /// Fix only findings of these rules, separated by commas; may be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = policy::rule, requires = "fixing", help_heading = FIXES)]
    pub(in crate::cli) fix_only: Vec<&'static Rule>,
    /// Do not fail if no Kubernetes objects are found
    #[arg(long, help_heading = FINDINGS)]
    pub(in crate::cli) allow_empty: bool,
    /// Do not apply ignore comments, ignore annotations or the baseline
    #[arg(long, help_heading = FINDINGS)]
    pub(in crate::cli) no_ignores: bool,
    /// Include suppressed findings, marked as suppressed, in text, concise, json, jsonl, csv and
    /// junit reports
    #[arg(long, help_heading = REPORT)]
    pub(in crate::cli) show_suppressed: bool,
    /// Print the path of the policy file, the profile and the number of objects to standard error;
    /// `-vv` also prints the number of objects in each file
    #[arg(long, short = 'v', action = ArgAction::Count, help_heading = DIAGNOSTICS)]
    pub(in crate::cli) verbose: u8,
    /// Print the names of the input files without checking them
    #[arg(long, help_heading = DIAGNOSTICS)]
    pub(in crate::cli) show_files: bool,
    /// Print the duration of each phase to standard error
    #[arg(long, help_heading = DIAGNOSTICS)]
    pub(in crate::cli) timings: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = REPORT)]
    pub(in crate::cli) color: When,
}

#[derive(Debug, Args)]
// `init` does not read a policy, so the version has another default.
#[command(mut_arg("kube_version", |arg| arg.help(INIT_KUBE_VERSION_HELP)))]
pub(in crate::cli) struct InitArgs {
    #[command(flatten)]
    pub(in crate::cli) input: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) kube_version: KubeVersionArg,
}

const INIT_KUBE_VERSION_HELP: &str =
    "Version of Kubernetes that runs the objects, such as 1.33 [default: 1.37]";

#[derive(Debug, Args)]
pub(in crate::cli) struct BaselineArgs {
    #[command(flatten)]
    pub(in crate::cli) input: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArgs,
    /// Baseline file [default: `lint.baseline` in the policy, or .volcheck-baseline.json]
    #[arg(long, value_name = "FILE", help_heading = BASELINE)]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// Only remove entries for findings that are no longer reported
    #[arg(long, conflicts_with = "force", help_heading = BASELINE)]
    pub(in crate::cli) prune: bool,
    /// Add new findings to an existing baseline
    #[arg(long, help_heading = BASELINE)]
    pub(in crate::cli) force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

impl FailOn {
    /// Returns the lowest severity for which the exit code is 1, or `None` for `never`.
    pub(in crate::cli) fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PathsArgs {
    #[command(flatten)]
    pub(in crate::cli) input: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArgs,
    /// Format of the list
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<VolumesFormat>(VolumesFormat::ALL.map(VolumesFormat::name)), help_heading = REPORT)]
    pub(in crate::cli) format: VolumesFormat,
    /// Do not fail if no Kubernetes objects are found
    #[arg(long, help_heading = FINDINGS)]
    pub(in crate::cli) allow_empty: bool,
}

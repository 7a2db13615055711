//! The arguments of `exempt`, and the command that exempts the findings of a report.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, ValueEnum};

use super::lint::FINDINGS;
use super::{Cli, InputArgs, PolicyArgs};
use crate::exempt::ObjectName;
use crate::finding::Severity;
use crate::policy::{self, Date, PathGlob};
use crate::rules::Rule;

/// The heading of the options that describe the exemptions.
const EXEMPTIONS: &str = "Exemptions";

#[derive(Debug, Args)]
pub(in crate::cli) struct ExemptArgs {
    #[command(flatten)]
    pub(in crate::cli) input: InputArgs,
    #[command(flatten)]
    pub(in crate::cli) policy: PolicyArgs,
    /// Why the findings are acceptable
    #[arg(long, value_name = "TEXT", value_parser = reason, help_heading = EXEMPTIONS)]
    pub(in crate::cli) reason: String,
    /// Last day of the exemptions, such as 2027-06-30 [default: 180 days from today]. Comments and
    /// annotations do not expire
    #[arg(long, value_name = "DATE", value_parser = date, help_heading = EXEMPTIONS)]
    pub(in crate::cli) expires: Option<Date>,
    /// How to suppress the findings: by exemptions in the policy file (created if missing), by
    /// ignore comments in the manifests, or by annotations of the objects
    #[arg(long = "as", value_name = "FORM", default_value = "policy", help_heading = EXEMPTIONS)]
    pub(in crate::cli) form: ExemptForm,
    /// Rules whose findings to exempt, separated by commas [default: all rules]
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = policy::rule, help_heading = FINDINGS)]
    pub(in crate::cli) rule: Vec<&'static Rule>,
    /// Host path or other path of the findings to exempt, as in the key `path` of an exemption;
    /// may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = PathGlob::new, help_heading = FINDINGS)]
    pub(in crate::cli) path: Vec<PathGlob>,
    /// Object or controller whose findings to exempt, as KIND/NAME or NAMESPACE/KIND/NAME; may be
    /// repeated
    #[arg(long, value_name = "OBJECT", help_heading = FINDINGS)]
    pub(in crate::cli) object: Vec<ObjectName>,
    /// Lowest severity of the findings to exempt
    #[arg(long, value_name = "SEVERITY", default_value = "warning", help_heading = FINDINGS)]
    pub(in crate::cli) min_severity: Severity,
    /// Print the changes as a unified diff without writing them
    #[arg(long, help_heading = EXEMPTIONS)]
    pub(in crate::cli) dry_run: bool,
    /// Baseline file; its findings are not exempted [default: `lint.baseline` in the policy]
    #[arg(long, value_name = "FILE", help_heading = FINDINGS)]
    pub(in crate::cli) baseline: Option<PathBuf>,
    /// Exempt only findings that `lint --changed-since` reports
    #[arg(long, value_name = "REF", help_heading = FINDINGS)]
    pub(in crate::cli) changed_since: Option<String>,
    /// Do not apply existing ignore comments, ignore annotations or the baseline
    #[arg(long, help_heading = FINDINGS)]
    pub(in crate::cli) no_ignores: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExemptForm {
    Policy,
    Comment,
    Annotation,
}

/// The placeholder for the reason in the command that reports print. It is not a valid reason.
const PLACEHOLDER: &str = "REASON";

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("empty reason".to_owned()),
        PLACEHOLDER => Err(format!("replace `{PLACEHOLDER}` with the reason")),
        text if text.contains(char::is_control) => Err("the reason must be a single line".to_owned()),
        text => Ok(text.to_owned()),
    }
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "expected YYYY-MM-DD".to_owned())
}

/// Returns the command that exempts the findings that a run of `lint` shows, with the arguments
/// that both commands have. Returns `None` if the run read standard input, or if it rendered input
/// without a policy.
pub(in crate::cli) fn exempt_command(lint: &ArgMatches, min_severity: Severity) -> Option<String> {
    let command = Cli::command();
    let exempt = command.find_subcommand("exempt")?;
    let (mut paths, mut flags) = (Vec::new(), Vec::new());
    for argument in exempt.get_arguments() {
        let id = argument.get_id().as_str();
        let is_given = lint.try_contains_id(id).unwrap_or(false)
            && lint.value_source(id) == Some(ValueSource::CommandLine);
        if !is_given || id == "min_severity" {
            continue;
        }
        let values = lint.get_raw(id)?.map(|value| value.to_str().map(str::to_owned));
        let values = values.collect::<Option<Vec<_>>>()?;
        match argument.get_long() {
            Some(long) if argument.get_action().takes_values() => {
                flags.extend(values.into_iter().flat_map(|value| [format!("--{long}"), value]));
            }
            Some(long) => flags.push(format!("--{long}")),
            None => paths.extend(values),
        }
    }
    if paths.iter().any(|path| path == "-") {
        return None;
    }
    if flags.iter().any(|flag| flag == "--no-policy") {
        // Comments cannot be written to rendered text.
        if flags.iter().any(|flag| ["--helm", "--kustomize", "--render"].contains(&flag.as_str())) {
            return None;
        }
        flags.extend(["--as".to_owned(), "comment".to_owned()]);
    }
    if min_severity != Severity::Warning {
        flags.extend(["--min-severity".to_owned(), min_severity.to_string()]);
    }
    let words = paths.iter().chain(&flags).map(|word| shlex::try_quote(word).ok());
    let words = words.collect::<Option<Vec<_>>>()?;
    let words: String = words.iter().map(|word| format!("{word} ")).collect();
    Some(format!("volcheck exempt {words}--reason '{PLACEHOLDER}'"))
}

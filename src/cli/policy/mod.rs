//! Loads the policy of a command.

mod command;
mod test;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::args::PolicyArgs;
use crate::finding::Severity;
use crate::lint::{ConfigFile, Report};
use crate::policy::{self, MergedPolicy, Overrides, Policy, PolicyError, Problem};
use crate::report::{self, Format, Style};

pub(super) use command::run;

/// The error for an invalid policy or baseline: the report of its problems.
#[derive(Debug)]
pub(super) struct ConfigError(pub(super) Report);

impl ConfigError {
    pub(super) fn new(config: ConfigFile, problems: Vec<Problem>) -> Self {
        Self(Report::of_invalid_config(config, problems))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&report::render(&self.0, Format::Text, Style::plain(Severity::Error)))
    }
}

impl std::error::Error for ConfigError {}

/// Loads the policy file from the arguments, or else the nearest one (see [`policy::discover`]). If
/// there is no file, or with `--no-policy`, returns the policy of the profile.
pub(super) fn load(arguments: &PolicyArgs) -> anyhow::Result<Policy> {
    Ok(load_merged(arguments)?.resolve())
}

/// Returns the policy file for the current directory (see [`policy::discover`]).
fn discover() -> anyhow::Result<Option<PathBuf>> {
    let Ok(directory) = env::current_dir() else { return Ok(None) };
    let invalid = |problem| ConfigError::new(ConfigFile::Policy, vec![problem]).into();
    policy::discover(&directory).map_err(invalid)
}

/// Loads the same policy as [`load`], with the origins of its values.
pub(super) fn load_merged(arguments: &PolicyArgs) -> anyhow::Result<MergedPolicy> {
    let overrides = overrides(arguments);
    match file(arguments)? {
        Some(file) => MergedPolicy::load(&file, &overrides).map_err(to_error),
        None => Ok(MergedPolicy::from_profile(arguments.profile.unwrap_or_default(), &overrides)?),
    }
}

/// Returns the path of the policy file from the arguments, or else the nearest one, if any.
pub(super) fn file(arguments: &PolicyArgs) -> anyhow::Result<Option<PathBuf>> {
    match &arguments.policy {
        Some(file) => Ok(Some(file.clone())),
        None if arguments.no_policy => Ok(None),
        None => discover(),
    }
}

/// Loads the policy whose file `path` has this text.
pub(super) fn load_text(arguments: &PolicyArgs, path: &Path, text: &str) -> anyhow::Result<Policy> {
    let merged = MergedPolicy::load_text(path, text, &overrides(arguments)).map_err(to_error)?;
    Ok(merged.resolve())
}

fn overrides(arguments: &PolicyArgs) -> Overrides {
    Overrides {
        profile: arguments.profile,
        select: arguments.select.clone(),
        ignore: arguments.ignore.clone(),
        namespace: arguments.namespace.clone(),
        kubernetes_version: arguments.kube_version.version(),
    }
}

fn to_error(error: PolicyError) -> anyhow::Error {
    match error {
        PolicyError::UnknownRule(unknown) => unknown.into(),
        PolicyError::Problems(problems) => ConfigError::new(ConfigFile::Policy, problems).into(),
    }
}

//! The policy that the command line names.

mod command;

use std::env;
use std::fmt;

use super::args::PolicyArgs;
use crate::policy::{self, MergedPolicy, Overrides, Policy, PolicyError, Problem};
use crate::report;

pub(super) use command::run;

/// An invalid policy or baseline.
#[derive(Debug)]
pub(super) struct ConfigError {
    /// `policy` or `baseline`.
    pub(super) kind: &'static str,
    pub(super) problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, problems } = self;
        for problem in problems {
            let location = problem.location.as_ref().map(|(file, span)| (&**file, *span));
            f.write_str(&report::diagnostic(kind, &problem.message, &problem.path, location))?;
        }
        match problems.len() {
            1 => writeln!(f, "The {kind} has 1 error; nothing was checked."),
            count => writeln!(f, "The {kind} has {count} errors; nothing was checked."),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Loads the policy that the arguments name, or the one for the current directory.
pub(super) fn load(arguments: &PolicyArgs) -> anyhow::Result<Policy> {
    Ok(load_merged(arguments)?.resolve())
}

/// Loads the same policy, with the origin of each value.
pub(super) fn load_merged(arguments: &PolicyArgs) -> anyhow::Result<MergedPolicy> {
    let overrides = Overrides {
        profile: arguments.profile,
        select: arguments.select.clone(),
        ignore: arguments.ignore.clone(),
        namespace: arguments.namespace.clone(),
    };
    let discovered = || policy::discover(&env::current_dir().ok()?);
    let file = match &arguments.policy {
        Some(file) => Some(file.clone()),
        None if arguments.no_policy => None,
        None => discovered(),
    };
    match file {
        Some(file) => MergedPolicy::load(&file, &overrides).map_err(|error| match error {
            PolicyError::UnknownRule(unknown) => unknown.into(),
            PolicyError::Problems(problems) => ConfigError { kind: "policy", problems }.into(),
        }),
        None => Ok(MergedPolicy::from_profile(arguments.profile.unwrap_or_default(), &overrides)?),
    }
}

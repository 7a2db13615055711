//! `volcheck policy show` and `volcheck policy check`.

use std::path::PathBuf;

use anyhow::bail;

use super::{discover, load, load_merged, test};
use crate::cli::args::{PolicyArgs, PolicyCommand};
use crate::cli::{EXIT_OK, print};
use crate::lint::policy_warnings;
use crate::policy::{self, Policy};
use crate::report::counted;

pub(in crate::cli) fn run(command: &PolicyCommand) -> anyhow::Result<u8> {
    match command {
        PolicyCommand::Show { file, flat, policy } => {
            let policy = load_merged(&with_file(file.clone(), policy))?;
            print(&policy.text(!flat))?;
        }
        PolicyCommand::Check { file } => {
            let found = match file {
                Some(file) => Some(file.clone()),
                None => discover()?,
            };
            let Some(file) = found else {
                bail!(
                    "no {} in the current directory or its parents, up to the repository root",
                    policy::FILE_NAME
                );
            };
            let shown = file.display().to_string();
            let arguments = PolicyArgs { policy: Some(file), ..PolicyArgs::default() };
            let policy = load(&arguments)?;
            let warnings = policy_warnings(&policy, policy::today());
            let mut text: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            text.push_str(&format!("{shown} is valid: {}.\n", summary(&policy)));
            print(&text)?;
        }
        PolicyCommand::Test { files, policy } => return test::run(files, policy),
    }
    Ok(EXIT_OK)
}

/// Returns the arguments, in which the positional argument `file` overrides `--policy` and
/// `--no-policy`.
fn with_file(file: Option<PathBuf>, arguments: &PolicyArgs) -> PolicyArgs {
    let mut arguments = arguments.clone();
    arguments.policy = file.or(arguments.policy);
    arguments
}

fn summary(policy: &Policy) -> String {
    let today = policy::today();
    let expired = policy.exemptions().filter(|(_, exemption)| !exemption.is_active_on(today)).count();
    let mut text = format!(
        "profile {}, {}, {}",
        policy.profile,
        counted(policy.enabled_rules(today).count(), "enabled rule"),
        counted(policy.exemptions().len(), "exemption")
    );
    if expired > 0 {
        text.push_str(&format!(" ({expired} expired)"));
    }
    if policy.override_count() > 0 {
        text.push_str(&format!(", {}", counted(policy.override_count(), "override")));
    }
    text
}

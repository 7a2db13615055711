//! `volcheck policy show` and `volcheck policy check`.

use std::env;
use std::path::PathBuf;

use anyhow::bail;

use super::load;
use crate::cli::args::{PolicyArgs, PolicyCommand};
use crate::cli::{CLEAN, print};
use crate::policy::{self, Policy};

pub(in crate::cli) fn run(command: &PolicyCommand) -> anyhow::Result<u8> {
    match command {
        PolicyCommand::Show { file, flat, policy } => {
            let policy = load(&named(file.clone(), policy))?;
            print(&policy.text(!flat));
        }
        PolicyCommand::Check { file } => {
            let found = || policy::discover(&env::current_dir().ok()?);
            let Some(file) = file.clone().or_else(found) else {
                bail!("no {} from here up to the repository's root", policy::FILE_NAME);
            };
            let shown = file.display().to_string();
            let arguments = PolicyArgs { policy: Some(file), ..PolicyArgs::default() };
            print(&format!("{shown} is a policy: {}.\n", summary(&load(&arguments)?)));
        }
    }
    Ok(CLEAN)
}

/// The arguments, with a file that is named by itself.
fn named(file: Option<PathBuf>, arguments: &PolicyArgs) -> PolicyArgs {
    let mut arguments = arguments.clone();
    arguments.policy = file.or(arguments.policy);
    arguments
}

fn summary(policy: &Policy) -> String {
    let expired = policy.exemptions.iter().filter(|exemption| !exemption.holds_on(policy::today())).count();
    let mut text = format!(
        "profile {}, {} rules on, {} exemptions",
        policy.profile,
        policy.rules().count(),
        policy.exemptions.len()
    );
    if expired > 0 {
        text.push_str(&format!(", {expired} of them expired"));
    }
    text
}

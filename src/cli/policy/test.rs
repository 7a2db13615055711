//! `volcheck policy test`.

use std::path::PathBuf;

use super::{ConfigError, load_merged};
use crate::cli::args::PolicyArgs;
use crate::cli::{EXIT_FINDINGS, EXIT_OK, print};
use crate::lint::ConfigFile;
use crate::policy::today;
use crate::policy_test::{self, PolicyTest, Results};

/// Runs the cases in the files, and prints the results. If a file is invalid, runs no case.
pub(super) fn run(files: &[PathBuf], arguments: &PolicyArgs) -> anyhow::Result<u8> {
    let load = |file: &PathBuf| {
        let invalid = |problems| ConfigError::new(ConfigFile::PolicyTest, problems).into();
        policy_test::load(file).map_err(invalid)
    };
    let tests = files.iter().map(load).collect::<anyhow::Result<Vec<PolicyTest>>>()?;
    let mut results = Results::default();
    for test in &tests {
        let mut arguments = arguments.clone();
        if arguments.policy.is_none() && !arguments.no_policy {
            arguments.policy.clone_from(&test.policy);
        }
        test.run(load_merged(&arguments)?, today(), &mut results);
    }
    print(&results.text())?;
    Ok(if results.failed == 0 { EXIT_OK } else { EXIT_FINDINGS })
}

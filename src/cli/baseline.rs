//! `volcheck baseline`: writes a baseline. This module also reads baselines for `volcheck lint`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::args::BaselineArgs;
use super::lint::setup::RunSetup;
use super::policy::ConfigError;
use super::{EXIT_OK, eprint};
use crate::fix::write_atomically;
use crate::input::InputErrorKind;
use crate::lint::{self, ConfigFile};
use crate::policy::{Policy, Problem};
use crate::report::counted;
use crate::suppress::Baseline;

/// The default name of a baseline file.
const FILE_NAME: &str = ".volcheck-baseline.json";

const HOW_TO_USE: &str = "To use the baseline, set `lint.baseline` in the policy or pass `--baseline`.\n";

pub(super) fn run(arguments: &BaselineArgs) -> anyhow::Result<u8> {
    let setup = RunSetup::new(&arguments.input, &arguments.policy)?;
    let (run, policy) = (setup.run(&setup.options(true)), &setup.policy);
    eprint(&setup.warnings());
    let path = configured_path(arguments.baseline.as_deref(), policy).unwrap_or_else(|| default_path(policy));
    let exists = path.exists();
    if arguments.prune && !exists {
        bail!("{}: no baseline to prune", path.display());
    }
    let known = if exists { read(&path)? } else { Baseline::default() };
    if !run.report.errors.is_empty() {
        bail!(
            "{} could not be checked, so the baseline was not written; run `volcheck lint` to list the errors",
            counted(run.report.inputs_with_errors(), "input")
        );
    }
    let coverage = setup.coverage(&path)?;
    let found = coverage.findings(&run.report);
    let (written, new) = known.update(found, |entry| coverage.of(entry), arguments.prune);
    if new > 0 && exists && !arguments.prune && !arguments.force {
        bail!(
            "{} missing from {}: pass `--force` to add new findings, or `--prune` to only remove fixed ones",
            counted(new, "finding"),
            path.display()
        );
    }
    let before = if exists { format!(" ({} before)", known.len()) } else { String::new() };
    write_atomically(&path, &written.to_json()).with_context(|| path.display().to_string())?;
    eprint(&format!("Wrote {} with {}{before}.\n", path.display(), counted(written.len(), "finding")));
    if policy.baseline.as_ref().is_none_or(|used| *used != path) {
        eprint(HOW_TO_USE);
    }
    Ok(EXIT_OK)
}

/// Returns the path of the baseline from the arguments, or else from the policy, if any.
fn configured_path(argument: Option<&Path>, policy: &Policy) -> Option<PathBuf> {
    argument.map(Path::to_owned).or_else(|| policy.baseline.clone())
}

/// Returns the default path of the baseline, which is in the directory of the policy.
fn default_path(policy: &Policy) -> PathBuf {
    policy.directory().unwrap_or(Path::new("")).join(FILE_NAME)
}

/// Loads the baseline at the path from the arguments, or else from the policy, and returns it with
/// its path. Returns `None` if neither sets a path. Prints a warning if the default path exists.
pub(super) fn load(argument: Option<&Path>, policy: &Policy) -> anyhow::Result<Option<(PathBuf, Baseline)>> {
    let Some(path) = configured_path(argument, policy) else {
        let unused = default_path(policy);
        if unused.exists() {
            eprint(&format!("warning: {} is not used. {HOW_TO_USE}", unused.display()));
        }
        return Ok(None);
    };
    let baseline = read(&path)?;
    Ok(Some((path, baseline)))
}

fn read(path: &Path) -> anyhow::Result<Baseline> {
    let name = path.display().to_string();
    let invalid = |problem| ConfigError::new(ConfigFile::Baseline, vec![problem]);
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!("could not be read: {}", InputErrorKind::from(error));
        invalid(Problem { path: name.as_str().into(), location: None, message })
    })?;
    lint::parse_baseline(&name, &text).map_err(|problem| invalid(problem).into())
}

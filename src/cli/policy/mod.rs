//! The policy that the command line asks for, and what is to be said of the policy itself.

mod command;

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::args::PolicyArgs;
use crate::finding::{Finding, Severity};
use crate::model::FieldPath;
use crate::policy::{self, Date, Exemption, Overrides, Policy, PolicyError, Problem};
use crate::report::{self, Located, Place};

pub(super) use command::run;

/// A file that nothing can be judged with, as it is shown.
#[derive(Debug)]
pub(super) struct Refused {
    /// What the file would be: a policy or a baseline.
    pub(super) what: &'static str,
    /// What is wrong with it.
    pub(super) problems: Vec<Problem>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, problems } = self;
        for problem in problems {
            let place = problem.place.as_ref().map(|(file, span)| (&**file, *span));
            f.write_str(&report::diagnostic(what, &problem.message, &problem.path, place))?;
        }
        match problems.len() {
            1 => writeln!(f, "The {what} has 1 problem; nothing was judged."),
            count => writeln!(f, "The {what} has {count} problems; nothing was judged."),
        }
    }
}

impl std::error::Error for Refused {}

/// The policy that the arguments ask for: the file that they name, else the one that holds here.
pub(super) fn load(arguments: &PolicyArgs) -> anyhow::Result<Policy> {
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
        Some(file) => Policy::load(&file, &overrides).map_err(|error| match error {
            PolicyError::Rule(unknown) => unknown.into(),
            PolicyError::Files(problems) => Refused { what: "policy", problems }.into(),
        }),
        None => Ok(Policy::of_profile(arguments.profile.unwrap_or_default(), &overrides)?),
    }
}

/// What is to be said of the exemptions of a policy: those that have expired, and those that matched nothing,
/// where `used` holds all that anything could match; none where it doesn't.
pub fn findings(policy: &Policy, used: Option<&BTreeSet<usize>>, today: Date) -> Vec<Located> {
    let mut found = Vec::new();
    for (index, exemption) in policy.exemptions.iter().enumerate() {
        let Some(place) = &exemption.place else { continue };
        let finding = match used {
            _ if !exemption.holds_on(today) => expired(exemption),
            Some(used) if !used.contains(&index) => unused(exemption),
            _ => continue,
        };
        let Some(finding) = policy.leveled(finding) else { continue };
        let (file, primary) = (Some(place.file.clone()), Some(place.span));
        let place = Place { file, primary, ..Place::of_file(&place.path) };
        found.push(Located::new(finding, place));
    }
    found
}

fn expired(exemption: &Exemption) -> Finding {
    let last = exemption.expires.map(|day| day.to_string()).unwrap_or_default();
    let message = format!("this exemption has expired: {last} was its last day");
    Finding::new("expired-exemption", Severity::Warning, FieldPath::root(), message)
        .why("it excuses nothing any more, so what it was for is reported, and denied, again")
        .help("mend what it was for and remove it, or give it another day with a reason that still holds")
}

fn unused(exemption: &Exemption) -> Finding {
    let message = format!("this exemption matches nothing: {}", crate::model::printable(&exemption.reason));
    Finding::new("unused-exemption", Severity::Info, FieldPath::root(), message)
        .why("what it was for is gone, or one of its keys doesn't fit; it would excuse what comes later")
        .help("remove it, unless it is for objects that only the cluster has")
}

/// Whether a run over `paths` sees all that the policy is for.
pub(super) fn covers(paths: &[String], policy: &Policy) -> bool {
    let Some(folder) = policy.folder().and_then(real) else { return false };
    paths.iter().any(|path| real(Path::new(path)).is_some_and(|path| folder.starts_with(path)))
}

/// Where a path leads, links followed; none where it leads nowhere.
pub(super) fn real(path: &Path) -> Option<PathBuf> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    path.canonicalize().ok()
}

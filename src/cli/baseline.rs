//! `volcheck baseline`, and what a baseline does in `volcheck lint`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::args::{BaselineArgs, InputArgs};
use super::file::put;
use super::lint::task::{Run, Task};
use super::policy::Refused;
use super::{CLEAN, TROUBLE, complain};
use crate::finding::{Finding, Severity, SuppressedBy, Suppression};
use crate::model::FieldPath;
use crate::policy::{Policy, Problem};
use crate::report::{Located, Place};
use crate::source::{File, Position, Span};
use crate::suppress::Baseline;

/// The name of a baseline where nobody gives another one.
const FILE_NAME: &str = ".volcheck-baseline.json";

pub(super) fn run(arguments: &BaselineArgs) -> anyhow::Result<u8> {
    let task = Task::new(&arguments.input, &arguments.policy)?;
    let (run, policy) = (task.run(true), &task.policy);
    let path = path(&arguments.input, policy).unwrap_or_else(|| match policy.folder() {
        Some(folder) => folder.join(FILE_NAME),
        None => PathBuf::from(FILE_NAME),
    });
    let findings = run.report.findings.iter().map(|located| (&located.finding, &*located.place.path));
    let found = Baseline::of(findings);
    let known = match path.exists() {
        true => Some(read(&path)?),
        false if arguments.prune => bail!("{}: there is no baseline to prune", path.display()),
        false => None,
    };
    let written = match &known {
        Some(known) if arguments.prune => found.common(known),
        Some(known) if !arguments.force && found.beyond(known) > 0 => bail!(
            "{} would grow by {}: `--prune` only takes out what is gone, `--force` lets it grow",
            path.display(),
            found.beyond(known)
        ),
        _ => found,
    };
    put(&path, &written.text()).with_context(|| path.display().to_string())?;
    let before = known.map_or_else(String::new, |known| format!(", {} before", known.len()));
    complain(&format!("{} holds {} findings{before}.\n", path.display(), written.len()));
    if policy.baseline.as_ref().is_none_or(|used| *used != path) {
        complain(&format!(
            "It counts where a policy names it, `lint: {{ baseline: {FILE_NAME} }}`, or with `--baseline FILE`.\n"
        ));
    }
    if run.report.errors.is_empty() {
        return Ok(CLEAN);
    }
    complain("Some of the input could not be checked: `volcheck lint` says what.\n");
    Ok(TROUBLE)
}

/// The baseline's file, as the arguments or the policy have it.
fn path(input: &InputArgs, policy: &Policy) -> Option<PathBuf> {
    input.baseline.clone().or_else(|| policy.baseline.clone())
}

/// The baseline that counts under the arguments and the policy, and its file.
pub(super) fn load(
    input: &InputArgs,
    policy: &Policy,
) -> anyhow::Result<Option<(PathBuf, Baseline<'static>)>> {
    let Some(path) = path(input, policy) else { return Ok(None) };
    let baseline = read(&path)?;
    Ok(Some((path, baseline)))
}

fn read(path: &Path) -> anyhow::Result<Baseline<'static>> {
    let name = path.display().to_string();
    // A program reads one, and ends: its entries borrow from the text.
    let text: &'static str = fs::read_to_string(path).with_context(|| name.clone())?.leak();
    Baseline::parse(text).map_err(|error| {
        let file = File::decode(name.as_str(), text.as_bytes().to_vec()).ok().filter(|_| error.line > 0);
        let place = file.map(|file| {
            let line = file.line_range(error.line);
            let at = (line.start + error.column - 1).min(line.end);
            let position = Position { line: error.line, column: error.column, offset: at };
            (std::sync::Arc::new(file), Span { start: position, end: position })
        });
        let problems = vec![Problem { path: name.as_str().into(), place, message: error.message }];
        Refused { what: "baseline", problems }.into()
    })
}

/// Takes out of the findings what the baseline in the file `path` holds, and says what of it is gone.
pub(super) fn apply(run: &mut Run, path: &Path, mut baseline: Baseline<'_>, policy: &Policy) {
    for mut located in std::mem::take(&mut run.report.findings) {
        if baseline.take(&located.finding, &located.place.path) {
            located.suppressed = Some(Suppression { by: SuppressedBy::Baseline, reason: String::new() });
            run.report.suppressed.push(located);
        } else {
            run.report.findings.push(located);
        }
    }
    if run.is_whole {
        run.report.findings.extend(stale(&baseline, &path.to_string_lossy(), policy));
    }
    run.report.findings.sort_by(Located::order);
    run.report.suppressed.sort_by(Located::order);
}

/// What is to be said of a baseline, in the file `path`, from which everything that was found has been taken.
pub fn stale(baseline: &Baseline<'_>, path: &str, policy: &Policy) -> Option<Located> {
    let (count, first) = baseline.stale(3);
    let message = match count {
        1 => "an entry of the baseline matches nothing any more".to_owned(),
        count => format!("{count} entries of the baseline match nothing any more"),
    };
    let more = match count - first.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let finding = Finding::new("stale-baseline", Severity::Warning, FieldPath::root(), message)
        .why(format!("they would hide what comes back: {}{more}", first.join("; ")))
        .help("`volcheck baseline --prune` takes out what is gone");
    let finding = policy.leveled(finding).filter(|_| count > 0)?;
    let place = Place::of_file(path);
    Some(Located::new(finding, place))
}

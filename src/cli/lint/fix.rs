//! `volcheck lint --fix` and `--diff`: applies or shows the fixes of the reported findings.

use super::setup::RunSetup;
use super::{LintArgs, keep_changed_since, lint_options, min_severity};
use crate::cli::{EXIT_ERROR, EXIT_FINDINGS, EXIT_OK, eprint, print};
use crate::finding::Severity;
use crate::fix::{Plan, Request, Selection};
use crate::input::InputSource;
use crate::lint::Run;
use crate::model::printable;
use crate::report::Format;

/// Applies the fixes, and replaces the run with one of the fixed files. Returns false if a file
/// cannot be written.
pub(super) fn apply(arguments: &LintArgs, setup: &RunSetup<'_>, run: &mut Run) -> anyhow::Result<bool> {
    let (mut plan, fixed) = planned(arguments, setup, run)?;
    let errors = plan.write();
    for error in &errors {
        eprint(&format!("error: {error}\n"));
    }
    match fixed {
        Some(fixed) if errors.is_empty() => *run = fixed,
        Some(_) => *run = run_with(arguments, setup, &plan)?,
        None => {}
    }
    for input in &setup.found.inputs {
        if *input.source.origin() == InputSource::Stdin {
            let edit = plan.edits().find(|edit| edit.path.is_none());
            let original = || input.read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            print(&edit.map_or_else(|| original().unwrap_or_default(), |edit| edit.after.clone()))?;
        }
    }
    eprint(&plan.summary(false));
    Ok(errors.is_empty())
}

/// Prints the fixes as a unified diff. Returns the exit code.
pub(super) fn diff(arguments: &LintArgs, setup: &RunSetup<'_>, run: &Run) -> anyhow::Result<u8> {
    let (plan, _) = planned(arguments, setup, run)?;
    for edit in plan.edits() {
        print(&edit.diff())?;
    }
    for located in &run.report.errors {
        let (line, column) = located.line_and_column();
        let (path, message) = (located.display_path(), printable(&located.finding.message));
        eprint(&format!("error: {path}:{line}:{column}: {message}\n"));
    }
    eprint(&plan.summary(true));
    Ok(match run.report.errors.is_empty() {
        false => EXIT_ERROR,
        true if plan.files.is_empty() => EXIT_OK,
        true => EXIT_FINDINGS,
    })
}

/// Plans the fixes. Also returns the run of the fixed files, if there are any.
fn planned(arguments: &LintArgs, setup: &RunSetup<'_>, run: &Run) -> anyhow::Result<(Plan, Option<Run>)> {
    let selection = Selection {
        with_unsafe: arguments.unsafe_fixes,
        rules: arguments.fix_only.iter().map(|rule| rule.id).collect(),
    };
    let shown: Vec<_> = match &arguments.changed_since {
        Some(revision) => {
            let mut changed = run.report.clone();
            keep_changed_since(&mut changed, setup, revision)?;
            changed.findings
        }
        None => run.report.findings.clone(),
    };
    // The format does not affect which findings are fixed.
    let lowest: Severity = min_severity(arguments, Format::Text);
    let shown: Vec<_> = shown.into_iter().filter(|located| located.finding.severity >= lowest).collect();
    let request = Request {
        inputs: &setup.found.inputs,
        roles: &run.roles,
        options: lint_options(arguments, setup).lint,
        selection: &selection,
    };
    let mut plan = Plan::new(&run.report, &shown, &request);
    while !plan.files.is_empty() {
        let fixed = run_with(arguments, setup, &plan)?;
        if !plan.remove_ineffective(&run.report, &fixed.report) {
            return Ok((plan, Some(fixed)));
        }
    }
    Ok((plan, None))
}

/// Checks the inputs with the fixes of the plan.
fn run_with(arguments: &LintArgs, setup: &RunSetup<'_>, plan: &Plan) -> anyhow::Result<Run> {
    let edited = setup.with_edits(plan.edits(), setup.policy.clone());
    edited.run_with_baseline(arguments.baseline.as_deref(), &lint_options(arguments, &edited))
}

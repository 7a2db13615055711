//! `volcheck lint`

mod about;
mod changed;
mod kustomize;
pub mod manifest;
pub(super) mod output;
mod patch;
mod progress;
pub(super) mod task;

use std::env;
use std::io::{self, IsTerminal};

use super::args::{FailOn, LintArgs, When};
use super::{CLEAN, FINDINGS, TROUBLE, baseline, complain, print};
use crate::finding::Severity;
use crate::input::{Discovery, InputError};
use crate::model::printable;
use crate::report::{self, Report, Style};
use task::Task;

pub(super) fn run(arguments: &LintArgs) -> anyhow::Result<u8> {
    output::check(&arguments.output)?;
    let mut timings = about::Timings::start();
    let task = Task::new(&arguments.input, &arguments.policy)?;
    timings.end("policy and names");
    if arguments.verbose > 0 {
        complain(&about::policy(&task.policy));
    }
    if arguments.show_files {
        return Ok(show_files(&task.found));
    }
    let with_ignores = !arguments.no_ignores;
    let (mut run, baseline) = rayon::join(
        || task.run(with_ignores),
        || with_ignores.then(|| baseline::load(&arguments.input, &task.policy)).transpose(),
    );
    if let Some((path, baseline)) = baseline?.flatten() {
        baseline::apply(&mut run, &path, baseline, &task.policy);
    }
    timings.end("reading and judging");
    if arguments.verbose > 0 {
        let by_each = arguments.verbose > 1;
        complain(&about::inputs(&task.found.inputs, &run.counts, &run.report.counts, by_each));
    }
    let mut report = run.report;
    if let Some(reference) = &arguments.changed_since {
        changed::keep(&mut report, reference)?;
    }
    let style = Style {
        color: wants(arguments.color, io::stdout().is_terminal()),
        links: wants(arguments.links, io::stdout().is_terminal()),
        min_severity: arguments.min_severity.unwrap_or(arguments.format.default_min_severity()),
        show_suppressed: arguments.show_suppressed,
        quiet: arguments.quiet,
        statistics: arguments.statistics,
    };
    print(&report::render(&report, arguments.format, style));
    if arguments.statistics && !arguments.format.holds_statistics() {
        complain(&report::statistics(&report, style.min_severity));
    }
    let code = exit_code(&report, arguments);
    let is_written = output::write(&arguments.output, &report, arguments.min_severity, style);
    timings.end("reporting");
    if arguments.timings {
        complain(&timings.text());
    }
    // The program ends here: the system takes back a tree of texts at once.
    std::mem::forget((task, report));
    Ok(if is_written { code } else { TROUBLE })
}

/// Prints the names of what would be read.
fn show_files(found: &Discovery) -> u8 {
    print(&found.inputs.iter().map(|input| format!("{}\n", printable(&input.name))).collect::<String>());
    for InputError { name, kind } in &found.errors {
        complain(&format!("error: {} can't be read: {kind}\n", printable(name)));
    }
    if found.errors.is_empty() { CLEAN } else { TROUBLE }
}

fn exit_code(report: &Report, arguments: &LintArgs) -> u8 {
    if !report.errors.is_empty() {
        return TROUBLE;
    }
    if report.counts.objects == 0 && !arguments.allow_empty {
        complain("error: no Kubernetes object in all that was given (`--allow-empty` makes that no error)\n");
        return TROUBLE;
    }
    let worst = report.findings.iter().map(|located| located.finding.severity).max();
    let fails = |least: Severity| worst.is_some_and(|worst| worst >= least);
    match FailOn::severity(arguments.fail_on) {
        Some(least) if fails(least) => FINDINGS,
        _ => CLEAN,
    }
}

/// Colours and links: as asked for, else as the environment says (no-color.org, bixense.com/clicolors), else
/// where somebody looks.
fn wants(when: When, is_terminal: bool) -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("FORCE_COLOR") || set("CLICOLOR_FORCE") => true,
        When::Auto => is_terminal && env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

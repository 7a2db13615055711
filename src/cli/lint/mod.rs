//! `volcheck lint`: checks manifests and reports the findings.

mod fix;
pub(super) mod output;
mod progress;
pub(super) mod setup;
mod verbose;

use std::env;
use std::io::{self, IsTerminal};

use clap::ArgMatches;

use super::args::{FailOn, LintArgs, When, exempt_command};
use super::policy::ConfigError;
use super::{EXIT_ERROR, EXIT_FINDINGS, EXIT_OK, eprint, print};
use crate::finding::Severity;
use crate::input::{Changes, InputSource};
use crate::lint::{Report, RunOptions, keep_changed};
use crate::model::printable;
use crate::report::{self, Format, Style};
use setup::RunSetup;

/// Runs the command. `matches` are its arguments before they are converted to `arguments`.
pub(super) fn run(arguments: &LintArgs, matches: Option<&ArgMatches>) -> anyhow::Result<u8> {
    output::check(arguments)?;
    check(arguments, matches).inspect_err(|error| {
        if let Some(ConfigError(report)) = error.downcast_ref().filter(|_| !arguments.show_files) {
            // `cli::run` also prints these problems to standard error, as text.
            if arguments.format != Format::Text {
                print_report(report, arguments);
            }
            output::write(report, arguments, style(arguments));
        }
    })
}

fn check(arguments: &LintArgs, matches: Option<&ArgMatches>) -> anyhow::Result<u8> {
    let mut timings = verbose::Timings::start();
    let mut setup = RunSetup::new(&arguments.input, &arguments.policy)?;
    timings.end("loading policy and discovering files");
    if arguments.verbose > 0 {
        eprint(&verbose::policy(&setup.policy));
    }
    if arguments.show_files {
        return show_files(&setup);
    }
    for change in setup.policy.upcoming_changes(crate::policy::today()) {
        eprint(&format!("warning: {change}\n"));
    }
    if arguments.fix || arguments.diff {
        setup.found.read_streams();
    }
    let mut run = setup.run_with_baseline(arguments.baseline.as_deref(), &lint_options(arguments, &setup))?;
    eprint(&setup.warnings());
    timings.end("checking files");
    if arguments.diff {
        return fix::diff(arguments, &setup, &run);
    }
    let mut is_fixed = true;
    if arguments.fix {
        is_fixed = fix::apply(arguments, &setup, &mut run)?;
        timings.end("fixing files");
    }
    if arguments.verbose > 0 {
        let per_input = arguments.verbose > 1;
        eprint(&verbose::inputs(&setup.found.inputs, &run.counts, &run.report.counts, per_input));
    }
    let mut report = run.report;
    report.lacks_objects = report.has_no_objects() && report.errors.is_empty() && !arguments.allow_empty;
    if let Some(revision) = &arguments.changed_since {
        keep_changed_since(&mut report, &setup, revision)?;
    }
    if !arguments.as_admission
        && FailOn::severity(arguments.fail_on).is_some_and(|min| report.has_exemptable(min))
    {
        let min_severity = min_severity(arguments, Format::Text);
        report.exempt_command = matches.and_then(|matches| exempt_command(matches, min_severity));
    }
    let style = style(arguments);
    let is_printed = print_report(&report, arguments);
    if arguments.statistics && !arguments.format.includes_statistics() {
        eprint(&report::statistics(&report, style.min_severity));
    }
    if !arguments.quiet && !arguments.format.includes_summary() {
        eprint(&report::notes(&report));
    }
    let code = exit_code(&report, arguments);
    let is_written = output::write(&report, arguments, style);
    timings.end("writing reports");
    if arguments.timings {
        eprint(&timings.text());
    }
    // The process is about to exit, so freeing memory would only cost time.
    std::mem::forget((setup, report));
    Ok(if is_printed && is_written && is_fixed { code } else { EXIT_ERROR })
}

/// Returns the options of the run.
fn lint_options<'s>(arguments: &LintArgs, setup: &'s RunSetup<'_>) -> RunOptions<'s> {
    let mut options = setup.options(!arguments.no_ignores && !arguments.as_admission);
    options.lint.as_admission = arguments.as_admission;
    options
}

/// Removes the findings that did not change since a revision from the report.
pub(super) fn keep_changed_since(
    report: &mut Report,
    setup: &RunSetup<'_>,
    revision: &str,
) -> anyhow::Result<()> {
    let mut sources = setup.found.inputs.iter().map(|input| input.source.origin());
    if sources.any(|source| *source == InputSource::Stdin) {
        anyhow::bail!("--changed-since does not apply to standard input, which is not in a Git repository");
    }
    let changes = Changes::since(revision, &env::current_dir()?)
        .map_err(|error| anyhow::anyhow!("--changed-since {revision}: {error}"))?;
    keep_changed(report, &setup.found.inputs, revision, &changes);
    Ok(())
}

/// Prints the report to standard output, or to standard error if standard output is for the fixed
/// standard input. If this fails, prints an error and returns false.
fn print_report(report: &Report, arguments: &LintArgs) -> bool {
    let text = report::render(report, arguments.format, style(arguments));
    if arguments.fix && arguments.input.paths.iter().any(|path| path == "-") {
        eprint(&text);
        return true;
    }
    let printed = print(&text);
    printed.inspect_err(|error| eprint(&format!("error: {error:#}\n"))).is_ok()
}

/// Returns the lowest severity to show in a format. Findings that cause exit code 1 are always
/// shown.
fn min_severity(arguments: &LintArgs, format: Format) -> Severity {
    let shown = arguments.min_severity.unwrap_or(format.default_min_severity());
    FailOn::severity(arguments.fail_on).map_or(shown, |failing| shown.min(failing))
}

fn style(arguments: &LintArgs) -> Style {
    Style {
        color: is_enabled(arguments.color, io::stdout().is_terminal()),
        min_severity: min_severity(arguments, arguments.format),
        show_suppressed: arguments.show_suppressed,
        quiet: arguments.quiet,
        statistics: arguments.statistics,
    }
}

/// Prints the names of the inputs, and an error for each input that could not be read. Returns the
/// exit code.
fn show_files(setup: &RunSetup<'_>) -> anyhow::Result<u8> {
    let found = &setup.found;
    print(&found.inputs.iter().map(|input| format!("{}\n", printable(&input.name))).collect::<String>())?;
    for error in &found.errors {
        eprint(&format!("error: could not read {}: {}\n", printable(&error.name), error.kind));
    }
    Ok(if found.errors.is_empty() { EXIT_OK } else { EXIT_ERROR })
}

fn exit_code(report: &Report, arguments: &LintArgs) -> u8 {
    if !report.errors.is_empty() {
        return EXIT_ERROR;
    }
    if report.lacks_objects {
        eprint_no_objects();
        return EXIT_ERROR;
    }
    if arguments.as_admission {
        return if report.has_denials() { EXIT_FINDINGS } else { EXIT_OK };
    }
    let worst = report.findings.iter().map(|located| located.finding.severity).max();
    let fails = |min: Severity| worst.is_some_and(|worst| worst >= min);
    match FailOn::severity(arguments.fail_on) {
        Some(min) if fails(min) => EXIT_FINDINGS,
        _ => EXIT_OK,
    }
}

/// Prints the error that the input contains no objects.
pub(super) fn eprint_no_objects() {
    eprint(&format!("error: {}\n", report::NO_OBJECTS));
}

/// Checks whether to use colors. With `auto`, the environment variables `NO_COLOR`,
/// `FORCE_COLOR` and `CLICOLOR_FORCE` decide, in this order of precedence. If none of them is set,
/// returns true if the output is a terminal, except if `TERM` is `dumb`.
fn is_enabled(when: When, is_terminal: bool) -> bool {
    let is_nonempty = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_set = |name| is_nonempty(name) && env::var_os(name).is_some_and(|value| value != "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if is_nonempty("NO_COLOR") => false,
        When::Auto if is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE") => true,
        When::Auto => is_terminal && env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

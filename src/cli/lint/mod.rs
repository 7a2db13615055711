//! `volcheck lint`: checks manifests and reports the findings.

pub(super) mod output;
mod progress;
pub(super) mod setup;
mod verbose;

use std::env;
use std::io::{self, IsTerminal};

use super::args::{FailOn, LintArgs, When};
use super::policy::ConfigError;
use super::{EXIT_ERROR, EXIT_FINDINGS, EXIT_OK, baseline, eprint, print};
use crate::finding::Severity;
use crate::input::{Changes, Discovery, InputSource};
use crate::lint::{Report, keep_changed};
use crate::model::printable;
use crate::report::{self, Format, Style};
use setup::RunSetup;

pub(super) fn run(arguments: &LintArgs) -> anyhow::Result<u8> {
    output::check(&arguments.output)?;
    check(arguments).inspect_err(|error| {
        if let Some(ConfigError(report)) = error.downcast_ref().filter(|_| !arguments.show_files) {
            // `cli::run` also prints these problems to standard error, as text.
            if arguments.format != Format::Text {
                print_report(report, arguments);
            }
            output::write(report, arguments, style(arguments));
        }
    })
}

fn check(arguments: &LintArgs) -> anyhow::Result<u8> {
    let mut timings = verbose::Timings::start();
    let setup = RunSetup::new(&arguments.input, &arguments.policy)?;
    if arguments.changed_since.is_some()
        && setup.found.inputs.iter().any(|input| input.source == InputSource::Stdin)
    {
        anyhow::bail!("--changed-since does not apply to standard input, which is not in a Git repository");
    }
    timings.end("loading policy and discovering files");
    if arguments.verbose > 0 {
        eprint(&verbose::policy(&setup.policy));
    }
    if arguments.show_files {
        return show_files(&setup.found);
    }
    let with_ignores = !arguments.no_ignores;
    let options = setup.options(with_ignores);
    let (mut run, baseline) = rayon::join(
        || setup.run(&options),
        || with_ignores.then(|| baseline::load(arguments.baseline.as_deref(), &setup.policy)).transpose(),
    );
    if let Some((path, baseline)) = baseline?.flatten() {
        run.apply_baseline(&path, baseline, &setup.coverage(&path)?, &options);
    }
    timings.end("checking files");
    if arguments.verbose > 0 {
        let per_input = arguments.verbose > 1;
        eprint(&verbose::inputs(&setup.found.inputs, &run.counts, &run.report.counts, per_input));
    }
    let mut report = run.report;
    report.lacks_objects = report.has_no_objects() && report.errors.is_empty() && !arguments.allow_empty;
    if let Some(revision) = &arguments.changed_since {
        let changes = Changes::since(revision, &env::current_dir()?)
            .map_err(|error| anyhow::anyhow!("--changed-since {revision}: {error}"))?;
        keep_changed(&mut report, &setup.found.inputs, revision, &changes);
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
    Ok(if is_printed && is_written { code } else { EXIT_ERROR })
}

/// Prints the report to standard output. If this fails, prints an error and returns false.
fn print_report(report: &Report, arguments: &LintArgs) -> bool {
    let printed = print(&report::render(report, arguments.format, style(arguments)));
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
fn show_files(found: &Discovery) -> anyhow::Result<u8> {
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

//! `--output FORMAT=FILE`: writes reports to files.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;

use super::min_severity;
use crate::cli::args::LintArgs;
use crate::cli::eprint;
use crate::fix::{resolved, write_atomically};
use crate::lint::Report;
use crate::report::{self, Format, Style};

/// A report to write to a file.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Output {
    format: Format,
    file: PathBuf,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((format, file)) if !file.is_empty() => {
                let format: Format = format.parse()?;
                if file == "-" {
                    return Err(format!(
                        "`-` is not a file; use `--format {}` to print to standard output",
                        format.name()
                    ));
                }
                Ok(Self { format, file: PathBuf::from(file) })
            }
            _ => Err("expected FORMAT=FILE, such as `sarif=volcheck.sarif`".to_owned()),
        }
    }
}

/// Returns an error if several outputs have the same file, because each would overwrite the
/// previous output. Also returns an error if a format cannot contain the verdicts that
/// `--as-admission` reports.
pub(super) fn check(arguments: &LintArgs) -> anyhow::Result<()> {
    let outputs = &arguments.output;
    let formats = outputs.iter().map(|output| output.format).chain([arguments.format]);
    if let Some(format) =
        formats.filter(|format| !format.includes_verdicts()).find(|_| arguments.as_admission)
    {
        bail!("--as-admission does not support the format `{}`, which has no verdicts", format.name());
    }
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|other| resolved(&other.file) == resolved(&output.file)) {
            bail!("more than one --output writes to `{}`", output.file.display());
        }
    }
    Ok(())
}

/// Writes the reports. Prints an error for each file that cannot be written, and returns whether
/// all were written.
pub(super) fn write(report: &Report, arguments: &LintArgs, style: Style) -> bool {
    let mut is_written = true;
    for Output { format, file } in &arguments.output {
        let min_severity = min_severity(arguments, *format);
        let style = Style { color: false, min_severity, ..style };
        let text = report::render(report, *format, style);
        // Replacing the file would disconnect a redirected standard output from its file.
        let written = if is_stream(file) { append(file, &text) } else { write_atomically(file, &text) };
        if let Err(error) = written {
            eprint(&format!("error: cannot write {}: {error}\n", file.display()));
            is_written = false;
        }
    }
    is_written
}

/// Checks whether a path names an open file of the process, such as `/dev/stdout`.
fn is_stream(file: &Path) -> bool {
    let names = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    cfg!(unix) && names.iter().any(|name| file.starts_with(name))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    File::options().append(true).open(file)?.write_all(text.as_bytes())
}

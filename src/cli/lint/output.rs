//! `--output FORMAT=FILE`: writes reports to files.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;

use crate::cli::eprint;
use crate::cli::file::{resolved, write_atomically};
use crate::finding::Severity;
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
                Ok(Self { format: format.parse()?, file: PathBuf::from(file) })
            }
            _ => Err("expected FORMAT=FILE, such as `sarif=volcheck.sarif`".to_owned()),
        }
    }
}

/// Returns an error if several outputs have the same file, because each would overwrite the
/// previous output.
pub(super) fn check(outputs: &[Output]) -> anyhow::Result<()> {
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|other| resolved(&other.file) == resolved(&output.file)) {
            bail!("more than one --output writes to `{}`", output.file.display());
        }
    }
    Ok(())
}

/// Writes the reports. Prints an error for each file that cannot be written, and returns whether
/// all were written.
pub(super) fn write(
    outputs: &[Output],
    report: &Report,
    min_severity: Option<Severity>,
    style: Style,
) -> bool {
    let mut is_written = true;
    for Output { format, file } in outputs {
        let min_severity = min_severity.unwrap_or(format.default_min_severity());
        let style = Style { color: false, links: false, min_severity, ..style };
        if let Err(error) = write_atomically(file, &report::render(report, *format, style)) {
            eprint(&format!("error: cannot write {}: {error}\n", file.display()));
            is_written = false;
        }
    }
    is_written
}

//! `--output FORMAT=FILE`: reports in files.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;

use crate::cli::complain;
use crate::cli::file::{place, put};
use crate::finding::Severity;
use crate::report::{self, Format, Report, Style};

/// A report that goes to a file.
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
            _ => Err("it is FORMAT=FILE, for instance `sarif=volcheck.sarif`".to_owned()),
        }
    }
}

/// Refuses two outputs to one file, of which only the last would be left.
pub(super) fn check(outputs: &[Output]) -> anyhow::Result<()> {
    for (index, output) in outputs.iter().enumerate() {
        if outputs[..index].iter().any(|other| place(&other.file) == place(&output.file)) {
            bail!("two outputs go to the file {}", output.file.display());
        }
    }
    Ok(())
}

/// Writes the reports; says which files can't be written, and whether there were none.
pub(super) fn write(
    outputs: &[Output],
    report: &Report,
    min_severity: Option<Severity>,
    style: Style,
) -> bool {
    let mut is_whole = true;
    for Output { format, file } in outputs {
        let min_severity = min_severity.unwrap_or(format.default_min_severity());
        let style = Style { color: false, links: false, min_severity, ..style };
        if let Err(error) = put(file, &report::render(report, *format, style)) {
            complain(&format!("error: can't write {}: {error}\n", file.display()));
            is_whole = false;
        }
    }
    is_whole
}

//! `--output FORMAT=FILE`: reports in files, each whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::str::FromStr;

use anyhow::bail;

use crate::cli::complain;
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

/// Where a file is or will be, links followed.
fn place(file: &Path) -> PathBuf {
    let folder = || Some(folder_of(file).canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(folder).unwrap_or_else(|| file.to_owned())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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

/// Writes a file beside its place and moves it there; into what is no file, such as a pipe, at once.
fn put(file: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(file).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return File::options().write(true).open(file)?.write_all(text.as_bytes());
    }
    let place = place(file);
    let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.{}", process::id()));
    let mut written = File::create_new(&beside)?;
    // Its rights first: what only some may read, nobody else reads in between.
    let moved = old
        .map_or(Ok(()), |old| written.set_permissions(old.permissions()))
        .and_then(|()| written.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, &place));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}

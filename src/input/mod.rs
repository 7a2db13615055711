//! Finds and reads manifests: files, directories, globs, standard input, and the output of helm,
//! kustomize and kubectl.
//!
//! This module returns bytes; `source` decodes them.

mod chart;
mod discover;
mod error;
mod exclude;
mod git;
mod process;
mod render;
mod roots;
mod walk;

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::source::MAX_FILE_BYTES;

pub use chart::{chart_template, is_template_path, read_chart_file};
pub use discover::{Discovery, DiscoveryOptions, discover};
pub use error::{InputError, InputErrorKind};
pub use exclude::{Excludes, normalized, real_path};
pub use git::Changes;
pub use render::{ChartSource, RenderSource, Rendering, is_kustomization, kustomization_in, references};
pub use roots::{Roots, charts_matching, is_part_of_chart, values_files};
pub use walk::Directory;

/// The maximum number of bytes to read. It is one more than [`MAX_FILE_BYTES`], so that `source`
/// can detect and reject larger files.
const MAX_BYTES: u64 = MAX_FILE_BYTES as u64 + 1;

/// The path of an imaginary template in a chart.
const ANY_TEMPLATE: &str = "templates/*.yaml";

/// The default name of standard input.
pub const STDIN: &str = "<stdin>";

/// The source of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSource {
    /// A regular file.
    File(PathBuf),
    /// A path that is not known to be a regular file, such as a named pipe or a missing file. On
    /// Unix, reading a socket or a device is an error.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// The output of helm, kustomize or kubectl.
    Rendered(Rendering),
    /// Content in memory: either already read from the source `of`, or edited and not yet written
    /// to it.
    Memory { of: Box<Self>, bytes: Vec<u8> },
}

impl InputSource {
    /// Returns the source that content in memory belongs to, or `self` for any other source.
    pub fn origin(&self) -> &Self {
        match self {
            Self::Memory { of, .. } => of,
            other => other,
        }
    }
}

/// An input to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The name for display.
    pub name: String,
    pub source: InputSource,
}

impl Input {
    /// Checks whether the input is a regular file, which can be read more than once.
    pub fn is_file(&self) -> bool {
        matches!(self.source, InputSource::File(_))
    }

    /// Returns the exclude patterns for the source files of rendered input, or `None` if there are
    /// none. Omits patterns that exclude all templates of the chart, such as `templates/**`, or the
    /// whole chart or kustomization: they apply only to unrendered files.
    pub fn excludes(&self, excludes: Option<&Excludes>) -> Option<Excludes> {
        let any_file = match self.source.origin() {
            InputSource::Rendered(rendering) => rendering.any_file(),
            // Standard input may be the output of Helm.
            InputSource::Stdin => PathBuf::from(&self.name).join(ANY_TEMPLATE),
            InputSource::File(_) | InputSource::Path(_) | InputSource::Memory { .. } => return None,
        };
        Some(excludes?.without(&any_file)).filter(|own| !own.is_empty())
    }

    /// Replaces the content of the input.
    pub fn set_content(&mut self, bytes: Vec<u8>) {
        self.source = InputSource::Memory { of: Box::new(self.source.origin().clone()), bytes };
    }

    /// Reads the input, up to one byte more than [`MAX_FILE_BYTES`]. Returns an error if the input
    /// is a socket or a device, or if it cannot be read or rendered.
    pub fn read(&self) -> Result<Vec<u8>, InputError> {
        self.read_bytes().map_err(|kind| InputError { name: self.name.clone(), kind })
    }

    fn read_bytes(&self) -> Result<Vec<u8>, InputErrorKind> {
        match &self.source {
            InputSource::Memory { bytes, .. } => Ok(bytes.clone()),
            InputSource::Rendered(rendering) => rendering.render(MAX_BYTES),
            InputSource::Stdin => Ok(read_to_end(io::stdin().lock(), MAX_BYTES)?),
            InputSource::File(path) => {
                let file = fs::File::open(path)?;
                // Stopping at this length saves a system call per file. Text that is appended later
                // is not read. Some files on virtual filesystems have the length 0.
                let length = file.metadata()?.len();
                Ok(read_to_end(file, if length == 0 { MAX_BYTES } else { length.min(MAX_BYTES) })?)
            }
            InputSource::Path(path) => {
                // Opening a device may have side effects or block.
                match unreadable(fs::metadata(path)?.file_type()) {
                    Some(kind) => Err(kind),
                    None => Ok(read_to_end(fs::File::open(path)?, MAX_BYTES)?),
                }
            }
        }
    }
}

/// Reads at most `limit` bytes. A limit below [`MAX_BYTES`] is the expected number of bytes.
fn read_to_end(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(if limit < MAX_BYTES { limit as usize } else { 0 });
    reader.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns an error if a file of this type is a socket or a device, and `None` otherwise.
#[cfg(unix)]
fn unreadable(file_type: fs::FileType) -> Option<InputErrorKind> {
    use std::os::unix::fs::FileTypeExt;
    if file_type.is_socket() {
        return Some(InputErrorKind::Socket);
    }
    (file_type.is_char_device() || file_type.is_block_device()).then_some(InputErrorKind::Device)
}

#[cfg(not(unix))]
fn unreadable(_: fs::FileType) -> Option<InputErrorKind> {
    None
}

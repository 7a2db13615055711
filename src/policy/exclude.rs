//! Patterns of paths to exclude, with the syntax of `.gitignore` files.

use std::path::{Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;

/// A pattern of paths to exclude or, with a leading `!`, to include again.
#[derive(Clone, Debug)]
pub struct ExcludePattern {
    /// The directory that the pattern is relative to.
    pub directory: PathBuf,
    /// The pattern as written.
    pub text: String,
    /// The origin of the pattern: a file and line, or a flag.
    pub origin: String,
}

impl ExcludePattern {
    /// Creates a pattern that is relative to `directory`. Returns a message if its syntax is
    /// invalid.
    pub fn new(directory: &Path, text: &str, origin: String) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("empty pattern".to_owned());
        }
        let mut builder = GitignoreBuilder::new(".");
        match builder.allow_unclosed_class(false).add_line(None, text) {
            Ok(_) => {}
            Err(ignore::Error::Glob { err, .. }) => return Err(err),
            Err(other) => return Err(other.to_string()),
        }
        Ok(Self { directory: directory.to_owned(), text: text.to_owned(), origin })
    }
}

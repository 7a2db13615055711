//! Excludes the paths that the policy excludes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::input::{self, Discovery, InputSource, real_path};
use crate::policy::Policy;

/// The paths that the policy excludes.
pub struct Excludes {
    /// Globs, each with the directory that they are relative to.
    globs: Vec<(PathBuf, GlobSet)>,
    /// The resolved path of each directory. Resolving each one only once saves time, because there
    /// are far fewer directories than files.
    directories: RefCell<HashMap<PathBuf, Option<PathBuf>>>,
}

impl Excludes {
    /// Returns the paths that `policy` excludes. Globs are relative to the directory of the policy
    /// document that contains them. Returns an error if a glob is invalid.
    pub fn new(policy: &Policy) -> anyhow::Result<Self> {
        let mut globs: Vec<(PathBuf, GlobSet)> = Vec::new();
        for (directory, glob) in &policy.exclude {
            globs.extend(real_path(directory).zip(Some(input::glob_set([glob.as_str()])?)));
        }
        Ok(Self { globs, directories: RefCell::default() })
    }

    /// Checks whether the path `name` is excluded.
    pub fn is_excluded(&self, name: &str) -> bool {
        if self.globs.is_empty() {
            return false;
        }
        let path = Path::new(name);
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else { return false };
        let mut directories = self.directories.borrow_mut();
        let real = directories.entry(parent.to_owned()).or_insert_with(|| real_path(parent));
        let Some(path) = real.as_ref().map(|directory| directory.join(file)) else { return false };
        let matches = |(directory, glob): &(PathBuf, GlobSet)| {
            path.strip_prefix(directory).is_ok_and(|path| glob.is_match(path))
        };
        self.globs.iter().any(matches)
    }

    /// Removes the excluded files, and the errors about them.
    pub fn remove_from(&self, found: &mut Discovery) {
        if self.globs.is_empty() {
            return;
        }
        found.inputs.retain(|input| input.source == InputSource::Stdin || !self.is_excluded(&input.name));
        found.errors.retain(|error| !self.is_excluded(&error.name));
        found.charts.retain(|file| !self.is_excluded(&file.to_string_lossy()));
    }
}

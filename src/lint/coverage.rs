//! The coverage of a run: the entries of a baseline that a run may change.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use super::{LocatedFinding, Report};
use crate::input::{Discovery, Excludes, InputSource, normalized};
use crate::policy::{Date, Policy};
use crate::suppress::{Baseline, Covered, Entry};

/// The inputs that a run checks, with paths relative to the directory of the baseline.
#[derive(Debug)]
pub struct Coverage {
    /// The directory of the baseline.
    directory: PathBuf,
    /// The path of the working directory, relative to the directory of the baseline.
    prefix: PathBuf,
    files: HashSet<String>,
    directories: Vec<String>,
    /// The absolute paths without symbolic links of the files whose names contain symbolic links.
    links: HashMap<String, PathBuf>,
    /// The charts and kustomizations, each with the excludes that apply to its files.
    renderings: Vec<(String, Option<Excludes>)>,
    /// Whether the charts and kustomizations in `directories` are rendered.
    renders_directories: bool,
    /// The rules that flags select; `None` if no flag selects rules.
    rules: Option<HashSet<&'static str>>,
}

impl Coverage {
    /// Returns the coverage of a run. `directory` is that of the baseline. `working_directory` and
    /// `directory` must be absolute and contain no symbolic links. If flags select rules,
    /// `selecting` is the policy with these rules, and the current date.
    pub fn new(
        working_directory: &Path,
        directory: &Path,
        found: &Discovery,
        excludes: Option<&Excludes>,
        selecting: Option<(&Policy, Date)>,
    ) -> Self {
        let rules = |(policy, today): (&Policy, _)| {
            policy.enabled_rules(today).map(|(rule, _)| rule.id.as_str()).collect()
        };
        let mut coverage = Self {
            directory: directory.to_owned(),
            prefix: relative(working_directory, directory),
            files: HashSet::new(),
            directories: Vec::new(),
            links: found.links.clone(),
            renderings: Vec::new(),
            renders_directories: found.renders_searched,
            rules: selecting.map(rules),
        };
        for input in &found.inputs {
            let path = coverage.path(&input.name);
            match input.source.origin() {
                InputSource::Rendered(_) => coverage.renderings.push((path, input.excludes(excludes))),
                _ => {
                    coverage.files.insert(path);
                }
            }
        }
        let searched = found.searched.iter().map(|directory| directory.real.to_string_lossy());
        coverage.directories = searched.map(|directory| coverage.path(&directory)).collect();
        coverage
    }

    /// Converts a path in a report to the path in a baseline.
    pub fn path(&self, path: &str) -> String {
        if path.starts_with('<') {
            return path.to_owned();
        }
        let real = self.links.get(path).map_or(Path::new(path), PathBuf::as_path);
        let path = match real.is_absolute() {
            true => relative(real, &self.directory),
            false => self.prefix.join(real),
        };
        normalized(&path).iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
    }

    /// Returns a baseline with the findings of a report.
    pub fn findings(&self, report: &Report) -> Baseline {
        let findings = report.findings.iter();
        Baseline::from_findings(findings.map(|LocatedFinding { finding, location, .. }| {
            (finding, self.path(&location.path), location.is_rendered)
        }))
    }

    /// Returns whether the run covers an entry.
    pub fn of(&self, entry: &Entry) -> Covered {
        if self.rules.as_ref().is_some_and(|rules| !rules.contains(entry.rule.as_str())) {
            return Covered::No;
        }
        let is_in = |outer: &String| outer.is_empty() || Path::new(&entry.file).starts_with(outer);
        if entry.rendered {
            let path = self.directory.join(&entry.file);
            let is_covered = |(outer, excludes): &(String, Option<Excludes>)| {
                is_in(outer) && !excludes.as_ref().is_some_and(|excludes| excludes.is_excluded(&path, false))
            };
            let was_rendered =
                self.renders_directories && self.directories.iter().any(is_in) && !path.exists();
            let is_covered = was_rendered || self.renderings.iter().any(is_covered);
            return if is_covered { Covered::Yes } else { Covered::No };
        }
        if self.files.contains(&entry.file) {
            return Covered::Yes;
        }
        match self.directory.join(&entry.file).exists() {
            true => Covered::No,
            false if self.directories.iter().any(is_in) => Covered::Yes,
            false => Covered::Missing,
        }
    }
}

/// Returns the path of `path` relative to `directory`. Both must be absolute.
pub(super) fn relative(path: &Path, directory: &Path) -> PathBuf {
    let (path, directory) = (normalized(path), normalized(directory));
    let common = path.components().zip(directory.components()).take_while(|(a, b)| a == b).count();
    let up = directory.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_baseline() {
        for (working_directory, directory, path, expected) in [
            ("/repo", "/repo", "./a/b.yaml", "a/b.yaml"),
            ("/repo", "/repo", ".", ""),
            ("/repo/a", "/repo", "b.yaml", "a/b.yaml"),
            ("/repo/a", "/repo", "../c/d.yaml", "c/d.yaml"),
            ("/repo", "/repo/conf", "a.yaml", "../a.yaml"),
            ("/repo", "/repo", "/repo/a.yaml", "a.yaml"),
            ("/repo", "/repo", "/other/a.yaml", "../other/a.yaml"),
            ("/repo", "/repo", "<stdin>", "<stdin>"),
        ] {
            let found = Discovery::default();
            let coverage =
                Coverage::new(Path::new(working_directory), Path::new(directory), &found, None, None);
            assert_eq!(coverage.path(path), expected, "{path} in {working_directory}");
        }
    }
}

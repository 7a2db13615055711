//! The fixes of a run.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::counts::{Counts, identity};
use super::{FileEdit, FileFixes, Refusal, Selection, Task, fix_file};
use crate::input::{Input, InputSource};
use crate::lint::{LocatedFinding, Manifest, Options, Report, Role, check};
use crate::model::printable;
use crate::source::edit::EditError;

/// The parameters of a plan: the inputs of the run and their roles, the options, and the fixes.
#[derive(Debug)]
pub struct Request<'r> {
    pub inputs: &'r [Input],
    pub roles: &'r [Role],
    pub options: Options<'r>,
    pub selection: &'r Selection,
}

/// The fixes of a run.
#[derive(Debug, Default)]
pub struct Plan {
    /// The files with fixes, in order.
    pub files: Vec<FixedFile>,
    /// The findings whose fixes are not applied, each with the reason.
    pub refused: Vec<(LocatedFinding, Refusal)>,
}

/// A file with fixes.
#[derive(Debug)]
pub struct FixedFile {
    pub edit: FileEdit,
    /// The findings that the edit resolves.
    pub fixed: Vec<LocatedFinding>,
}

/// The maximum number of findings in the summary whose fixes are not applied.
const MAX_NAMED: usize = 20;

impl Plan {
    /// Plans the fixes of the findings in `shown` that the request selects. `report` contains all
    /// findings.
    pub fn new(report: &Report, shown: &[LocatedFinding], request: &Request<'_>) -> Self {
        let mut plan = Self::default();
        let mut wanted: BTreeMap<&str, Vec<LocatedFinding>> = BTreeMap::new();
        for located in shown.iter().filter(|located| request.selection.includes_rule(&located.finding)) {
            match &located.text_edits {
                Some(Err(error @ EditError::Rendered)) if request.selection.includes(&located.finding) => {
                    plan.refused.push((located.clone(), Refusal::Edit(*error)));
                }
                _ if located.location.is_rendered => {}
                _ => wanted.entry(&located.location.path).or_default().push(located.clone()),
            }
        }
        wanted.retain(|_, found| found.iter().any(|located| request.selection.includes(&located.finding)));
        let known = by_path(report);
        let mut unchecked: HashMap<&str, usize> = HashMap::new();
        for located in &report.errors {
            *unchecked.entry(&located.location.path).or_default() += 1;
        }
        let inputs: HashMap<&str, (&Input, &Role)> =
            request.inputs.iter().zip(request.roles).map(|(own, role)| (&*own.name, (own, role))).collect();
        let results: Vec<_> = wanted
            .into_par_iter()
            .map(|(name, wanted)| {
                let known = known.get(name).map(Vec::as_slice).unwrap_or_default();
                let unchecked = unchecked.get(name).copied().unwrap_or_default();
                request.fix(inputs.get(name).copied(), wanted, known, unchecked)
            })
            .collect();
        for (file, refused) in results {
            plan.files.extend(file);
            plan.refused.extend(refused);
        }
        plan.refused.sort_by(|(a, _), (b, _)| a.order(b));
        plan
    }

    /// Returns the new contents of the files.
    pub fn edits(&self) -> impl Iterator<Item = &FileEdit> {
        self.files.iter().map(|file| &file.edit)
    }

    /// Removes the files in which a fixed finding is still reported. `before` and `after` are the
    /// reports without and with the fixes. Returns true if a file was removed.
    pub fn remove_ineffective(&mut self, before: &Report, after: &Report) -> bool {
        let (before, after) = (by_path(before), by_path(after));
        let of = |found: &HashMap<&str, Vec<&LocatedFinding>>, name: &str| {
            Counts::new(found.get(name).into_iter().flatten().copied())
        };
        let is_ineffective = |file: &FixedFile| {
            let (before, after) = (of(&before, &file.edit.name), of(&after, &file.edit.name));
            let fixed = Counts::new(&file.fixed);
            file.fixed.iter().map(identity).any(|own| after.of(&own) + fixed.of(&own) > before.of(&own))
        };
        let (ineffective, effective): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.files).into_iter().partition(is_ineffective);
        self.files = effective;
        let is_removed = !ineffective.is_empty();
        ineffective.into_iter().for_each(|file| self.refuse(file, &Refusal::Ineffective));
        is_removed
    }

    /// Writes the files. Removes those that cannot be written, and returns an error message for
    /// each of them.
    pub fn write(&mut self) -> Vec<String> {
        let mut errors = Vec::new();
        for file in std::mem::take(&mut self.files) {
            match file.edit.write() {
                Ok(()) => self.files.push(file),
                Err(reason) => {
                    errors.push(format!("{}: {reason}", printable(&file.edit.name)));
                    self.refuse(file, &Refusal::File(reason));
                }
            }
        }
        errors
    }

    fn refuse(&mut self, file: FixedFile, reason: &Refusal) {
        self.refused.extend(file.fixed.into_iter().map(|located| (located, reason.clone())));
        self.refused.sort_by(|(a, _), (b, _)| a.order(b));
    }

    /// Returns a sentence about the fixes, and the findings whose fixes are not applied.
    pub fn summary(&self, is_dry_run: bool) -> String {
        let fixed: usize = self.files.iter().map(|file| file.fixed.len()).sum();
        let counted =
            |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        let verb = if is_dry_run { "Would fix" } else { "Fixed" };
        let mut text = match self.files.len() {
            0 => "No findings to fix.\n".to_owned(),
            files => format!("{verb} {} in {}.\n", counted(fixed, "finding"), counted(files, "file")),
        };
        for (located, reason) in self.refused.iter().take(MAX_NAMED) {
            let (line, column) = located.line_and_column();
            let (path, finding) = (located.display_path(), &located.finding);
            let message = printable(&finding.message);
            text.push_str(&format!(
                "warning: {path}:{line}:{column}: {}: {message}\n  not fixed, because {reason}\n",
                finding.rule
            ));
        }
        let others = self.refused.len().saturating_sub(MAX_NAMED);
        if others > 0 {
            text.push_str(&format!("warning: {} not fixed\n", counted(others, "other finding")));
        }
        text
    }
}

/// Returns the findings of a report, including suppressed ones, by path.
fn by_path(report: &Report) -> HashMap<&str, Vec<&LocatedFinding>> {
    let mut found: HashMap<&str, Vec<&LocatedFinding>> = HashMap::new();
    for located in report.findings.iter().chain(&report.suppressed) {
        found.entry(&located.location.path).or_default().push(located);
    }
    found
}

impl Request<'_> {
    /// Fixes findings in an input. Returns the file, if there are fixes, and the findings that
    /// cannot be fixed.
    fn fix(
        &self,
        input: Option<(&Input, &Role)>,
        wanted: Vec<LocatedFinding>,
        known: &[&LocatedFinding],
        unchecked: usize,
    ) -> (Option<FixedFile>, Vec<(LocatedFinding, Refusal)>) {
        let refuse = |findings: Vec<LocatedFinding>, reason: &str| {
            let reason = Refusal::File(reason.to_owned());
            (None, findings.into_iter().map(|located| (located, reason.clone())).collect())
        };
        let file = wanted.first().and_then(|located| located.location.file.clone());
        let (Some((input, role)), Some(file)) = (input, file) else {
            return refuse(wanted, "its text is not available");
        };
        let path = match input.source.origin() {
            InputSource::File(path) => Some(path.clone()),
            InputSource::Stdin => None,
            _ => return refuse(wanted, "its input is not a file"),
        };
        let check = |file: &std::sync::Arc<crate::source::File>| {
            let bytes = file.text().as_bytes().to_vec();
            check(Manifest { name: &file.path, bytes, role: role.clone() }, &self.options)
        };
        let task = Task { file: &file, known, unchecked, selection: self.selection, check: &check };
        let FileFixes { file: after, fixed, refused } = fix_file(&task, wanted);
        let before = Some(file.text().to_owned());
        let edit = FileEdit { path, name: input.name.clone(), before, after: after.text().to_owned() };
        if fixed.is_empty() {
            return (None, refused);
        }
        match edit.check() {
            Ok(()) => (Some(FixedFile { edit, fixed }), refused),
            Err(reason) => {
                let (_, mut others) = refuse(fixed, &reason);
                others.extend(refused);
                (None, others)
            }
        }
    }
}

//! Removes findings that a rendering repeats.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::{LocatedFinding, Outcome};
use crate::input::{Input, InputSource, RenderSource, Rendering, real_path, references};

/// Removes repeated findings from the outcomes of the inputs:
///
/// - those about a chart that another rendering of the chart also has, for example with other
///   values
/// - those about a kustomization that a file of the kustomization also has, even if the finding
///   there is suppressed. The object in the file may have a shorter name, and no namespace
pub(super) fn remove(inputs: &[Input], outcomes: &mut [Outcome]) {
    let renderings: Vec<(usize, &RenderSource)> = inputs
        .iter()
        .enumerate()
        .filter_map(|(index, input)| match input.source.origin() {
            InputSource::Rendered(Rendering { source, .. }) => Some((index, source)),
            _ => None,
        })
        .collect();
    let mut seen: HashSet<String> = HashSet::new();
    let mut by_file: Option<BTreeMap<PathBuf, Vec<FileFinding>>> = None;
    for (index, source) in renderings {
        match source {
            RenderSource::Chart(_) => {
                let findings = &mut outcomes[index].findings;
                findings.retain(|located| !seen.contains(&chart_identity(located)));
                seen.extend(findings.iter().map(chart_identity));
            }
            RenderSource::Kustomization(_) if outcomes[index].findings.is_empty() => {}
            RenderSource::Kustomization(directory) => {
                let by_file = by_file.get_or_insert_with(|| findings_of_files(outcomes));
                let used = references(Path::new(directory));
                let known: Vec<_> = used.iter().filter_map(|path| by_file.get(path)).flatten().collect();
                let is_repeated =
                    |located: &LocatedFinding| known.iter().any(|file| file.is_repeated_by(located));
                outcomes[index].findings.retain(|located| !is_repeated(located));
            }
        }
    }
}

/// A finding in a file.
struct FileFinding {
    identity: String,
    object: String,
}

impl FileFinding {
    /// Checks whether a finding about rendered text is the same as the one in the file. Kustomize
    /// can add a prefix and a suffix to the name of the object.
    fn is_repeated_by(&self, located: &LocatedFinding) -> bool {
        let object = located.finding.object.as_deref();
        object.is_some_and(|own| own.name.contains(&self.object)) && self.identity == identity(located)
    }
}

/// Returns the findings about objects in files, by the canonical path of the file.
fn findings_of_files(outcomes: &[Outcome]) -> BTreeMap<PathBuf, Vec<FileFinding>> {
    let mut by_file: BTreeMap<PathBuf, Vec<FileFinding>> = BTreeMap::new();
    let all = outcomes.iter().flat_map(|outcome| outcome.findings.iter().chain(&outcome.suppressed));
    for located in all.filter(|located| !located.location.is_rendered) {
        let Some(object) = &located.finding.object else { continue };
        let Some(path) = real_path(Path::new(&*located.location.path)) else { continue };
        let finding = FileFinding { identity: identity(located), object: object.name.clone() };
        by_file.entry(path).or_default().push(finding);
    }
    by_file
}

/// Returns the identity of a finding without the name and the namespace of the object.
fn identity(located: &LocatedFinding) -> String {
    let finding = &located.finding;
    let object = finding.object.as_deref().map(|id| format!("{}/{}", id.group, id.kind));
    format!("{} {} {}", finding.rule, object.unwrap_or_default(), finding.fingerprint)
}

/// Returns the identity of a finding in all renderings of a chart.
fn chart_identity(located: &LocatedFinding) -> String {
    let LocatedFinding { finding, location, .. } = located;
    let object = finding.object.as_deref().map(ToString::to_string).unwrap_or_default();
    format!("{} {object} {} {}", location.path, identity(located), finding.message)
}

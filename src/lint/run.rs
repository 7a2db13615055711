//! Runs: checks of many inputs in parallel. The report does not depend on the number of threads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::as_admission;
use super::bindings::Bindings;
use super::check::{check_file, decode};
use super::checker::{unchecked_finding, unchecked_input};
use super::claim_facts::BindingFacts;
use super::coverage::relative;
use super::{
    Counts, Coverage, LocatedFinding, Location, Options, Outcome, Report, Role, UncheckedInput, VolumeRow,
    duplicates, inventory, kustomize,
};
use crate::engine::judge;
use crate::finding::{SuppressedBy, Suppression};
use crate::input::{
    self, ChartSource, Discovery, Excludes, Input, InputError, InputErrorKind, InputSource, RenderSource,
    Rendering, normalized, real_path,
};
use crate::policy::{ExcludePattern, Exemption, ExemptionId, Policy};
use crate::rules::{ExemptionFacts, OtherTemplates, Subject, Unchecked};
use crate::source::File;
use crate::suppress::Baseline;

/// The options of a run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'p> {
    pub lint: Options<'p>,
    /// Whether the run covers all manifests that the policy applies to. If so, unused exemptions
    /// and stale entries of the baseline are reported.
    pub is_complete: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    /// The report. [`Run::apply_baseline`] applies the baseline to it.
    pub report: Report,
    /// The counts of each input.
    pub counts: Vec<Counts>,
    /// The role of each input.
    pub roles: Vec<Role>,
    /// Exemptions that matched a finding.
    pub used_exemptions: BTreeSet<ExemptionId>,
    /// The volumes in order, if the options ask for them.
    pub volumes: Vec<VolumeRow>,
    /// The paths of files with unrendered templates, such as templates of charts.
    pub raw_templates: Vec<String>,
}

/// Checks the inputs. Calls `on_done` after the first check of each input, from any thread.
pub fn run(found: &Discovery, options: &RunOptions<'_>, on_done: &(dyn Fn() + Sync)) -> Run {
    let lint = &options.lint;
    let patches = patches(found);
    let roles: Vec<Role> = found.inputs.iter().map(|input| role(input, &patches)).collect();
    let excludes: Vec<_> = found.inputs.iter().map(|input| input.excludes(lint.excludes)).collect();
    let check = |index: usize, file: &Arc<File>, bindings: Option<&Bindings>| {
        let options = Options { excludes: excludes[index].as_ref(), ..*lint };
        check_file(file, &roles[index], &options, bindings)
    };
    let first_check = |(index, input): (usize, &Input)| {
        let checked = check_input(input, None, lint, |file| check(index, file, None));
        on_done();
        checked
    };
    let checked: Vec<Checked> = found.inputs.par_iter().enumerate().map(first_check).collect();
    let mut outcomes = apply_bindings(&found.inputs, checked, lint, check);
    duplicates::remove(&found.inputs, &mut outcomes);
    let rendered = Rendered::new(&found.inputs, &outcomes);
    for (input, outcome) in found.inputs.iter().zip(&mut outcomes) {
        let counts = &mut outcome.counts;
        if counts.kustomizations > 0 && rendered.includes_kustomization(Path::new(&input.name)) {
            counts.kustomizations = 0;
        }
    }
    let counts = outcomes.iter().map(|outcome| outcome.counts.clone()).collect();
    let unreadable = found.errors.iter().map(|error| unreadable(error, lint)).collect();
    let mut whole = Outcome { unchecked: unreadable, ..Outcome::default() };
    outcomes.into_iter().for_each(|outcome| whole.merge(outcome));
    whole.counts.files = whole.files.len();
    whole.counts.charts = found.charts.iter().filter(|chart| !rendered.includes_chart(chart)).count();
    let raw = whole.unchecked.iter().filter(|unchecked| unchecked.is_raw_template);
    let raw_templates = raw.map(|unchecked| unchecked.located.location.path.to_string()).collect();
    let mut report = Report {
        counts: whole.counts,
        findings: whole.findings,
        errors: merge_raw_templates(whole.unchecked, lint),
        suppressed: whole.suppressed,
        unknown_host_paths: whole.unknown_host_paths,
        has_rules: lint.policy.enabled_rules(lint.today).any(|(rule, _)| !rule.reports_unchecked_input()),
        ..Report::new(lint.policy.rules())
    };
    // The verdicts of the webhook do not depend on claims, so some exemptions match no finding.
    let used = (options.is_complete && !lint.as_admission).then_some(&whole.used_exemptions);
    report.findings.extend(check_exemptions(lint, used));
    if lint.as_admission {
        as_admission::review(&mut report, &whole.strict_namespaces, lint.policy);
    }
    report.sort();
    let mut volumes = whole.volumes;
    inventory::complete(&mut volumes, &report);
    Run { report, counts, roles, used_exemptions: whole.used_exemptions, volumes, raw_templates }
}

impl Run {
    /// Returns the directories of charts with unrendered templates.
    pub fn charts_with_raw_templates(&self) -> BTreeSet<PathBuf> {
        self.raw_templates.iter().filter_map(|path| chart_directory(path)).collect()
    }

    /// Suppresses the findings that the baseline in the file `path` contains. If the run is
    /// complete, reports the stale entries of the baseline that it covers.
    pub fn apply_baseline(
        &mut self,
        path: &Path,
        mut baseline: Baseline,
        coverage: &Coverage,
        options: &RunOptions<'_>,
    ) {
        let report = &mut self.report;
        for mut located in std::mem::take(&mut report.findings) {
            if baseline.take(&located.finding, &coverage.path(&located.location.path)) {
                located.suppressed = Some(Suppression { by: SuppressedBy::Baseline, reason: String::new() });
                report.suppressed.push(located);
            } else {
                report.findings.push(located);
            }
        }
        if options.is_complete {
            let new = report.findings.iter().map(|located| &located.finding);
            let facts = baseline.stale(|entry| coverage.of(entry), new, 3);
            let result = judge(Subject::Baseline(&facts), options.lint.policy, options.lint.today);
            let location = |finding| LocatedFinding::new(finding, Location::of_file(&path.to_string_lossy()));
            report.findings.extend(result.findings.into_iter().map(location));
        }
        report.sort();
    }
}

/// Checks whether the searched directories include the whole directory of the policy file. The
/// policy applies to this directory. Returns false if the policy is not in a file.
pub fn covers(found: &Discovery, policy: &Policy) -> bool {
    let Some(directory) = policy.directory().and_then(real_path) else { return false };
    found.searched.iter().any(|searched| directory.starts_with(&searched.real))
}

/// Returns the patterns that exclude nothing, although the run searched the directory in which they
/// can match.
pub fn unused_excludes<'e>(
    found: &Discovery,
    excludes: &'e Excludes,
) -> impl Iterator<Item = &'e ExcludePattern> {
    let rendered = found.inputs.iter().filter_map(|input| match input.source.origin() {
        InputSource::Rendered(rendering) => real_path(rendering.path()),
        _ => None,
    });
    let searched = found.searched.iter().map(|directory| directory.real.clone());
    excludes.unused(searched.chain(rendered).collect())
}

/// Returns the paths of the files that kustomizations use as patches. Reads the kustomizations in
/// the searched directories. For each input, also reads the kustomizations in the directory of the
/// input and in its parent. These kustomizations might not be inputs themselves, because tools such
/// as pre-commit pass only the files that have changed.
fn patches(found: &Discovery) -> HashSet<String> {
    let others = other_kustomizations(found);
    let kustomizations = found.kustomizations.par_iter().chain(&others);
    let patches_of = |input: &Input| input.read().map(|bytes| kustomize::patches(&input.name, bytes));
    let patches = kustomizations.flat_map_iter(|input| patches_of(input).unwrap_or_default());
    let name = |path: &Path| path.to_string_lossy().into_owned();
    if !found.has_links {
        return patches.map(|path| name(&normalized(&path))).collect();
    }
    let working_directory = real_path(Path::new("")).unwrap_or_default();
    let names: HashMap<&Path, &String> =
        found.links.iter().map(|(name, real)| (real.as_path(), name)).collect();
    let real_name = |real: PathBuf| match names.get(&*real) {
        Some(name) => (*name).clone(),
        None => name(&relative(&real, &working_directory)),
    };
    patches.map(|path| real_path(&path).map_or_else(|| name(&normalized(&path)), real_name)).collect()
}

/// Returns the kustomizations in the directories of the inputs and in the parents of these
/// directories. Omits directories that were searched.
fn other_kustomizations(found: &Discovery) -> Vec<Input> {
    let is_searched =
        |directory: &Path| found.searched.iter().any(|searched| directory.starts_with(&searched.path));
    let names = found.inputs.iter().filter(|input| has_file_name(input)).map(|input| Path::new(&input.name));
    let mut directories: Vec<&Path> = names.filter_map(Path::parent).collect();
    // The inputs are sorted, so inputs in the same directory are adjacent.
    directories.dedup_by(|a, b| a.as_os_str() == b.as_os_str());
    let with_parents: BTreeSet<&Path> =
        directories.iter().flat_map(|own| own.ancestors().take(2)).filter(|own| !is_searched(own)).collect();
    with_parents.into_iter().filter_map(input::kustomization_in).collect()
}

/// Checks whether the input is a file, or standard input with the name of a file.
fn has_file_name(input: &Input) -> bool {
    match input.source.origin() {
        // With `--stdin-filename`, standard input is the content of that file.
        InputSource::Stdin => input.name != input::STDIN,
        InputSource::Rendered(_) => false,
        _ => true,
    }
}

fn role(input: &Input, patches: &HashSet<String>) -> Role {
    let is_patch = || {
        patches.contains(&input.name)
            || (input.name.contains("./")
                && patches.contains(&*normalized(Path::new(&input.name)).to_string_lossy()))
    };
    if has_file_name(input) {
        return if is_patch() { Role::Patch } else { Role::File };
    }
    match input.source.origin() {
        InputSource::Rendered(Rendering { source: RenderSource::Chart(source), .. }) => {
            Role::Chart { directory: source.chart.clone(), values: source.values.clone() }
        }
        InputSource::Rendered(Rendering { source: RenderSource::Kustomization(_), .. }) => {
            Role::Kustomization
        }
        _ => Role::Stream,
    }
}

/// The outcome of an input.
struct Checked {
    outcome: Outcome,
    /// The text of the input; `None` if no second check can need it, or if the input can be read
    /// again.
    file: Option<Arc<File>>,
}

/// Checks an input a second time if a rule may report a claim that its Pods use. Returns the
/// outcome of the last check of each input.
fn apply_bindings(
    inputs: &[Input],
    mut checked: Vec<Checked>,
    options: &Options<'_>,
    check: impl Fn(usize, &Arc<File>, Option<&Bindings>) -> Outcome + Sync,
) -> Vec<Outcome> {
    let mut facts = BindingFacts::default();
    let mut uses = Vec::new();
    for Checked { outcome, .. } in &mut checked {
        let mut own = std::mem::take(&mut outcome.bindings);
        uses.push(std::mem::take(&mut own.uses));
        facts.merge(own);
    }
    if let Some(bindings) = Bindings::new(facts, &options.policy.options) {
        checked.par_iter_mut().enumerate().for_each(|(index, checked)| {
            let input = &inputs[index];
            if bindings.concern(&uses[index], &input.name) {
                let check = |file: &_| check(index, file, Some(&bindings));
                *checked = check_input(input, checked.file.take(), options, check);
            }
        });
    }
    checked.into_iter().map(|checked| checked.outcome).collect()
}

/// Reads and checks an input. `file` is its text if it was read before.
fn check_input(
    input: &Input,
    file: Option<Arc<File>>,
    options: &Options<'_>,
    check: impl Fn(&Arc<File>) -> Outcome,
) -> Checked {
    let read_and_check = || -> Result<Checked, InputError> {
        let file = match file {
            Some(file) => Ok(file),
            None => decode(&input.name, input.read()?, options),
        };
        let file = match file {
            Ok(file) => file,
            Err(outcome) => return Ok(Checked { outcome: *outcome, file: None }),
        };
        let outcome = check(&file);
        // A file can be read again. A pipe cannot, and rendering again takes time.
        let is_needed = !outcome.bindings.uses.is_empty() && !input.is_file();
        Ok(Checked { outcome, file: is_needed.then_some(file) })
    };
    // Catch panics, so that the remaining inputs are still checked.
    let unchecked = match panic::catch_unwind(AssertUnwindSafe(read_and_check)) {
        Ok(Ok(checked)) => return checked,
        Ok(Err(error)) => unreadable(&error, options),
        Err(_) => {
            let error = InputError { name: input.name.clone(), kind: InputErrorKind::Internal };
            unreadable(&error, options)
        }
    };
    Checked { outcome: Outcome { unchecked: vec![unchecked], ..Outcome::default() }, file: None }
}

/// The charts and kustomizations that a run rendered.
struct Rendered {
    charts: Vec<PathBuf>,
    kustomizations: BTreeSet<PathBuf>,
}

impl Rendered {
    /// Returns the renderings among the inputs, except those that failed.
    fn new(inputs: &[Input], outcomes: &[Outcome]) -> Self {
        let mut rendered = Self { charts: Vec::new(), kustomizations: BTreeSet::new() };
        for (input, outcome) in inputs.iter().zip(outcomes) {
            match input.source.origin() {
                InputSource::Rendered(_) if outcome.files.is_empty() => {}
                InputSource::Rendered(Rendering {
                    source: RenderSource::Chart(ChartSource { chart, .. }),
                    ..
                }) => {
                    rendered.charts.extend(real_path(Path::new(chart)));
                }
                InputSource::Rendered(Rendering {
                    source: RenderSource::Kustomization(directory), ..
                }) => {
                    rendered.kustomizations.extend(input::references(Path::new(directory)));
                }
                _ => {}
            }
        }
        rendered
    }

    /// Checks whether the chart with this `Chart.yaml` was rendered, by itself or as a dependency.
    fn includes_chart(&self, file: &Path) -> bool {
        let directory = file.parent().filter(|_| !self.charts.is_empty()).and_then(real_path);
        directory.is_some_and(|directory| {
            self.charts.iter().any(|chart| directory == *chart || directory.starts_with(chart.join("charts")))
        })
    }

    /// Checks whether the kustomization in this file was rendered, by itself or as a base.
    fn includes_kustomization(&self, file: &Path) -> bool {
        let directory = file.parent().filter(|_| !self.kustomizations.is_empty()).and_then(real_path);
        directory.is_some_and(|directory| self.kustomizations.contains(&directory))
    }
}

fn unreadable(error: &InputError, options: &Options<'_>) -> UncheckedInput {
    let unchecked = Unchecked::Unreadable { error: &error.kind.to_string() };
    unchecked_input(&unchecked, options, |finding| {
        LocatedFinding::new(finding, Location::of_file(&error.name))
    })
}

/// Merges the findings about unrendered templates into one finding per chart and, outside of
/// charts, one finding per file. Returns them in order with the other findings about unchecked
/// input.
fn merge_raw_templates(mut unchecked: Vec<UncheckedInput>, options: &Options<'_>) -> Vec<LocatedFinding> {
    unchecked.sort_by(|a, b| a.located.order(&b.located));
    let mut charts: BTreeMap<PathBuf, (usize, BTreeSet<Arc<str>>)> = BTreeMap::new();
    let mut files: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut kept: Vec<LocatedFinding> = Vec::with_capacity(unchecked.len());
    for UncheckedInput { located, is_raw_template } in unchecked {
        let path = &located.location.path;
        if is_raw_template && let Some(chart) = chart_directory(path) {
            let (_, files) = charts.entry(chart).or_insert_with(|| (kept.len(), BTreeSet::new()));
            if !files.insert(Arc::clone(path)) || files.len() > 1 {
                continue;
            }
        } else if is_raw_template && !files.insert(Arc::clone(path)) {
            continue;
        }
        kept.push(located);
    }
    for (chart, (index, mut files)) in charts.into_iter().filter(|(_, (_, files))| files.len() > 1) {
        let first = &mut kept[index];
        files.remove(&first.location.path);
        first.other_files = files.into_iter().collect();
        if let Some(action) = first.finding.primary.mark() {
            let others = Some(OtherTemplates { chart: &chart, count: first.other_files.len() });
            first.finding =
                unchecked_finding(&Unchecked::RawTemplate { action, is_chart: true, others }, options);
        }
    }
    kept
}

/// Returns the directory of the chart that a template belongs to, or `None` if the template is not
/// inside a directory `templates`.
fn chart_directory(path: &str) -> Option<PathBuf> {
    let mut ancestors = Path::new(path).ancestors();
    let templates = ancestors.find(|path| path.file_name().is_some_and(|name| name == "templates"));
    templates.and_then(Path::parent).map(Path::to_owned)
}

/// Returns the findings about expired exemptions. `used` contains the exemptions that matched a
/// finding. If it is not `None`, also returns the findings about unused exemptions in the policy
/// file. Policies that it extends may contain exemptions for other directories and repositories.
fn check_exemptions(options: &Options<'_>, used: Option<&BTreeSet<ExemptionId>>) -> Vec<LocatedFinding> {
    let mut found = Vec::new();
    for (id, exemption) in options.policy.exemptions() {
        let Some(location) = &exemption.location else { continue };
        let is_own = options.policy.file.as_deref() == Some(Path::new(&*location.path));
        let is_unused = is_own && used.is_some_and(|used| !used.contains(&id));
        let facts = exemption_facts(exemption, options, is_unused);
        let result = judge(Subject::Exemption(&facts), options.policy, options.today);
        let (file, primary) = (Some(location.file.clone()), Some(location.span));
        let location = Location { file, primary, ..Location::of_file(&location.path) };
        found.extend(
            result.findings.into_iter().map(|finding| LocatedFinding::new(finding, location.clone())),
        );
    }
    found
}

fn exemption_facts<'e>(
    exemption: &'e Exemption,
    options: &Options<'_>,
    is_unused: bool,
) -> ExemptionFacts<'e> {
    let expired = exemption.expires.filter(|_| !exemption.is_active_on(options.today));
    // An exemption for users can match only at admission.
    let is_unused = is_unused && expired.is_none() && !exemption.is_for_users();
    ExemptionFacts { reason: &exemption.reason, expired, is_unused }
}

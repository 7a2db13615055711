//! A run: what is to be judged and by what, and what comes of it; the same at any number of threads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use globset::GlobSet;
use rayon::prelude::*;

use super::manifest::{self, Lint, Outcome, Role};
use super::{kustomize, progress};
use crate::cli::args::{InputArgs, PolicyArgs};
use crate::cli::policy;
use crate::finding::{Finding, Severity};
use crate::input::{
    self, Discovery, DiscoveryOptions, Input, InputError, InputErrorKind, InputSource, Rendering,
};
use crate::model::FieldPath;
use crate::policy::{Policy, today};
use crate::report::{Counts, Located, Place, Report};

/// What is to be judged, and by what.
pub(in crate::cli) struct Task<'a> {
    input: &'a InputArgs,
    pub(super) found: Discovery,
    /// Whether it leaves out something that is there, or some of the rules.
    is_narrowed: bool,
    /// The policy.
    pub(in crate::cli) policy: Policy,
}

/// What came of judging it.
pub(in crate::cli) struct Run {
    /// What was found; what a baseline holds isn't taken out.
    pub(in crate::cli) report: Report,
    /// What was seen in each input.
    pub(super) counts: Vec<Counts>,
    /// The exemptions that were used, by their places in the policy's list.
    pub(in crate::cli) used: BTreeSet<usize>,
    /// Whether it saw all that the policy is for, by all of its rules.
    pub(in crate::cli) is_whole: bool,
}

impl<'a> Task<'a> {
    /// That of judging what the arguments name by the policy that they ask for.
    pub(in crate::cli) fn new(input: &'a InputArgs, policy: &PolicyArgs) -> anyhow::Result<Self> {
        let settings = settings(input)?;
        let (policy_there, found) =
            rayon::join(|| policy::load(policy), || input::discover(&input.paths, &settings));
        let is_narrowed = policy.select.is_some() || !policy.ignore.is_empty() || !input.exclude.is_empty();
        let mut task = Self { input, found, is_narrowed, policy: policy_there? };
        exclude(&task.policy, &mut task.found)?;
        task.found.inputs.extend(rendered(input, &task.policy.namespace));
        Ok(task)
    }

    /// That of judging what the arguments name by a policy that is there.
    pub(in crate::cli) fn under(input: &'a InputArgs, policy: Policy) -> anyhow::Result<Self> {
        let mut found = input::discover(&input.paths, &settings(input)?);
        found.inputs.extend(rendered(input, &policy.namespace));
        Ok(Self { input, found, is_narrowed: true, policy })
    }

    /// Judges; `with_ignores` lets comments and annotations silence.
    pub(in crate::cli) fn run(&self, with_ignores: bool) -> Run {
        let policy = &self.policy;
        let lint = Lint { policy, today: today(), with_ignores, parse_all: self.input.strict_parse };
        let (mut report, used, counts) = lint_all(&lint, &self.found);
        let is_whole = !self.is_narrowed && policy::covers(&self.input.paths, policy);
        report.findings.extend(policy::findings(policy, is_whole.then_some(&used), lint.today));
        report.findings.par_sort_by(Located::order);
        Run { report, counts, used, is_whole }
    }
}

fn settings(input: &InputArgs) -> anyhow::Result<DiscoveryOptions> {
    Ok(DiscoveryOptions {
        exclude: input::glob_set(input.exclude.iter().map(String::as_str))?,
        no_gitignore: input.no_gitignore,
        extensions: input.ext.clone(),
        stdin_name: input.stdin_filename.clone(),
    })
}

/// What is to be rendered before it is read.
fn rendered<'a>(input: &'a InputArgs, namespace: &'a str) -> impl Iterator<Item = Input> {
    let charts = input.helm.iter().map(|chart| Rendering::Chart {
        chart: chart.clone(),
        values: input.values.clone(),
        namespace: namespace.to_owned(),
        kube_version: input.kube_version.clone(),
    });
    let kustomizations = input.kustomize.iter().cloned().map(Rendering::Kustomization);
    charts
        .chain(kustomizations)
        .map(|rendering| Input { name: rendering.name(), source: InputSource::Rendered(rendering) })
}

/// Leaves out what the policy excludes, by globs that are relative to its folder.
fn exclude(policy: &Policy, found: &mut Discovery) -> anyhow::Result<()> {
    if policy.exclude.is_empty() {
        return Ok(());
    }
    let mut globs: Vec<(PathBuf, GlobSet)> = Vec::new();
    for (folder, glob) in &policy.exclude {
        globs.extend(policy::real(folder).zip(Some(input::glob_set([glob.as_str()])?)));
    }
    // A tree has few folders beside its files; a link is named by where it stands.
    let mut folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
    let mut is_excluded = |name: &str| {
        let path = Path::new(name);
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else { return false };
        let real = folders.entry(parent.to_owned()).or_insert_with(|| policy::real(parent));
        let Some(path) = real.as_ref().map(|folder| folder.join(file)) else { return false };
        globs.iter().any(|(folder, glob)| path.strip_prefix(folder).is_ok_and(|path| glob.is_match(path)))
    };
    found.inputs.retain(|input| input.source == InputSource::Stdin || !is_excluded(&input.name));
    found.errors.retain(|error| !is_excluded(&error.name));
    Ok(())
}

/// The report of all that was found, the exemptions that were used, and what was seen in each input; the same at any
/// number of threads.
fn lint_all(lint: &Lint<'_>, found: &Discovery) -> (Report, BTreeSet<usize>, Vec<Counts>) {
    let patches = kustomize::patches(&found.inputs);
    let role = |input: &Input| match &input.source {
        InputSource::Path(_) if patches.contains(&input.name) => Role::Patch,
        InputSource::Path(_) => Role::File,
        // Who names it says what it is.
        InputSource::Stdin if input.name != input::STDIN => Role::File,
        InputSource::Stdin => Role::Stream,
        InputSource::Rendered(Rendering::Chart { chart, .. }) => Role::Chart(chart.clone()),
        InputSource::Rendered(Rendering::Kustomization(_)) => Role::Kustomization,
    };
    let judge = |input: &Input| {
        let read = || input.read().map(|bytes| manifest::lint(lint, &input.name, bytes, &role(input)));
        // A mistake of volcheck's own must not take the rest of the run with it.
        let outcome = panic::catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Err(InputError { name: input.name.clone(), kind: InputErrorKind::Internal }));
        outcome.unwrap_or_else(|error| Outcome { errors: vec![unreadable(&error)], ..Outcome::default() })
    };
    let outcomes: Vec<Outcome> = progress::shown(found.inputs.len(), |done| {
        let judged = found.inputs.par_iter().map(|input| {
            let outcome = judge(input);
            done.fetch_add(1, Ordering::Relaxed);
            outcome
        });
        judged.collect()
    });
    let mut whole = Outcome { errors: found.errors.iter().map(unreadable).collect(), ..Outcome::default() };
    let by_input = outcomes.iter().map(|outcome| outcome.counts.clone()).collect();
    outcomes.into_iter().for_each(|outcome| whole.add(outcome));
    let Outcome { counts, findings, errors, suppressed, used } = whole;
    let mut report = Report { counts, findings, errors, suppressed, outside: None };
    report.counts.charts = found.charts.len();
    join_templates(&mut report.errors);
    report.errors.sort_by(Located::order);
    report.suppressed.sort_by(Located::order);
    (report, used, by_input)
}

/// What can't be read is said once, by name.
fn unreadable(error: &InputError) -> Located {
    let finding = Finding::new(
        "unanalyzed-document",
        Severity::Error,
        FieldPath::root(),
        format!("can't be read: {}", error.kind),
    );
    let place = Place::of_file(&error.name);
    Located::new(finding, place)
}

/// Of a chart's raw templates, the first stands for all.
fn join_templates(errors: &mut Vec<Located>) {
    let folder = |located: &Located| {
        let path = Path::new(&*located.place.path);
        let templates =
            path.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "templates"));
        templates.and_then(Path::parent).map(|chart| chart.to_string_lossy().into_owned())
    };
    errors.sort_by(Located::order);
    let mut first: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut kept: Vec<Located> = Vec::with_capacity(errors.len());
    for located in errors.drain(..) {
        let chart = folder(&located).filter(|_| located.finding.message == manifest::RAW_TEMPLATE);
        match chart {
            Some(chart) => match first.get_mut(&chart) {
                Some((_, more)) => *more += 1,
                None => {
                    first.insert(chart, (kept.len(), 0));
                    kept.push(located);
                }
            },
            None => kept.push(located),
        }
    }
    for (chart, (at, more)) in first {
        if more > 0 {
            let finding = &mut kept[at].finding;
            finding.message = format!("{}, as are {more} more in the chart `{chart}`", finding.message);
        }
    }
    *errors = kept;
}

//! The setup of a run: discovers the inputs and loads the policy.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::Context as _;

use super::progress;
use crate::cli::args::{InputArgs, KubeVersionArg, PolicyArgs};
use crate::cli::file::directory_of;
use crate::cli::policy;
use crate::input::{self, Discovery, Input, InputSource, Rendering};
use crate::lint::{self, Coverage, Run, RunOptions};
use crate::policy::{Policy, today};

/// The inputs of a run and the policy to check them with.
pub(in crate::cli) struct RunSetup<'a> {
    arguments: &'a InputArgs,
    pub(super) found: Discovery,
    /// Whether flags exclude inputs or rules, or the policy is a built-in one, as in `volcheck
    /// init`. If so, unused exemptions and stale entries of the baseline are not reported.
    is_narrowed: bool,
    /// Whether flags select or exclude rules.
    selects_rules: bool,
    pub(in crate::cli) policy: Policy,
}

impl<'a> RunSetup<'a> {
    /// Discovers the inputs and loads the policy from the arguments.
    pub(in crate::cli) fn new(input: &'a InputArgs, policy: &PolicyArgs) -> anyhow::Result<Self> {
        let settings = settings(input)?;
        let (loaded, found) =
            rayon::join(|| policy::load(policy), || input::discover(&input.paths, &settings));
        let selects_rules = policy.select.is_some() || !policy.ignore.is_empty();
        let is_narrowed = selects_rules || !input.exclude.is_empty();
        let mut setup = Self { arguments: input, found, is_narrowed, selects_rules, policy: loaded? };
        lint::exclude(&setup.policy, &mut setup.found)?;
        let renderings = renderings(input, &setup.policy.namespace, &policy.kube_version);
        setup.found.inputs.extend(renderings);
        Ok(setup)
    }

    /// Discovers the inputs from the arguments, to check them with `policy`.
    pub(in crate::cli) fn with_policy(
        input: &'a InputArgs,
        kube_version: &KubeVersionArg,
        policy: Policy,
    ) -> anyhow::Result<Self> {
        let mut found = input::discover(&input.paths, &settings(input)?);
        found.inputs.extend(renderings(input, &policy.namespace, kube_version));
        Ok(Self { arguments: input, found, is_narrowed: true, selects_rules: false, policy })
    }

    /// Returns the options of the run. Comments and annotations suppress findings only if
    /// `with_ignores` is set.
    pub(in crate::cli) fn options(&self, with_ignores: bool) -> RunOptions<'_> {
        let (policy, parse_all) = (&self.policy, self.arguments.strict_parse);
        RunOptions {
            lint: lint::Options { policy, today: today(), with_ignores, parse_all, with_volumes: false },
            is_complete: !self.is_narrowed && lint::covers(&self.arguments.paths, policy),
        }
    }

    /// Returns the coverage of the run, for the baseline at `path`.
    pub(in crate::cli) fn coverage(&self, path: &Path) -> anyhow::Result<Coverage> {
        let real_path = |path: &Path| fs::canonicalize(path).with_context(|| path.display().to_string());
        let (current, directory) = (real_path(Path::new("."))?, real_path(directory_of(path))?);
        Ok(Coverage::new(&current, &directory, &self.found, self.selects_rules.then_some(&self.policy)))
    }

    /// Checks the inputs, with a progress line on a terminal.
    pub(in crate::cli) fn run(&self, options: &RunOptions<'_>) -> Run {
        progress::with_progress(self.found.inputs.len(), |done| {
            lint::run(&self.found, options, &|| {
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
    }
}

fn settings(input: &InputArgs) -> anyhow::Result<input::DiscoveryOptions> {
    if input.stdin_filename.is_some() && !input.paths.iter().any(|path| path == "-") {
        anyhow::bail!("--stdin-filename requires the path `-`, which reads standard input");
    }
    Ok(input::DiscoveryOptions {
        exclude: input::glob_set(input.exclude.iter().map(String::as_str))?,
        no_gitignore: input.no_gitignore,
        extensions: input.ext.clone(),
        stdin_name: input.stdin_filename.clone(),
    })
}

/// Returns the charts and kustomizations to render.
fn renderings<'a>(
    input: &'a InputArgs,
    namespace: &'a str,
    kube_version: &'a KubeVersionArg,
) -> impl Iterator<Item = Input> {
    let charts = input.helm.iter().map(|chart| Rendering::Chart {
        chart: chart.clone(),
        values: input.values.clone(),
        namespace: namespace.to_owned(),
        kube_version: kube_version.text().map(str::to_owned),
    });
    let kustomizations = input.kustomize.iter().cloned().map(Rendering::Kustomization);
    charts
        .chain(kustomizations)
        .map(|rendering| Input { name: rendering.name(), source: InputSource::Rendered(rendering) })
}

//! The setup of a run: discovers the inputs and loads the policy.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;

use super::progress;
use crate::cli::args::{InputArgs, KubeVersionArg, PolicyArgs};
use crate::cli::{baseline, policy};
use crate::fix::{FileEdit, directory_of};
use crate::input::{self, Discovery, Excludes};
use crate::lint::{self, Coverage, RenderFlags, Run, RunOptions};
use crate::model::printable;
use crate::policy::{ExcludePattern, Policy, today};

/// The inputs of a run and the policy to check them with.
pub(in crate::cli) struct RunSetup<'a> {
    arguments: &'a InputArgs,
    pub(in crate::cli) found: Discovery,
    /// Whether flags exclude inputs or rules, or the policy is a built-in one, as in `volcheck
    /// init`. If so, unused exemptions and stale entries of the baseline are not reported.
    is_narrowed: bool,
    /// Whether flags select or exclude rules.
    selects_rules: bool,
    excludes: Arc<Excludes>,
    pub(in crate::cli) policy: Policy,
}

impl<'a> RunSetup<'a> {
    /// Discovers the inputs and loads the policy from the arguments.
    pub(in crate::cli) fn new(input: &'a InputArgs, policy: &PolicyArgs) -> anyhow::Result<Self> {
        let selects_rules = policy.select.is_some() || !policy.ignore.is_empty();
        let is_narrowed = selects_rules || !input.exclude.is_empty();
        let loaded = policy::load(policy)?;
        let setup = Self::create(input, policy.namespace.as_deref(), &policy.kube_version, loaded)?;
        Ok(Self { is_narrowed, selects_rules, ..setup })
    }

    /// Discovers the inputs from the arguments, to check them with `policy`.
    pub(in crate::cli) fn with_policy(
        input: &'a InputArgs,
        kube_version: &KubeVersionArg,
        policy: Policy,
    ) -> anyhow::Result<Self> {
        Self::create(input, None, kube_version, policy)
    }

    fn create(
        input: &'a InputArgs,
        namespace: Option<&str>,
        kube_version: &KubeVersionArg,
        policy: Policy,
    ) -> anyhow::Result<Self> {
        if input.stdin_filename.is_some() && !input.paths.iter().any(|path| path == "-") {
            anyhow::bail!("--stdin-filename requires the path `-`, which reads standard input");
        }
        let excludes = Arc::new(excludes(input, &policy)?);
        let settings = input::DiscoveryOptions {
            excludes: Arc::clone(&excludes),
            no_gitignore: input.no_gitignore,
            extensions: input.ext.clone(),
            stdin_name: input.stdin_filename.clone(),
        };
        let mut found = input::discover(&input.paths, &settings);
        let flags = render_flags(input, namespace, kube_version);
        lint::render_searched(&mut found, &policy, &flags, &excludes);
        lint::add_named(&mut found, &policy, &flags)?;
        Ok(Self { arguments: input, found, is_narrowed: true, selects_rules: false, excludes, policy })
    }

    /// Returns the options of the run. Comments and annotations suppress findings only if
    /// `with_ignores` is set.
    pub(in crate::cli) fn options(&self, with_ignores: bool) -> RunOptions<'_> {
        let (policy, parse_all) = (&self.policy, self.arguments.strict_parse);
        RunOptions {
            lint: lint::Options {
                policy,
                today: today(),
                with_ignores,
                parse_all,
                with_volumes: false,
                as_admission: false,
                excludes: self.excludes(),
            },
            is_complete: !self.is_narrowed && lint::covers(&self.found, policy),
        }
    }

    fn excludes(&self) -> Option<&Excludes> {
        Some(&*self.excludes).filter(|excludes| !excludes.is_empty())
    }

    /// Returns a warning for each pattern that excludes nothing, although the run covers the
    /// directory in which it can match.
    pub(in crate::cli) fn warnings(&self) -> String {
        let warning = |pattern: &ExcludePattern| {
            let (text, origin) = (printable(&pattern.text), printable(&pattern.origin));
            format!("warning: exclude pattern `{text}` matches no path ({origin})\n")
        };
        lint::unused_excludes(&self.found, &self.excludes).map(warning).collect()
    }

    /// Returns the coverage of the run, for the baseline at `path`.
    pub(in crate::cli) fn coverage(&self, path: &Path) -> anyhow::Result<Coverage> {
        let real_path = |path: &Path| fs::canonicalize(path).with_context(|| path.display().to_string());
        let (current, directory) = (real_path(Path::new("."))?, real_path(directory_of(path))?);
        let selecting = self.selects_rules.then_some((&self.policy, today()));
        Ok(Coverage::new(&current, &directory, &self.found, self.excludes(), selecting))
    }

    /// Returns the setup of a run with new contents of files, and with another policy.
    pub(in crate::cli) fn with_edits<'e>(
        &self,
        edits: impl IntoIterator<Item = &'e FileEdit>,
        policy: Policy,
    ) -> Self {
        let contents = edits.into_iter().map(|edit| (edit.name.as_str(), edit.after.as_str()));
        Self {
            found: self.found.with_contents(contents),
            policy,
            excludes: Arc::clone(&self.excludes),
            ..*self
        }
    }

    /// Checks the inputs. If the options apply ignores, also applies the baseline from the argument
    /// or the policy.
    pub(in crate::cli) fn run_with_baseline(
        &self,
        baseline: Option<&Path>,
        options: &RunOptions<'_>,
    ) -> anyhow::Result<Run> {
        let with_ignores = options.lint.with_ignores;
        let (mut run, baseline) = rayon::join(
            || self.run(options),
            || with_ignores.then(|| baseline::load(baseline, &self.policy)).transpose(),
        );
        if let Some((path, baseline)) = baseline?.flatten() {
            run.apply_baseline(&path, baseline, &self.coverage(&path)?, options);
        }
        Ok(run)
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

/// Returns the excludes of the policy and the arguments.
fn excludes(input: &InputArgs, policy: &Policy) -> anyhow::Result<Excludes> {
    let flag = |text: &String| {
        ExcludePattern::new(Path::new("."), text, "--exclude".to_owned())
            .map_err(|error| anyhow::anyhow!("--exclude {text}: {error}"))
    };
    let flags: Vec<_> = input.exclude.iter().map(flag).collect::<anyhow::Result<_>>()?;
    let patterns = policy.exclude.iter().cloned().chain(flags);
    Excludes::new(patterns).map_err(|error| anyhow::anyhow!("exclude patterns: {error}"))
}

fn render_flags(input: &InputArgs, namespace: Option<&str>, kube_version: &KubeVersionArg) -> RenderFlags {
    RenderFlags {
        render: input.render,
        helm: input.helm.clone(),
        kustomize: input.kustomize.clone(),
        values: input.values.clone(),
        set: input.set.clone(),
        release_name: input.release_name.clone(),
        namespace: namespace.map(str::to_owned),
        kube_version: kube_version.text().map(str::to_owned),
        api_versions: input.api_versions.clone(),
        timeout: Duration::from_secs(input.render_timeout),
    }
}

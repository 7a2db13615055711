//! Selects the charts and kustomizations to render.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::input::{
    ChartSource, Discovery, Excludes, Input, InputError, InputErrorKind, InputSource, RenderSource,
    Rendering, Roots, charts_matching, is_part_of_chart, normalized, real_path, references, values_files,
};
use crate::policy::{ChartSettings, Policy};

/// The command-line flags about rendering.
#[derive(Clone, Debug, Default)]
pub struct RenderFlags {
    /// Whether to render the charts and kustomizations in the searched directories.
    pub render: bool,
    /// Charts to render, or globs of charts.
    pub helm: Vec<String>,
    /// Kustomizations to render.
    pub kustomize: Vec<String>,
    /// Values files for all charts.
    pub values: Vec<PathBuf>,
    /// Single values for all charts.
    pub set: Vec<String>,
    pub release_name: Option<String>,
    pub namespace: Option<String>,
    pub kube_version: Option<String>,
    /// Additional API versions for all charts.
    pub api_versions: Vec<String>,
    pub timeout: Duration,
}

impl RenderFlags {
    /// Checks whether a flag applies only to charts.
    fn has_chart_settings(&self) -> bool {
        let lists = [&self.set, &self.api_versions];
        self.release_name.is_some() || !self.values.is_empty() || lists.iter().any(|list| !list.is_empty())
    }

    /// Returns a chart as an input. Adds the flags for values, `--set` and API versions to those in
    /// `settings`. The other flags take precedence over `settings`.
    fn chart(&self, chart: &str, settings: ChartSettings, policy: &Policy) -> Input {
        let mut source = ChartSource {
            chart: chart.to_owned(),
            values: settings.values,
            set: settings.set,
            release_name: self.release_name.clone().or(settings.release_name),
            namespace: self
                .namespace
                .clone()
                .or(settings.namespace)
                .unwrap_or_else(|| policy.namespace.clone()),
            kube_version: self.kube_version.clone().or(settings.kube_version),
            api_versions: settings.api_versions,
        };
        source.values.extend(self.values.iter().cloned());
        source.set.extend(self.set.iter().cloned());
        source.api_versions.extend(self.api_versions.iter().cloned());
        self.input(RenderSource::Chart(source))
    }

    fn kustomization(&self, directory: &str) -> Input {
        self.input(RenderSource::Kustomization(directory.to_owned()))
    }

    fn input(&self, source: RenderSource) -> Input {
        let rendering = Rendering { source, timeout: self.timeout };
        Input { name: rendering.name(), source: InputSource::Rendered(rendering) }
    }
}

/// Replaces the charts and kustomizations in the searched directories with their renderings, if
/// `flags` or the policy require it. Ignores excluded charts and kustomizations.
pub fn render_searched(found: &mut Discovery, policy: &Policy, flags: &RenderFlags, excludes: &Excludes) {
    found.renders_searched = flags.render || policy.renders;
    if !found.renders_searched {
        return;
    }
    let mut roots = Roots::new(found, excludes);
    add_declared(found, policy, &mut roots, excludes);
    let mut inputs = Vec::new();
    for directory in &roots.charts {
        let chart = directory.to_string_lossy();
        inputs.extend(settings_of(directory, policy).map(|settings| flags.chart(&chart, settings, policy)));
    }
    let kustomizations = roots.kustomizations.iter().map(|directory| directory.to_string_lossy());
    inputs.extend(kustomizations.map(|directory| flags.kustomization(&directory)));
    let is_in_chart =
        |path: &Path| roots.charts.iter().chain(&roots.libraries).any(|chart| is_part_of_chart(chart, path));
    let rendered: BTreeSet<PathBuf> =
        roots.kustomizations.iter().flat_map(|directory| references(directory)).collect();
    let is_rendered_kustomization = |input: &Input| {
        found.kustomizations.iter().any(|own| own.name == input.name)
            && Path::new(&input.name).parent().and_then(real_path).is_some_and(|own| rendered.contains(&own))
    };
    let is_source = |input: &Input| is_in_chart(Path::new(&input.name)) || is_rendered_kustomization(input);
    found.inputs.retain(|input| !input.is_file() || !is_source(input));
    found.inputs.append(&mut inputs);
    found.charts.retain(|file| {
        let directory = normalized(file.parent().unwrap_or(Path::new("")));
        let is_root = |root: &PathBuf| normalized(root) == directory;
        !is_in_chart(&directory) && !roots.charts.iter().chain(&roots.libraries).any(is_root)
    });
}

/// Adds the charts in the searched directories that the policy declares. Adds an error for each
/// declared directory without a chart.
fn add_declared(found: &mut Discovery, policy: &Policy, roots: &mut Roots, excludes: &Excludes) {
    let searched: Vec<PathBuf> = found.searched.iter().map(|directory| directory.real.clone()).collect();
    let known: BTreeSet<_> = roots.charts.iter().filter_map(|chart| real_path(chart)).collect();
    for directory in policy.charts.iter().map(|settings| &settings.path) {
        let real = real_path(directory).unwrap_or_else(|| directory.clone());
        let is_searched = searched.iter().any(|searched| real.starts_with(searched));
        let chart = directory.join("Chart.yaml");
        if !is_searched && real.exists() || known.contains(&real) || excludes.is_excluded(&chart, false) {
            continue;
        }
        if !chart.is_file() {
            let name = directory.to_string_lossy().into_owned();
            found.errors.push(InputError { name, kind: InputErrorKind::NoChart });
        } else if !roots.charts.contains(directory) {
            roots.charts.push(directory.clone());
        }
    }
    roots.charts.sort();
}

/// Returns the settings for each rendering of a chart: those in the policy or, if there are none,
/// those for each values file of chart-testing or, if there are none, the default settings.
fn settings_of(chart: &Path, policy: &Policy) -> impl Iterator<Item = ChartSettings> {
    let real = real_path(chart);
    let mut settings: Vec<_> =
        policy.charts.iter().filter(|own| real.is_some() && real_path(&own.path) == real).cloned().collect();
    if settings.is_empty() {
        let default = ChartSettings { path: chart.to_owned(), ..ChartSettings::default() };
        let files = values_files(chart).into_iter();
        settings = files.map(|file| ChartSettings { values: vec![file], ..default.clone() }).collect();
        if settings.is_empty() {
            settings.push(default);
        }
    }
    settings.into_iter()
}

/// Adds the charts and kustomizations that `flags` name. Returns an error if flags for charts are
/// given, but no chart is rendered.
pub fn add_named(found: &mut Discovery, policy: &Policy, flags: &RenderFlags) -> anyhow::Result<()> {
    if flags.has_chart_settings() && flags.helm.is_empty() && !found.renders_searched {
        anyhow::bail!(
            "--values, --set, --release-name and --api-versions apply to charts; pass --helm CHART or --render"
        );
    }
    for argument in &flags.helm {
        match charts_matching(argument) {
            Ok(charts) => {
                let inputs = charts.iter().map(|chart| flags.chart(chart, ChartSettings::default(), policy));
                found.inputs.extend(inputs);
            }
            Err(error) => found.errors.push(error),
        }
    }
    found.inputs.extend(flags.kustomize.iter().map(|directory| flags.kustomization(directory)));
    Ok(())
}

//! Finds the charts and kustomizations to render: those that no other chart or kustomization
//! contains or uses.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;
use serde::Deserialize;

use super::discover::{display_name, glob_base, is_glob};
use super::{Discovery, Excludes, Input, InputError, InputErrorKind, references};
use crate::source::{self, File, decode};

/// The charts and kustomizations to render.
#[derive(Debug, Default)]
pub struct Roots {
    /// The directories of the charts.
    pub charts: Vec<PathBuf>,
    /// The directories of the kustomizations.
    pub kustomizations: Vec<PathBuf>,
    /// The directories of charts that other charts use, and that cannot be rendered themselves.
    pub libraries: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChartType {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct KustomizationType {
    api_version: String,
    kind: String,
}

impl Roots {
    /// Finds the roots in the searched directories. Ignores excluded charts and
    /// kustomizations.
    pub fn new(found: &Discovery, excludes: &Excludes) -> Self {
        let is_searched =
            |path: &Path| found.searched.iter().any(|searched| path.starts_with(&searched.path));
        let charts = found.charts.iter().map(|path| PathBuf::from(display_name(path)));
        let charts: Vec<PathBuf> = charts
            .filter(|path| is_searched(path) && !excludes.is_excluded(path, false))
            .map(|path| directory_of(&path))
            .collect();
        let kustomizations = found.kustomizations.iter().map(|Input { name, .. }| name.as_str());
        let kustomizations: Vec<PathBuf> = kustomizations
            .filter(|name| {
                is_searched(Path::new(name))
                    && !excludes.is_excluded(Path::new(name), false)
                    && is_renderable(name)
            })
            .map(|name| directory_of(Path::new(name)))
            .filter(|directory| !charts.iter().any(|chart| is_part_of_chart(chart, directory)))
            .collect();
        let (libraries, charts) = chart_roots(charts).into_iter().partition(|chart| is_library(chart));
        Self { charts, libraries, kustomizations: kustomization_roots(kustomizations) }
    }
}

/// Returns the directory of a file, which is `.` for a file in the working directory.
fn directory_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Checks whether `path` is in a directory of `chart` that helm reads as a part of the chart.
pub fn is_part_of_chart(chart: &Path, path: &Path) -> bool {
    let chart = chart.strip_prefix(".").unwrap_or(chart);
    let parts = ["templates", "crds", "charts"];
    path.strip_prefix(chart).is_ok_and(|rest| parts.iter().any(|part| rest.starts_with(part)))
}

/// Removes the charts that are part of other charts, such as subcharts.
fn chart_roots(mut charts: Vec<PathBuf>) -> Vec<PathBuf> {
    charts.sort();
    charts.dedup();
    let is_root =
        |chart: &&PathBuf| !charts.iter().any(|other| other != *chart && is_part_of_chart(other, chart));
    charts.iter().filter(is_root).cloned().collect()
}

/// Removes the kustomizations that others use. If kustomizations use each other, keeps one of them,
/// so that the cycle is reported.
fn kustomization_roots(mut directories: Vec<PathBuf>) -> Vec<PathBuf> {
    directories.sort();
    directories.dedup();
    let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let uses: Vec<_> = directories.iter().map(|directory| (real(directory), references(directory))).collect();
    let is_used = |index: usize| {
        let (own, own_uses) = &uses[index];
        let mut others = uses.iter().enumerate().filter(|(other, _)| *other != index);
        others.any(|(at, (other, used))| used.contains(own) && (at < index || !own_uses.contains(other)))
    };
    let is_root = |index: &usize| !is_used(*index);
    (0..directories.len()).filter(is_root).map(|index| directories[index].clone()).collect()
}

fn is_library(chart: &Path) -> bool {
    let chart = read::<ChartType>(&chart.join("Chart.yaml"));
    chart.is_some_and(|chart| chart.r#type == "library")
}

/// Checks whether kustomize can render a kustomization file by itself. It cannot render a
/// component, nor an object of another program, such as a Kustomization of Flux.
fn is_renderable(name: &str) -> bool {
    let Some(own) = read::<KustomizationType>(Path::new(name)) else { return true };
    let is_foreign = !own.api_version.is_empty() && !own.api_version.starts_with("kustomize.config.k8s.io/");
    own.kind != "Component" && !is_foreign
}

/// Reads a YAML file. Returns `None` if it cannot be read or decoded.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let file = File::decode(path.to_string_lossy(), fs::read(path).ok()?).ok()?;
    let tree = source::parse(file.text(), 0..file.text().len()).ok()??;
    decode(&tree, tree.root()).ok()
}

/// Returns the values files that chart-testing uses for a chart: `ci/*-values.yaml`. The chart is
/// rendered once with each of them or, if there are none, with its default values.
pub fn values_files(chart: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(chart.join("ci")).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<_> =
        paths.filter(|path| path.is_file() && path.to_string_lossy().ends_with("-values.yaml")).collect();
    files.sort();
    files
}

/// Returns the charts that an argument of `--helm` names. If the argument is a glob, these are the
/// matching archives (`.tgz`) and directories with a `Chart.yaml`, without subcharts. Returns an
/// error if the glob is invalid or matches no chart.
pub fn charts_matching(argument: &str) -> Result<Vec<String>, InputError> {
    let is_reference = argument.contains("://") || Path::new(argument).exists() || !is_glob(argument);
    if is_reference {
        return Ok(vec![argument.to_owned()]);
    }
    let error = |kind| InputError { name: argument.to_owned(), kind };
    let pattern = argument.strip_prefix("./").unwrap_or(argument);
    let glob = GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(true).build();
    let glob = glob.map_err(|invalid| error(InputErrorKind::InvalidGlob(invalid.kind().to_string())))?;
    let matcher: GlobMatcher = glob.compile_matcher();
    let walk = WalkBuilder::new(glob_base(argument)).standard_filters(false).follow_links(true).build();
    let paths = walk.filter_map(Result::ok).map(|entry| PathBuf::from(display_name(entry.path())));
    let matching = paths.filter(|path| {
        matcher.is_match(path)
            && (path.join("Chart.yaml").is_file() || path.extension().is_some_and(|end| end == "tgz"))
    });
    match chart_roots(matching.collect()) {
        charts if charts.is_empty() => Err(error(InputErrorKind::NoMatch)),
        charts => Ok(charts.iter().map(|chart| chart.to_string_lossy().into_owned()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn subcharts_belong_to_their_chart() {
        let charts =
            ["charts/a", "charts/a/charts/b", "charts/a/templates/c", "charts/b", "charts/a/examples/d"];
        assert_eq!(chart_roots(paths(&charts)), paths(&["charts/a", "charts/a/examples/d", "charts/b"]));
        // A chart in the working directory.
        assert_eq!(chart_roots(paths(&[".", "charts/b", "other"])), paths(&[".", "other"]));
    }

    #[test]
    fn used_kustomizations_are_not_roots() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for (name, text) in [
            ("base", "resources: [a.yaml]"),
            ("prod", "resources: [../base]\ncomponents: [../shared]"),
            ("shared", "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1"),
            ("x", "resources: [../y]"),
            ("y", "resources: [../x]"),
            ("flux", "kind: Kustomization\napiVersion: kustomize.toolkit.fluxcd.io/v1"),
        ] {
            fs::create_dir(path(name)).expect("a directory");
            fs::write(path(name).join("kustomization.yaml"), text).expect("written");
        }
        let all = ["base", "prod", "shared", "x", "y"].map(path).to_vec();
        assert_eq!(kustomization_roots(all), ["prod", "x"].map(path));
        let is_renderable = |name| is_renderable(&path(name).join("kustomization.yaml").to_string_lossy());
        assert!(is_renderable("base") && !is_renderable("shared") && !is_renderable("flux"));
    }
}

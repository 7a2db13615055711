//! Finds the file in a chart that a rendered document comes from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::source::{self, File, decode};

/// The part of `Chart.yaml` that names the chart and its dependencies.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chart {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dependency {
    name: String,
    alias: Option<String>,
}

impl Chart {
    /// Reads the `Chart.yaml` in a directory. Returns `None` if it cannot be read or decoded.
    fn read(directory: &Path) -> Option<Self> {
        let file = File::decode("Chart.yaml", fs::read(directory.join("Chart.yaml")).ok()?).ok()?;
        let tree = source::parse(file.text(), 0..file.text().len()).ok()??;
        decode(&tree, tree.root()).ok()
    }
}

/// Checks whether a path has the form of the template paths in the `# Source:` comments of helm,
/// such as `shop/templates/…` or `shop/crds/…`. For each level of dependencies, the path contains
/// another `charts/NAME/`, such as `shop/charts/db/templates/…`. Returns false for a path with
/// white space or `..`.
pub fn is_template_path(path: &str) -> bool {
    let mut inner = path.split_once('/').filter(|(name, _)| !name.is_empty()).map(|(_, rest)| rest);
    while let Some(dependency) = inner.and_then(|rest| rest.strip_prefix("charts/")) {
        inner = dependency.split_once('/').map(|(_, rest)| rest);
    }
    let is_file =
        |directory| inner.and_then(|rest| rest.strip_prefix(directory)).is_some_and(|file| !file.is_empty());
    (is_file("templates/") || is_file("crds/"))
        && !path.contains(char::is_whitespace)
        && path.split('/').all(|part| part != "..")
}

/// The maximum size of a file in a chart, in bytes. It is the limit of helm for files in charts.
const MAX_CHART_FILE_BYTES: u64 = 5 << 20;

/// Reads a template or a values file of a chart. Returns `None` if there is no such file, for
/// example because the chart is packaged, or if the file is too large or cannot be decoded.
pub fn read_chart_file(path: &str) -> Option<File> {
    fs::metadata(path)
        .ok()
        .filter(|metadata| metadata.is_file() && metadata.len() <= MAX_CHART_FILE_BYTES)?;
    File::decode(path, fs::read(path).ok()?).ok()
}

/// Returns the path of a template in the directory `chart`. `template` is the path in the comment
/// that helm writes before each document. It starts with the name of the chart, and contains the
/// names or aliases of dependencies.
///
/// If a dependency is packaged, returns the path of its archive. If a dependency is not found,
/// returns the directory `charts` of the chart that requires the dependency. If this directory does
/// not exist, returns the directory of that chart.
pub fn chart_template(chart: &Path, template: &str) -> PathBuf {
    let mut rest = template.split_once('/').map_or(template, |(_, rest)| rest);
    let mut chart = chart.to_owned();
    while let Some((dependency, inner)) = rest.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
        let directory = chart.join("charts");
        match find_dependency(&chart, &directory, dependency) {
            Some(path) if path.is_dir() => (chart, rest) = (path, inner),
            Some(archive) => return archive,
            None if directory.is_dir() => return directory,
            None => return chart,
        }
    }
    chart.join(rest)
}

/// Returns the directory or the archive of the dependency `name` of `chart`, or `None` if it is not
/// found. `name` is the name or the alias of the dependency, and `directory` contains all
/// dependencies.
fn find_dependency(chart: &Path, directory: &Path, name: &str) -> Option<PathBuf> {
    let with_name = |name: &str| {
        let path = directory.join(name);
        let path = Some(path).filter(|path| path.is_dir());
        path.or_else(|| archive(directory, name)).or_else(|| renamed(directory, name))
    };
    with_name(name).or_else(|| with_name(&aliased(chart, name)?))
}

/// Returns the name of the dependency with this alias, or `None` if there is none.
fn aliased(chart: &Path, alias: &str) -> Option<String> {
    let Chart { dependencies, .. } = Chart::read(chart)?;
    let dependency = dependencies.into_iter().find(|own| own.alias.as_deref() == Some(alias))?;
    Some(dependency.name)
}

/// Returns the first archive of the chart `name` in `directory`, such as `redis-1.2.3.tgz`,
/// `redis-v1.2.3.tgz` or `redis.tgz`. Returns `None` if there is none.
fn archive(directory: &Path, name: &str) -> Option<PathBuf> {
    let is_version = |version: &str| {
        version.strip_prefix('v').unwrap_or(version).starts_with(|c: char| c.is_ascii_digit())
    };
    let is_archive = |file: &str| {
        let rest = file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_version))
    };
    entries(directory)
        .into_iter()
        .find(|path| is_archive(&path.file_name().unwrap_or_default().to_string_lossy()))
}

/// Returns the first chart in `directory` whose `Chart.yaml` contains the name `name`, or `None` if
/// there is none. The chart may be in a directory of another name.
fn renamed(directory: &Path, name: &str) -> Option<PathBuf> {
    entries(directory).into_iter().find(|path| Chart::read(path).is_some_and(|chart| chart.name == name))
}

/// Returns the paths in a directory in alphabetical order. Returns no paths if the directory cannot
/// be read.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{chart_template, is_template_path};

    #[test]
    fn finds_templates_of_dependencies() {
        let directory = tempfile::tempdir().expect("a directory");
        let chart = directory.path();
        for path in ["templates", "charts/db/templates", "charts/db/charts"] {
            fs::create_dir_all(chart.join(path)).expect("a directory");
        }
        let dependencies = "dependencies:\n- name: db\n  alias: orders\n- name: cache\n  alias: sessions\n";
        fs::write(chart.join("Chart.yaml"), dependencies).expect("a file");
        for path in ["cache-1.2.3.tgz", "mail-v1.2.3.tgz", "mail-out-1.2.3.tgz", "db/charts/redis.tgz"] {
            fs::write(chart.join("charts").join(path), "").expect("a file");
        }
        fs::create_dir(chart.join("charts/pg")).expect("a directory");
        fs::write(chart.join("charts/pg/Chart.yaml"), "name: postgresql\n").expect("a file");
        for (template, expected) in [
            ("shop/templates/a.yaml", "templates/a.yaml"),
            ("shop/charts/db/templates/a.yaml", "charts/db/templates/a.yaml"),
            ("shop/charts/orders/templates/a.yaml", "charts/db/templates/a.yaml"),
            ("shop/charts/sessions/templates/a.yaml", "charts/cache-1.2.3.tgz"),
            ("shop/charts/orders/charts/redis/templates/a.yaml", "charts/db/charts/redis.tgz"),
            ("shop/charts/mail/templates/a.yaml", "charts/mail-v1.2.3.tgz"),
            ("shop/charts/mail-out/templates/a.yaml", "charts/mail-out-1.2.3.tgz"),
            ("shop/charts/postgresql/crds/a.yaml", "charts/pg/crds/a.yaml"),
            ("shop/charts/out/templates/a.yaml", "charts"),
            ("shop/charts/postgresql/charts/unknown/templates/a.yaml", "charts/pg"),
        ] {
            assert_eq!(chart_template(chart, template), chart.join(Path::new(expected)), "{template}");
        }
    }

    #[test]
    fn recognizes_paths_of_templates() {
        for path in [
            "shop/templates/a.yaml",
            "shop/crds/a.yaml",
            "shop/charts/db/templates/tests/a.yaml",
            "shop/charts/db/charts/charts/crds/a.yaml",
        ] {
            assert!(is_template_path(path), "{path}");
        }
        for path in [
            "https://kubernetes.io/templates/a.yaml (modified)",
            "https://kubernetes.io/templates/a.yaml",
            "/templates/a.yaml",
            "templates/a.yaml",
            "shop/templates/",
            "shop/docs/templates/a.yaml",
            "shop/templates/../../secret",
            "shop/charts/templates/a.yaml",
            "shop/templates/a.yaml and others",
            "",
        ] {
            assert!(!is_template_path(path), "{path}");
        }
    }
}

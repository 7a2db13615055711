//! The files of a chart that rendered documents come from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::source::{self, File, decode};

/// The part of `Chart.yaml` that names the dependencies.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Chart {
    dependencies: Vec<Dependency>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dependency {
    name: String,
    alias: Option<String>,
}

/// Returns the path of a template in the directory `chart`. `template` is the path in the comment
/// that helm writes before each document: it starts with the name of the chart, and contains the
/// names or aliases of dependencies. If a dependency is packaged, returns the path of its archive.
pub fn chart_template(chart: &Path, template: &str) -> PathBuf {
    let mut rest = template.split_once('/').map_or(template, |(_, rest)| rest);
    let mut chart = chart.to_owned();
    while let Some((dependency, inner)) = rest.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
        let directory = chart.join("charts");
        let names = [Some(dependency.to_owned()), aliased(&chart, dependency)];
        let mut names = names.into_iter().flatten();
        match names.clone().map(|name| directory.join(name)).find(|path| path.is_dir()) {
            Some(path) => (chart, rest) = (path, inner),
            None => {
                let archive = names.find_map(|name| archive(&directory, &name));
                return archive.unwrap_or_else(|| chart.join(rest));
            }
        }
    }
    chart.join(rest)
}

/// Returns the name of the dependency with this alias.
fn aliased(chart: &Path, alias: &str) -> Option<String> {
    let file = File::decode("Chart.yaml", fs::read(chart.join("Chart.yaml")).ok()?).ok()?;
    let tree = source::parse(file.text(), 0..file.text().len()).ok()??;
    let Chart { dependencies } = decode(&tree, tree.root()).ok()?;
    let dependency = dependencies.into_iter().find(|own| own.alias.as_deref() == Some(alias))?;
    Some(dependency.name)
}

/// Returns the archive of the dependency `name`, such as `charts/redis-1.2.3.tgz`.
fn archive(directory: &Path, name: &str) -> Option<PathBuf> {
    let is_archive = |file: &str| {
        let version = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        version.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.ends_with(".tgz"))
    };
    let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let mut found: Vec<_> = files
        .map(|entry| entry.path())
        .filter(|path| is_archive(&path.file_name().unwrap_or_default().to_string_lossy()))
        .collect();
    found.sort();
    found.into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::chart_template;

    #[test]
    fn finds_templates_of_dependencies() {
        let directory = tempfile::tempdir().expect("a directory");
        let chart = directory.path();
        for path in ["templates", "charts/db/templates", "charts/db/charts"] {
            fs::create_dir_all(chart.join(path)).expect("a directory");
        }
        let dependencies = "dependencies:\n- name: db\n  alias: orders\n- name: cache\n  alias: sessions\n";
        fs::write(chart.join("Chart.yaml"), dependencies).expect("a file");
        fs::write(chart.join("charts/cache-1.2.3.tgz"), "").expect("a file");
        fs::write(chart.join("charts/db/charts/redis-20.1.0.tgz"), "").expect("a file");
        for (template, expected) in [
            ("shop/templates/a.yaml", "templates/a.yaml"),
            ("shop/charts/db/templates/a.yaml", "charts/db/templates/a.yaml"),
            ("shop/charts/orders/templates/a.yaml", "charts/db/templates/a.yaml"),
            ("shop/charts/sessions/templates/a.yaml", "charts/cache-1.2.3.tgz"),
            ("shop/charts/orders/charts/redis/templates/a.yaml", "charts/db/charts/redis-20.1.0.tgz"),
            ("shop/charts/unknown/templates/a.yaml", "charts/unknown/templates/a.yaml"),
        ] {
            assert_eq!(chart_template(chart, template), chart.join(Path::new(expected)), "{template}");
        }
    }
}

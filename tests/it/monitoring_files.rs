//! The files of the chart for Prometheus and Grafana, and the queries in them.

use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::promql::Catalog;
use crate::support::{golden, root};

/// Returns the content of a file of the project.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the alerts and recording rules of the chart.
pub fn rules() -> Vec<Value> {
    let file: Value = serde_yaml::from_str(&text("charts/volcheck/files/rules.yaml")).expect("YAML");
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).cloned().collect()
}

/// Returns the dashboard for Grafana.
pub fn dashboard() -> Value {
    serde_json::from_str(&text("charts/volcheck/files/dashboard.json")).expect("JSON")
}

/// Checks the queries of the rules and the dashboard. Returns the problems.
pub fn problems(catalog: &Catalog) -> Vec<String> {
    let mut catalog = catalog.clone();
    let mut problems = Vec::new();
    for rule in rules() {
        let name = rule["record"].as_str().or(rule["alert"].as_str()).expect("a name");
        let content = |value: &Value| value.as_str().expect("a text").to_owned();
        let annotations: String =
            rule["annotations"].as_object().into_iter().flat_map(|map| map.values().map(content)).collect();
        match catalog.check(rule["expr"].as_str().expect("a query")) {
            Ok(labels) => {
                let used = captures(r"\$labels\.(\w+)", &annotations);
                problems.extend(
                    used.iter()
                        .filter(|label| !labels.contains(*label))
                        .map(|label| format!("{name}: the query has no label `{label}`")),
                );
                if !rule["record"].is_null() {
                    catalog.record(name, &labels);
                }
            }
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    let dashboard = dashboard();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            match catalog.check(&without_variables(query)) {
                Ok(labels) => {
                    let mut used =
                        captures(r"\{\{(\w+)\}\}", target["legendFormat"].as_str().unwrap_or_default());
                    let columns = &panel["transformations"][0]["options"]["renameByName"];
                    used.extend(columns.as_object().into_iter().flat_map(|map| map.keys().cloned()));
                    used.retain(|label| label != "Value" && !labels.contains(label));
                    problems.extend(
                        used.iter().map(|label| format!("{title}: `{query}` has no label `{label}`")),
                    );
                }
                Err(error) => problems.push(format!("{title}: {error}")),
            }
        }
    }
    let pattern = Regex::new(r"^label_values\((\w+), (\w+)\)$").expect("a pattern");
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let Some(found) = pattern.captures(query) else {
            problems.push(format!("unsupported query of a variable: `{query}`"));
            continue;
        };
        let series = format!("{}{{{}=\"\"}}", &found[1], &found[2]);
        problems.extend(catalog.check_series(&series).err());
    }
    problems
}

/// Replaces the variables of Grafana.
fn without_variables(query: &str) -> String {
    query.replace("$__rate_interval", "5m").replace("$__range", "1h").replace("$namespace", ".*")
}

fn captures(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// Returns the content of a generated block of `docs/monitoring.md`.
pub fn generated_block(name: &str) -> String {
    let page = text("docs/monitoring.md");
    let (_, rest) = page.split_once(&format!("<!-- {name}: generated -->\n")).expect("the start marker");
    let (block, _) = rest.split_once(&format!("<!-- {name}: end -->")).expect("the end marker");
    block.to_owned()
}

/// Compares a generated block of `docs/monitoring.md` with `content`, or updates the block if
/// `VOLCHECK_BLESS` is set.
pub fn compare_generated_block(name: &str, content: &str) {
    let page = text("docs/monitoring.md");
    let marked = |content: &str| format!("<!-- {name}: generated -->\n{content}<!-- {name}: end -->");
    let current = marked(&generated_block(name));
    golden(&root().join("docs/monitoring.md"), &page.replace(&current, &marked(content)))
        .unwrap_or_else(|error| panic!("{error}"));
}

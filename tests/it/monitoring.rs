//! The alerts, the dashboard and the documented queries use the metrics of the running webhook.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::thread;

use serde_json::{Value, json};

use crate::monitoring_files::{compare_generated_block, dashboard, generated_block, problems, rules, text};
use crate::promql::Catalog;
use crate::webhook_server::{ALLOWED_PATH, Client, DENIED_PATH, POLICY, WebhookServer, pod_review, post};

/// A policy with which one denied host path leads to each verdict, depending on the namespace.
const EXCEPTIONS: &str = "modes: {warned: warn, \"*\": deny}\n\
    exemptions: [{rules: [\"*\"], match: {namespace: exempt}, reason: r}]\n";

/// The metrics of a running webhook that has produced each verdict.
static EXPOSED: LazyLock<Catalog> = LazyLock::new(|| {
    let server = WebhookServer::start(&[]);
    server.replace_file("volcheck.yaml", &(POLICY.to_owned() + EXCEPTIONS));
    server.wait_for_log("policy reloaded");
    let denied = pod_review(DENIED_PATH);
    let mut update: Value = serde_json::from_str(&denied).expect("JSON");
    update["request"]["operation"] = json!("UPDATE");
    update["request"]["oldObject"] = update["request"]["object"].clone();
    let in_namespace = |name: &str| denied.replace("\"shop\"", &format!("\"{name}\""));
    let undecodable = denied.replace("\"containers\":[", "\"containers\":[1,");
    for review in
        [pod_review(ALLOWED_PATH), in_namespace("warned"), in_namespace("exempt"), update.to_string()]
    {
        assert!(server.connect().review(&review).expect("a response").is_allowed());
    }
    for review in [denied, undecodable] {
        assert!(!server.connect().review(&review).expect("a response").is_allowed());
    }
    overload(&server);
    Catalog::from_exposition(&server.get_admin("/metrics").1)
});

/// Sends large reviews at the same time until the server rejects one of them.
fn overload(server: &WebhookServer) {
    let review = pod_review(ALLOWED_PATH);
    let review = review.clone() + &" ".repeat((6 << 20) - review.len());
    let (address, ca) = (server.address, &server.ca);
    let is_rejected = || {
        let mut client = Client::connect(address, ca, None).expect("a connection");
        let response = client.request(&post("/validate?timeout=1s", "application/json"), &review);
        response.is_ok_and(|response| response.status == 429)
    };
    let was_rejected = (0..20).any(|_| {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..30).map(|_| scope.spawn(is_rejected)).collect();
            clients
                .into_iter()
                .map(|client| client.join().expect("a thread"))
                .fold(false, |any, one| any | one)
        })
    });
    assert!(was_rejected, "the server accepted all reviews");
}

/// The metrics that `tests/e2e/monitoring.rs` has recorded in `docs/monitoring.md`: those that
/// volcheck has only in a cluster, and those of the API server.
fn recorded() -> Catalog {
    let mut catalog = Catalog::from_table(&generated_block("registration metrics"));
    catalog.extend(Catalog::from_table(&generated_block("API server metrics")));
    catalog
}

fn all_metrics() -> Catalog {
    let mut catalog = EXPOSED.clone();
    let recorded = recorded();
    let both: Vec<&str> = recorded.names().filter(|name| catalog.contains(name)).collect();
    assert_eq!(both, [""; 0], "these metrics exist without a cluster");
    catalog.extend(recorded);
    catalog
}

#[test]
fn rules_and_dashboard_use_exposed_metrics() {
    assert_eq!(problems(&all_metrics()), [""; 0]);
}

#[test]
fn documented_queries_use_exposed_metrics() {
    let catalog = all_metrics();
    let mut count = 0;
    for page in ["docs/monitoring.md", "docs/from-warn-to-deny.md"] {
        for block in text(page).split("```promql\n").skip(1) {
            let query = block.split("```").next().unwrap_or_default();
            catalog.check(query).unwrap_or_else(|error| panic!("{page}: {error}"));
            count += 1;
        }
    }
    assert!(count > 1, "{count} queries");
}

#[test]
fn metrics_table_is_current() {
    compare_generated_block("metrics", &EXPOSED.to_table());
}

/// Prometheus has evaluated the documented queries that are too complex to be obviously correct.
#[test]
fn tested_queries_are_documented() {
    let normalized = |query: &str| query.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = normalized(&text("docs/from-warn-to-deny.md"));
    let file: Value = serde_yaml::from_str(&text("tests/monitoring/rules.test.yaml")).expect("YAML");
    let tests = file["tests"].as_array().expect("tests");
    let cases = tests.iter().flat_map(|test| test["promql_expr_test"].as_array().into_iter().flatten());
    let queries = cases.map(|case| normalized(case["expr"].as_str().expect("a query")));
    let queries: Vec<String> = queries.filter(|query| !query.starts_with("volcheck:")).collect();
    assert_eq!(queries.len(), 1);
    assert!(page.contains(&queries[0]), "{queries:?}");
}

/// A test of an alert shows nothing if its series differ from the exposed ones, or if the alert
/// always fires.
#[test]
fn each_alert_is_tested_with_exposed_metrics() {
    let file: Value = serde_yaml::from_str(&text("tests/monitoring/rules.test.yaml")).expect("YAML");
    let catalog = all_metrics();
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for test in file["tests"].as_array().expect("tests") {
        for series in test["input_series"].as_array().into_iter().flatten() {
            let series = series["series"].as_str().expect("a series");
            catalog.check_series(series).unwrap_or_else(|error| panic!("{}: {error}", test["name"]));
        }
        for case in test["alert_rule_test"].as_array().into_iter().flatten() {
            let name = case["alertname"].as_str().expect("a name").to_owned();
            let is_firing = case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            if is_firing {
                firing.insert(name)
            } else {
                quiet.insert(name)
            };
        }
    }
    let alerts: BTreeSet<String> =
        rules().iter().filter_map(|rule| rule["alert"].as_str().map(str::to_owned)).collect();
    assert_eq!(firing, alerts);
    assert_eq!(quiet, alerts);
}

/// The annotation `runbook_url` of an alert refers to the heading with its name.
#[test]
fn each_alert_has_a_runbook() {
    let page = text("docs/monitoring.md");
    let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
    let runbooks: Vec<&str> =
        sections.iter().filter(|section| section.starts_with("Volcheck")).copied().collect();
    let names: Vec<&str> =
        runbooks.iter().map(|section| section.lines().next().unwrap_or_default()).collect();
    let rules = rules();
    let alerts: Vec<&str> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    assert_eq!(names, alerts);
    for (rule, runbook) in rules.iter().filter(|rule| !rule["alert"].is_null()).zip(runbooks) {
        let severity = rule["labels"]["severity"].as_str().expect("a severity");
        let parts = [
            &format!("Severity: {severity}."),
            "**Meaning:**",
            "**Impact:**",
            "**Diagnosis:**",
            "**Mitigation:**",
        ];
        for part in parts {
            assert!(runbook.contains(part), "the runbook of {} has no `{part}`", rule["alert"]);
        }
    }
}

#[test]
fn dashboard_panels_are_complete_and_do_not_overlap() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        let number = |value: &Value| value.as_u64().expect("a number");
        assert!(ids.insert(number(&panel["id"])), "the id of {} is not unique", panel["title"]);
        let position = &panel["gridPos"];
        let (x, y, w, h) =
            (number(&position["x"]), number(&position["y"]), number(&position["w"]), number(&position["h"]));
        assert!(x + w <= 24, "{} is too wide", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} overlaps another panel", panel["title"]);
        }
        if panel["type"] == "row" {
            continue;
        }
        let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text(&panel["title"]) && is_text(&panel["description"]), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{}", panel["title"]);
    }
}

#[test]
fn rejects_queries_without_a_result() {
    let catalog = Catalog::from_exposition(
        "# HELP a Requests\n# TYPE a counter\na_total{x=\"1\",y=\"2\"} 5\na_total{x=\"3\",y=\"4\"} 5\n# TYPE b gauge\nb 1\n\
         # TYPE c histogram\nc_bucket{le=\"1.0\"} 0\nc_sum 0\nc_count 0\n",
    );
    for query in [
        "sum by (x) (rate(a_total{y=~\"2|4\", job=\"j\"}[5m])) / sum by (x) (a_total) > 0.5",
        "histogram_quantile(0.9, sum by (le) (rate(c_bucket[5m])))",
        "sum(increase(a_total[1h] offset 1d)) or sum(b)",
        "b unless b offset 1h",
        "b * 2 # a comment",
    ] {
        catalog.check(query).unwrap_or_else(|error| panic!("{error}"));
    }
    for (query, error) in [
        ("sum(rate(a[5m]))", "there is no metric `a`"),
        ("a_total{z=\"1\"}", "metric `a_total` has no label `z`"),
        ("a_total{x=\"2\"}", "label `x` of metric `a_total` has the values"),
        ("a_total{x=~\"[4-9]\"}", "label `x` of metric `a_total` has the values"),
        ("sum by (z) (a_total)", "no series in `sum by` has the label `z`"),
        ("sum without (z) (a_total)", "no series in `sum without` has the label `z`"),
        ("rate(b[5m])", "unsupported call of `rate`"),
        ("rate(a_total)", "unsupported call of `rate`"),
        ("histogram_quantile(0.9, sum(rate(c_bucket[5m])))", "unsupported call of `histogram_quantile`"),
        ("a_total + b", "`+` of series with different labels"),
        ("sum by (x) (a_total) / sum by (y) (a_total)", "`/` of series with different labels"),
        ("b b", "unexpected Word(\"b\")"),
        ("sum(b", "expected `)`"),
    ] {
        let found = catalog.check(query).expect_err(query);
        assert!(found.starts_with(error), "{query}: {found}");
    }
}

//! The chart's objects for Prometheus and Grafana: their metrics exist in a cluster, and the API
//! server accepts them. Also records the metrics that exist only in a cluster in
//! `docs/monitoring.md`.

use crate::control_plane::{ADMIN, wait_for};
use crate::harness::{GOOD, Harness, NAMESPACE, harness, pod};
use crate::monitoring_files::{compare_generated_block, generated_block, problems, text};
use crate::promql::Catalog;
use crate::self_signed::VALUES;

/// Webhooks that are always unreachable. The names are those of volcheck's webhooks, so that the
/// API server has each metric that the alerts use. They apply only to Pods with the label `broken`.
const BROKEN: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: broken}
webhooks:
- &webhook
  name: validate.volcheck.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 1
  clientConfig: {url: "https://127.0.0.1:1/"}
  objectSelector: {matchLabels: {broken: rejected}}
  rules: &rules [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
- <<: *webhook
  name: volumes.volcheck.io
  failurePolicy: Ignore
  objectSelector: {matchLabels: {broken: admitted}}
- <<: *webhook
  name: strict.volcheck.io
  objectSelector: {matchLabels: {broken: condition}}
  matchConditions: [{name: missing-field, expression: object.spec.hostname == "x"}]
"#;

#[test]
fn monitoring_uses_metrics_of_the_cluster() {
    let harness = harness();
    harness.install(VALUES);
    harness.kubectl_with(ADMIN, &["create", "-f", "-"], BROKEN).ok();
    let create = |label: &str| {
        let labeled = format!("{{name: {label}, labels: {{broken: {label}}}}}");
        harness.dry_run("shop", &pod(label, GOOD).replacen(&format!("{{name: {label}}}"), &labeled, 1))
    };
    wait_for("the broken webhooks", || {
        let rejected = create("rejected");
        (!rejected.is_success && rejected.stderr.contains("failed calling webhook")).then_some(())
    });
    create("admitted").ok();
    let error = create("condition").failed();
    assert!(error.contains("no such key: hostname"), "{error}");
    harness.kubectl(&["delete", "validatingwebhookconfiguration", "broken"]).ok();

    let exposed = harness.kubectl(&["get", "--raw", "/metrics"]).ok();
    let lines = exposed.lines().filter(|line| line.contains("apiserver_admission_"));
    let mut api_server = Catalog::from_exposition(&lines.map(|line| format!("{line}\n")).collect::<String>());
    let files = text("charts/volcheck/files/rules.yaml") + &text("charts/volcheck/files/dashboard.json");
    let family = |name: &str| {
        ["_bucket", "_sum"]
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name)
            .to_owned()
    };
    api_server.retain(|name| files.contains(&family(name)));

    let in_every_mode = Catalog::from_table(&generated_block("metrics"));
    let mut self_registered = Catalog::from_exposition(&harness.metrics());
    self_registered.retain(|name| !in_every_mode.contains(name));

    let mut all = in_every_mode;
    all.extend(self_registered.clone());
    all.extend(api_server.clone());
    assert_eq!(problems(&all), [""; 0]);
    compare_generated_block("registration metrics", &self_registered.to_table());
    compare_generated_block("API server metrics", &api_server.to_table());
}

/// Creates the CRDs of the Prometheus Operator.
pub fn create_crds(harness: &Harness) {
    let crds = std::env::var("VOLCHECK_PROMETHEUS_CRDS").expect("set by tests/e2e/run.sh");
    for name in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let crd = format!("{crds}/monitoring.coreos.com_{name}.yaml");
        harness.kubectl(&["apply", "--server-side", "-f", &crd]).ok();
        harness.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", &crd]).ok();
    }
}

#[test]
fn prometheus_operator_crds_accept_the_objects() {
    let harness = harness();
    create_crds(&harness);
    let relabeling = "[{sourceLabels: [pod], targetLabel: replica}]";
    let monitor = format!(
        "{{enabled: true, interval: 30s, scrapeTimeout: 10s, relabelings: {relabeling}, metricRelabelings: {relabeling}}}"
    );
    for kind in ["serviceMonitor", "podMonitor"] {
        let values = format!(
            "monitoring: {{{kind}: {monitor}, rules: {{enabled: true}}, dashboard: {{enabled: true}}}}"
        );
        let file = harness.file("monitoring.yaml", &values).display().to_string();
        let render = ["template", "volcheck", "charts/volcheck", "-n", NAMESPACE, "-f", &file];
        let template = kind.to_lowercase();
        let templates =
            [&template, "prometheusrule", "dashboard"].map(|name| format!("templates/{name}.yaml"));
        let shown = templates.iter().flat_map(|template| ["--show-only", template]);
        let manifest = harness.helm(&render.into_iter().chain(shown).collect::<Vec<_>>()).ok();
        // kubectl rejects unknown fields.
        let created = harness.dry_run(NAMESPACE, &manifest).ok();
        assert_eq!(created.lines().count(), 3, "{created}");
    }
}

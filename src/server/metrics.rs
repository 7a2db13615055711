//! Metrics in the OpenMetrics text format. The number of label values is bounded: names of objects
//! and paths are never label values, and the number of namespaces is limited.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::error::ErrorKind;
use super::registration_metrics::RegistrationMetrics;
use super::would_deny::NamespaceLabels;
use crate::admission::{Decision, Endpoint, Outcome};
use crate::finding::RuleId;

/// The prefix of all metric names.
const PREFIX: &str = "volcheck";

/// Bucket bounds in seconds, from the duration of a small review to the default
/// `webhook.timeoutSeconds` of the chart.
const DURATION_BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Bucket bounds in bytes, from a small Pod to about the default `--max-body`.
const SIZE_BUCKETS: [f64; 8] = [1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 7e6];

/// The values of the label `resource`. For any other resource, the value is `other`. For a request
/// without a verdict, it is empty.
const RESOURCES: &[&str] = &[
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "persistentvolumes",
    "persistentvolumeclaims",
];

/// The role of a certificate in `volcheck_certificate_expiration_timestamp_seconds`.
#[derive(Clone, Copy, Debug)]
pub(super) enum CertificateRole {
    Serving,
    Ca,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: &'static str,
    decision: &'static str,
    operation: &'static str,
    resource: &'static str,
    subresource: &'static str,
    dry_run: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    endpoint: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    rule: &'static str,
    severity: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabel {
    rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WouldDenyLabels {
    namespace: String,
    rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

impl KindLabel {
    fn new(kind: ErrorKind) -> Self {
        Self { kind: kind.as_str() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabel {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl ResultLabel {
    fn new(is_success: bool) -> Self {
        Self { result: if is_success { "success" } else { "failure" } }
    }
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    request_sizes: Histogram,
    requests_in_flight: Gauge,
    evaluation_durations: Histogram,
    findings: Family<FindingLabels, Counter>,
    exempted_findings: Family<RuleLabel, Counter>,
    preexisting_findings: Family<RuleLabel, Counter>,
    would_deny: Family<WouldDenyLabels, Counter>,
    pub(super) would_deny_namespaces: NamespaceLabels,
    errors: Family<KindLabel, Counter>,
    connections: Gauge,
    evicted_connections: Counter,
    evicted_bodies: Counter,
    max_open_files: Gauge,
    pub(super) registration: RegistrationMetrics,
    certificate_expirations: Family<RoleLabel, Gauge>,
    certificate_reloads: Family<ResultLabel, Counter>,
    policy_reloads: Family<ResultLabel, Counter>,
    policy_file_valid: Gauge,
}

impl Metrics {
    /// Creates the metrics. They include the state of the registration if `registers_webhook` is
    /// true, which means that the server registers the webhook itself.
    pub(super) fn new(registers_webhook: bool) -> Self {
        let duration_histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(duration_histogram),
            request_sizes: Histogram::new(SIZE_BUCKETS),
            requests_in_flight: Gauge::default(),
            evaluation_durations: duration_histogram(),
            findings: Family::default(),
            exempted_findings: Family::default(),
            preexisting_findings: Family::default(),
            would_deny: Family::default(),
            would_deny_namespaces: NamespaceLabels::default(),
            errors: Family::default(),
            connections: Gauge::default(),
            evicted_connections: Counter::default(),
            evicted_bodies: Counter::default(),
            max_open_files: Gauge::default(),
            registration: RegistrationMetrics::default(),
            certificate_expirations: Family::default(),
            certificate_reloads: Family::default(),
            policy_reloads: Family::default(),
            policy_file_valid: Gauge::default(),
        };
        metrics.register(registers_webhook);
        // The server does not start with an invalid policy.
        metrics.set_policy_file_valid(true);
        // Expose these counters from the start. If a counter appeared only with its first error, an
        // alert on an increase would miss that error.
        for kind in ErrorKind::ALL {
            let _ = metrics.errors.get_or_create(&KindLabel::new(kind));
        }
        for result in [true, false].map(ResultLabel::new) {
            let _ = metrics.certificate_reloads.get_or_create(&result);
            let _ = metrics.policy_reloads.get_or_create(&result);
        }
        metrics
    }

    fn register(&mut self, registers_webhook: bool) {
        let registry = &mut self.registry;
        registry.register("admission_requests", "Admission requests by decision", self.requests.clone());
        registry.register_with_unit(
            "admission_request_duration",
            "Time to respond to an admission request, including reading its body",
            Unit::Seconds,
            self.request_durations.clone(),
        );
        registry.register_with_unit(
            "admission_request_size",
            "Size of admission request bodies",
            Unit::Bytes,
            self.request_sizes.clone(),
        );
        registry.register(
            "admission_requests_in_flight",
            "Admission requests being processed",
            self.requests_in_flight.clone(),
        );
        registry.register_with_unit(
            "evaluation_duration",
            "Time to evaluate a review, excluding reading the body and queueing",
            Unit::Seconds,
            self.evaluation_durations.clone(),
        );
        registry.register("findings", "Findings by rule and severity", self.findings.clone());
        registry.register(
            "exempted_findings",
            "Findings suppressed by exemptions in the policy",
            self.exempted_findings.clone(),
        );
        registry.register(
            "preexisting_findings",
            "Errors that were no reason to deny an update in mode deny, because the object already had them",
            self.preexisting_findings.clone(),
        );
        registry.register(
            "would_deny",
            "Admitted requests that mode deny would deny, counted once for each rule that causes the denial",
            self.would_deny.clone(),
        );
        registry.register(
            "errors",
            "Failed requests, failed connections and objects that could not be checked",
            self.errors.clone(),
        );
        registry.register(
            "connections",
            "Open TLS connections to the webhook port",
            self.connections.clone(),
        );
        registry.register(
            "evicted_connections",
            "Connections closed to make room for new ones when the connection limit was reached",
            self.evicted_connections.clone(),
        );
        registry.register(
            "evicted_bodies",
            "Requests rejected because another request needed their memory",
            self.evicted_bodies.clone(),
        );
        registry.register("max_open_files", "Maximum number of open files", self.max_open_files.clone());
        if registers_webhook {
            self.registration.register(registry);
        }
        registry.register_with_unit(
            "certificate_expiration_timestamp",
            "Expiration time of the serving certificate and of volcheck's own CA, if any",
            Unit::Seconds,
            self.certificate_expirations.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Reloads of the serving certificate and of the client CA file, and renewals of certificates; failures include failed registrations",
            self.certificate_reloads.clone(),
        );
        registry.register("policy_reloads", "Policy reloads", self.policy_reloads.clone());
        registry.register(
            "policy_file_valid",
            "Whether the policy file was valid when it was last read; if not, the last valid policy is active",
            self.policy_file_valid.clone(),
        );
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of volcheck", version);
    }

    /// Records a request with a verdict.
    pub(super) fn record_decision(&self, endpoint: Endpoint, decision: &Decision, duration: Duration) {
        let request = &decision.request;
        let labels = RequestLabels {
            endpoint: endpoint.as_str(),
            decision: decision.outcome.as_str(),
            operation: known_or_other(&["CREATE", "UPDATE", "DELETE", "CONNECT"], &request.operation),
            resource: known_or_other(RESOURCES, &request.resource),
            subresource: match request.subresource.as_str() {
                "" => "",
                name => known_or_other(&["ephemeralcontainers", "resize", "status", "scale"], name),
            },
            dry_run: if request.dry_run { "true" } else { "false" },
        };
        self.record_request(labels, duration);
        if decision.outcome == Outcome::Error {
            self.record_error(ErrorKind::Object);
        }
        for finding in &decision.findings {
            let labels = FindingLabels { rule: finding.rule.as_str(), severity: finding.severity.name() };
            self.findings.get_or_create(&labels).inc();
        }
        for (finding, _) in &decision.exempted {
            self.exempted_findings.get_or_create(&RuleLabel { rule: finding.rule.as_str() }).inc();
        }
        for rule in &decision.preexisting {
            self.preexisting_findings.get_or_create(&RuleLabel { rule: rule.as_str() }).inc();
        }
    }

    /// Records a request that mode `deny` would deny because of `rules`. `namespace` is the value
    /// of the label. The caller limits the number of its values.
    pub(super) fn record_would_deny(&self, namespace: &str, rules: &[RuleId]) {
        for rule in rules {
            let labels = WouldDenyLabels { namespace: namespace.to_owned(), rule: rule.as_str() };
            self.would_deny.get_or_create(&labels).inc();
        }
    }

    /// Records a request without a verdict. `kind` is `None` if the server was overloaded.
    pub(super) fn record_request_error(
        &self,
        endpoint: Endpoint,
        kind: Option<ErrorKind>,
        duration: Duration,
    ) {
        let labels = RequestLabels {
            endpoint: endpoint.as_str(),
            decision: if kind.is_some() { "error" } else { "overloaded" },
            operation: "",
            resource: "",
            subresource: "",
            dry_run: "",
        };
        self.record_request(labels, duration);
        if let Some(kind) = kind {
            self.record_error(kind);
        }
    }

    fn record_request(&self, labels: RequestLabels, duration: Duration) {
        self.requests.get_or_create(&labels).inc();
        let labels = DurationLabels { endpoint: labels.endpoint, decision: labels.decision };
        self.request_durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub(super) fn record_error(&self, kind: ErrorKind) {
        self.errors.get_or_create(&KindLabel::new(kind)).inc();
    }

    pub(super) fn record_evicted_connection(&self) {
        self.evicted_connections.inc();
    }

    pub(super) fn record_evicted_body(&self) {
        self.evicted_bodies.inc();
    }

    /// Sets the maximum number of open files. `None` means that there is no maximum.
    pub(super) fn set_max_open_files(&self, max: Option<u64>) {
        self.max_open_files.set(max.and_then(|max| max.try_into().ok()).unwrap_or(i64::MAX));
    }

    pub(super) fn record_certificate_reload(&self, is_success: bool) {
        self.certificate_reloads.get_or_create(&ResultLabel::new(is_success)).inc();
    }

    pub(super) fn record_policy_reload(&self, is_success: bool) {
        self.policy_reloads.get_or_create(&ResultLabel::new(is_success)).inc();
    }

    pub(super) fn set_policy_file_valid(&self, is_valid: bool) {
        self.policy_file_valid.set(is_valid.into());
    }

    pub(super) fn record_request_size(&self, bytes: usize) {
        self.request_sizes.observe(bytes as f64);
    }

    pub(super) fn record_evaluation(&self, duration: Duration) {
        self.evaluation_durations.observe(duration.as_secs_f64());
    }

    /// Counts a connection as open until the guard is dropped.
    pub(super) fn track_connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn track_request(&self) -> GaugeGuard {
        GaugeGuard::new(&self.requests_in_flight)
    }

    pub(super) fn open_connections(&self) -> i64 {
        self.connections.get()
    }

    pub(super) fn set_certificate_expiration(&self, role: CertificateRole, not_after: Timestamp) {
        let role = match role {
            CertificateRole::Serving => "serving",
            CertificateRole::Ca => "ca",
        };
        self.certificate_expirations.get_or_create(&RoleLabel { role }).set(not_after.as_second());
    }

    /// Encodes all metrics, including the hash of the active policy.
    pub(super) fn encode(&self, policy_hash: &str) -> String {
        // An `Info` cannot change, so it is created for each scrape.
        let mut policy = Registry::with_prefix(PREFIX);
        policy.register("policy", "The active policy", Info::new(vec![("hash", policy_hash.to_owned())]));
        let mut text = String::new();
        // Writing to a `String` never fails.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &policy);
        let _ = encode_eof(&mut text);
        text
    }
}

/// A guard that keeps a gauge incremented until it is dropped.
pub(super) struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns `value` if `known` contains it, and `other` otherwise.
fn known_or_other(known: &[&'static str], value: &str) -> &'static str {
    known.iter().find(|known| **known == value).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposes_registration_only_if_self_registered() {
        let text = Metrics::new(false).encode("0");
        assert!(!text.contains("volcheck_webhook_registered") && !text.contains("volcheck_registration"));
        let metrics = Metrics::new(true);
        for (is_registered, line) in
            [(false, "\nvolcheck_webhook_registered 0\n"), (true, "\nvolcheck_webhook_registered 1\n")]
        {
            metrics.registration.set_registered(is_registered);
            let text = metrics.encode("0");
            assert!(text.contains(line), "{text}");
            assert!(text.contains("\nvolcheck_registration_valid 1\n"), "{text}");
            assert!(text.contains("\nvolcheck_registration_repairs_total 0\n"), "{text}");
        }
        metrics.registration.set_valid(false);
        metrics.registration.record_repair();
        let text = metrics.encode("0");
        assert!(text.contains("\nvolcheck_registration_valid 0\n"), "{text}");
        assert!(text.contains("\nvolcheck_registration_repairs_total 1\n"), "{text}");
    }

    #[test]
    fn all_error_kinds_start_at_zero() {
        let text = Metrics::new(false).encode("0");
        for kind in [
            "decode",
            "object",
            "request",
            "too_large",
            "timeout",
            "panic",
            "tls",
            "connection",
            "connection_limit",
        ] {
            assert!(
                text.contains(&format!("\nvolcheck_errors_total{{kind=\"{kind}\"}} 0\n")),
                "{kind}: {text}"
            );
        }
    }

    #[test]
    fn exposes_the_hash_of_the_active_policy() {
        let text = Metrics::new(false).encode("abc");
        assert!(text.ends_with("\nvolcheck_policy_info{hash=\"abc\"} 1\n# EOF\n"), "{text}");
    }
}

//! Metrics, in OpenMetrics' text: labels are bounded, so no namespace, no name and no path is one.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::admission::{Decision, Endpoint, Outcome};

/// In seconds: from what a verdict takes to what the API server waits at most.
const BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// In bytes: from a small Pod to the largest update.
const SIZES: [f64; 8] = [1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 7e6];

/// What a resource is called; any other is `other`.
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

/// Why there was no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No review, or none that can be read.
    Decode,
    /// A review of an object that can't be read.
    Object,
    /// Another path, or another method.
    Request,
    /// Too large.
    TooLarge,
    /// It did not come, or was not answered, in time.
    Timeout,
    /// A mistake of volcheck's own.
    Panic,
    /// No handshake.
    Tls,
    /// A connection that asks nothing, or no HTTP.
    Connection,
    /// A connection for which there is no place.
    Crowded,
}

/// How many there are.
const TROUBLES: usize = Trouble::Crowded as usize + 1;

impl Trouble {
    fn word(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Object => "object",
            Self::Request => "request",
            Self::TooLarge => "too_large",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Tls => "tls",
            Self::Connection => "connection",
            Self::Crowded => "crowded",
        }
    }
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
struct KindLabel {
    kind: &'static str,
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
    fn of(success: bool) -> Self {
        Self { result: if success { "success" } else { "failure" } }
    }
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    findings: Family<FindingLabels, Counter>,
    exemptions: Family<RuleLabel, Counter>,
    ratcheted: Family<RuleLabel, Counter>,
    errors: Family<KindLabel, Counter>,
    tls_reloads: Family<ResultLabel, Counter>,
    policy_reloads: Family<ResultLabel, Counter>,
    evaluations: Histogram,
    bytes: Histogram,
    in_flight: Gauge,
    registered: Family<[(&'static str, &'static str); 0], Gauge>,
    connections: Gauge,
    not_after: Family<RoleLabel, Gauge>,
    began: Instant,
    /// When the log had the last line of each trouble, in seconds.
    said: [AtomicU64; TROUBLES],
}

impl Metrics {
    pub(super) fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let mut own = Self {
            registry: Registry::with_prefix("volcheck"),
            began: Instant::now(),
            said: Default::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            findings: Family::default(),
            exemptions: Family::default(),
            ratcheted: Family::default(),
            errors: Family::default(),
            tls_reloads: Family::default(),
            policy_reloads: Family::default(),
            evaluations: histogram(),
            bytes: Histogram::new(SIZES),
            in_flight: Gauge::default(),
            registered: Family::default(),
            connections: Gauge::default(),
            not_after: Family::default(),
        };
        let registry = &mut own.registry;
        registry.register("admission_requests", "Requests by what became of them", own.requests.clone());
        registry.register_with_unit(
            "admission_request_duration",
            "From the head of a request to its answer",
            Unit::Seconds,
            own.durations.clone(),
        );
        registry.register("findings", "Findings in what was judged", own.findings.clone());
        registry.register("exemptions", "Findings that the policy excuses", own.exemptions.clone());
        registry.register("ratcheted", "Errors that were there before an update", own.ratcheted.clone());
        registry.register(
            "errors",
            "Requests and connections that came to nothing, and objects that can't be read",
            own.errors.clone(),
        );
        registry.register_with_unit(
            "evaluation_duration",
            "What a verdict takes, without reading and waiting",
            Unit::Seconds,
            own.evaluations.clone(),
        );
        registry.register_with_unit("request", "The sizes of reviews", Unit::Bytes, own.bytes.clone());
        registry.register("in_flight", "Requests that are being answered", own.in_flight.clone());
        registry.register(
            "registered",
            "Whether volcheck's last look found it registered; only where it registers itself",
            own.registered.clone(),
        );
        registry.register("connections", "Open connections", own.connections.clone());
        registry.register(
            "tls_cert_not_after_timestamp_seconds",
            "Until when a certificate holds: the one that is served, and the authority's, where that is volcheck",
            own.not_after.clone(),
        );
        registry.register("tls_reloads", "Certificates read again", own.tls_reloads.clone());
        registry.register("policy_reloads", "Policies read again", own.policy_reloads.clone());
        registry.register("build", "The program", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        // From the first scrape on, so that an alert has something to compare with.
        for trouble in [Trouble::Decode, Trouble::TooLarge, Trouble::Timeout, Trouble::Panic, Trouble::Tls] {
            let _ = own.errors.get_or_create(&KindLabel { kind: trouble.word() });
        }
        for result in [true, false].map(ResultLabel::of) {
            let _ = own.tls_reloads.get_or_create(&result);
            let _ = own.policy_reloads.get_or_create(&result);
        }
        own
    }

    pub(super) fn decided(&self, endpoint: Endpoint, decision: &Decision, took: Duration) {
        let about = &decision.request;
        let labels = RequestLabels {
            endpoint: endpoint.as_str(),
            decision: decision.outcome.as_str(),
            operation: known(&["CREATE", "UPDATE", "DELETE", "CONNECT"], &about.operation),
            resource: known(RESOURCES, &about.resource),
            subresource: match about.subresource.as_str() {
                "" => "",
                subresource => known(&["ephemeralcontainers", "resize", "status", "scale"], subresource),
            },
            dry_run: if about.dry_run { "true" } else { "false" },
        };
        let decided = labels.decision;
        self.requests.get_or_create(&labels).inc();
        self.took(endpoint, decided, took);
        if decision.outcome == Outcome::Error {
            self.trouble(Trouble::Object);
        }
        for finding in &decision.findings {
            let labels = FindingLabels { rule: finding.rule, severity: finding.severity.word() };
            self.findings.get_or_create(&labels).inc();
        }
        for (finding, _) in &decision.exempted {
            self.exemptions.get_or_create(&RuleLabel { rule: finding.rule }).inc();
        }
        for rule in &decision.preexisting {
            self.ratcheted.get_or_create(&RuleLabel { rule }).inc();
        }
    }

    /// A request without a verdict: shed, where nothing was wrong with it.
    pub(super) fn refused(&self, endpoint: Endpoint, trouble: Option<Trouble>, took: Duration) {
        let decision = if trouble.is_some() { "error" } else { "shed" };
        let labels = RequestLabels {
            endpoint: endpoint.as_str(),
            decision,
            operation: "",
            resource: "",
            subresource: "",
            dry_run: "",
        };
        self.requests.get_or_create(&labels).inc();
        self.took(endpoint, decision, took);
        if let Some(trouble) = trouble {
            self.trouble(trouble);
        }
    }

    fn took(&self, endpoint: Endpoint, decision: &'static str, took: Duration) {
        let labels = DurationLabels { endpoint: endpoint.as_str(), decision };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.errors.get_or_create(&KindLabel { kind: trouble.word() }).inc();
    }

    /// Whether the log should have a line of it: one a second for each, lest whoever floods the port floods the log.
    pub(super) fn is_news(&self, trouble: Trouble) -> bool {
        let now = self.began.elapsed().as_secs() + 1;
        self.said[trouble as usize].swap(now, Ordering::Relaxed) != now
    }

    pub(super) fn certificate_reloaded(&self, success: bool) {
        self.tls_reloads.get_or_create(&ResultLabel::of(success)).inc();
    }

    pub(super) fn policy_reloaded(&self, success: bool) {
        self.policy_reloads.get_or_create(&ResultLabel::of(success)).inc();
    }

    /// What the last look at the registration found.
    pub(super) fn registered(&self, is_registered: bool) {
        self.registered.get_or_create(&[]).set(is_registered.into());
    }

    /// A review of so many bytes has been read.
    pub(super) fn read(&self, bytes: usize) {
        self.bytes.observe(bytes as f64);
    }

    /// A verdict took so long.
    pub(super) fn evaluated(&self, took: Duration) {
        self.evaluations.observe(took.as_secs_f64());
    }

    /// A connection is open until what is given back goes.
    pub(super) fn connection(&self) -> Open {
        Open::new(&self.connections)
    }

    /// A request is being answered until what is given back goes.
    pub(super) fn request(&self) -> Open {
        Open::new(&self.in_flight)
    }

    /// How many connections are open.
    pub(super) fn open_connections(&self) -> i64 {
        self.connections.get()
    }

    /// The certificate of this role holds until then.
    pub(super) fn holds(&self, role: &'static str, until: Timestamp) {
        self.not_after.get_or_create(&RoleLabel { role }).set(until.as_second());
    }

    /// All metrics; `policy` names the policy that holds.
    pub(super) fn text(&self, policy: &str) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = encode(&mut text, &self.registry);
        let end = text.rfind("# EOF").unwrap_or(text.len());
        let mut own = String::new();
        let _ = write!(
            own,
            "# HELP volcheck_policy The policy that holds.\n# TYPE volcheck_policy info\nvolcheck_policy_info{{hash=\"{policy}\"}} 1\n"
        );
        text.insert_str(end, &own);
        text
    }
}

pub(super) struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn known(words: &[&'static str], text: &str) -> &'static str {
    words.iter().find(|word| **word == text).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_it_is_registered_is_said_where_it_registers_itself() {
        let metrics = Metrics::new();
        assert!(!metrics.text("0").contains("\nvolcheck_registered"));
        metrics.registered(true);
        assert!(metrics.text("0").contains("\nvolcheck_registered 1\n"), "{}", metrics.text("0"));
    }
}

//! Reports of requests that mode `deny` would deny, for the rollout from `warn` or `audit` to
//! `deny`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

use super::Shared;
use super::log::Rate;
use crate::admission::{self, Decision, Endpoint};

/// The maximum number of namespaces with their own value of the label `namespace`, in addition to
/// the namespaces that the policy names. Each namespace has at most one time series per rule.
const MAX_NAMESPACES: usize = 100;

/// The maximum length of a namespace, in bytes (`ValidateNamespaceName` in
/// `k8s.io/apimachinery/pkg/api/validation`).
const MAX_NAMESPACE_LEN: usize = 63;

/// The label value of namespaces above the limit, and of names that are too long.
const OTHER: &str = "other";

/// Logs and counts the request if it was admitted, but mode `deny` would deny it. Limits the rate
/// of log lines.
pub(super) fn report(shared: &Shared, endpoint: Endpoint, decision: &Decision) {
    if decision.would_deny.is_empty() {
        return;
    }
    let namespace = decision.request.namespace.as_str();
    if shared.log.admits("would-deny", namespace, Rate { burst: 20.0, per_second: 5.0 }) {
        log(endpoint, decision);
    }
    let label = match shared.policies.active().policy.names_namespace(namespace) {
        true => namespace,
        false => shared.metrics.would_deny_namespaces.label(namespace),
    };
    shared.metrics.record_would_deny(label, &decision.would_deny);
}

fn log(endpoint: Endpoint, decision: &Decision) {
    let request = &decision.request;
    info!(
        endpoint = endpoint.as_str(),
        uid = request.uid,
        operation = request.operation,
        resource = request.resource,
        subresource = request.subresource,
        namespace = request.namespace,
        name = request.name,
        user = request.user,
        dry_run = request.dry_run,
        decision = decision.outcome.as_str(),
        rules = admission::join_rules(decision.would_deny.iter().copied()),
        severities = admission::join_severities(&decision.findings),
        "would be denied in mode deny"
    );
}

/// The namespaces with their own value of the label `namespace`, in addition to those that the
/// policy names. They are the first [`MAX_NAMESPACES`] in which mode `deny` would have denied a
/// request, without names that are too long. They keep their time series until the server stops, so
/// a user who creates many namespaces cannot displace other namespaces.
#[derive(Default)]
pub(super) struct NamespaceLabels {
    known: Mutex<HashSet<String>>,
    is_limit_logged: AtomicBool,
}

impl NamespaceLabels {
    /// Returns the label value for a namespace. Logs a warning when a namespace is first counted as
    /// `other`.
    fn label<'n>(&self, namespace: &'n str) -> &'n str {
        if namespace.len() <= MAX_NAMESPACE_LEN {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.contains(namespace) {
                return namespace;
            }
            if known.len() < MAX_NAMESPACES {
                known.insert(namespace.to_owned());
                return namespace;
            }
        }
        if !self.is_limit_logged.swap(true, Ordering::Relaxed) {
            warn!(
                max_namespaces = MAX_NAMESPACES,
                "too many namespaces in volcheck_would_deny_total, counting the others as `other`"
            );
        }
        OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_namespaces_never_replace_earlier_ones() {
        let labels = NamespaceLabels::default();
        assert_eq!(labels.label("shop"), "shop");
        assert_eq!(labels.label(""), "");
        let created: Vec<_> = (0..10_000).map(|index| format!("tenant-{index}")).collect();
        let own = created.iter().filter(|namespace| labels.label(namespace) != OTHER);
        assert_eq!(own.count(), MAX_NAMESPACES - 2);
        assert_eq!((labels.label("shop"), labels.label("late")), ("shop", OTHER));
        assert_eq!(NamespaceLabels::default().label(&"n".repeat(64)), OTHER);
    }
}

//! The active policy, which is the last valid policy that was loaded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::policy::{Date, MergedPolicy, Policy, today};

/// A function that loads the policy. It returns an error if the policy is invalid or cannot be
/// read.
pub type PolicySource = Box<dyn Fn() -> anyhow::Result<MergedPolicy> + Send + Sync>;

/// The policy that reviews are checked against.
pub(super) struct ActivePolicy {
    pub(super) policy: Policy,
    /// The hash of the policy, which identifies it in logs, metrics and audit annotations.
    pub(super) hash: String,
}

impl ActivePolicy {
    fn new(policy: MergedPolicy) -> Self {
        Self { hash: policy.hash(), policy: policy.resolve() }
    }
}

pub(super) struct PolicyStore {
    source: PolicySource,
    active: ArcSwap<ActivePolicy>,
    /// The changes of severities that have been announced in the log. Each is announced once.
    announced: Mutex<BTreeSet<String>>,
    /// The error of the last reload, so that each error is logged only once. Empty if the reload
    /// succeeded.
    last_error: Mutex<String>,
}

impl PolicyStore {
    /// Loads the initial policy. Returns an error if the policy is invalid or cannot be read.
    pub(super) fn load(source: PolicySource) -> anyhow::Result<Self> {
        let active = ArcSwap::from_pointee(ActivePolicy::new(source()?));
        let store = Self { source, active, announced: Mutex::default(), last_error: Mutex::default() };
        store.announce_changes(today());
        Ok(store)
    }

    pub(super) fn active(&self) -> Arc<ActivePolicy> {
        self.active.load_full()
    }

    /// Logs the changes of severities that are due soon, except those that have already been
    /// logged.
    fn announce_changes(&self, today: Date) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        for change in self.active().policy.upcoming_changes(today) {
            if announced.insert(change.to_string()) {
                warn!(%change, "the severity of a rule changes soon");
            }
        }
    }

    /// Loads the policy again and activates it if it has changed. Keeps the active policy if the
    /// new one is invalid or cannot be read.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let mut last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = (self.source)();
        metrics.set_policy_file_valid(loaded.is_ok());
        match loaded {
            Ok(policy) => {
                last_error.clear();
                let policy = ActivePolicy::new(policy);
                if policy.hash != self.active().hash {
                    self.active.store(Arc::new(policy));
                    metrics.record_policy_reload(true);
                    info!(policy = self.active().hash, "policy reloaded");
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                if error != *last_error {
                    metrics.record_policy_reload(false);
                    let policy = &self.active().hash;
                    warn!(error, policy, "failed to reload policy, keeping the last valid one");
                    *last_error = error;
                }
            }
        }
        self.announce_changes(today());
    }
}

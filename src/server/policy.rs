//! The policy that holds: the last good one.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::{info, warn};

use super::metrics::Metrics;
use crate::policy::{MergedPolicy, Policy};

/// Where the policy comes from; what is wrong with it, where it can't be used.
pub type Source = Box<dyn Fn() -> anyhow::Result<MergedPolicy> + Send + Sync>;

/// A policy, and what names it.
pub(super) struct Named {
    pub(super) policy: Policy,
    pub(super) hash: String,
}

impl Named {
    fn new(policy: MergedPolicy) -> Self {
        Self { hash: policy.hash(), policy: policy.resolve() }
    }
}

pub(super) struct Policies {
    source: Source,
    now: ArcSwap<Named>,
    /// What was wrong when it was last looked at.
    trouble: Mutex<String>,
}

impl Policies {
    /// The source's policy, which must be right to begin with.
    pub(super) fn new(source: Source) -> anyhow::Result<Self> {
        let now = ArcSwap::from_pointee(Named::new(source()?));
        Ok(Self { source, now, trouble: Mutex::default() })
    }

    pub(super) fn now(&self) -> Arc<Named> {
        self.now.load_full()
    }

    /// Takes the source's policy, where that is another one, and right; else keeps the last good one.
    pub(super) fn reload(&self, metrics: &Metrics) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.source)() {
            Ok(policy) => {
                trouble.clear();
                let named = Named::new(policy);
                if named.hash != self.now().hash {
                    self.now.store(Arc::new(named));
                    metrics.policy_reloaded(true);
                    info!(policy = self.now().hash, "policy reloaded");
                }
            }
            Err(error) => {
                let message = format!("{error:#}");
                if message != *trouble {
                    metrics.policy_reloaded(false);
                    warn!(
                        error = message,
                        policy = self.now().hash,
                        "the new policy can't be used; the last good one holds"
                    );
                    *trouble = message;
                }
            }
        }
    }
}

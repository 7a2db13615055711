//! Metrics of the registration, which exist only if the server registers the webhook itself.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub(super) struct RegistrationMetrics {
    registered: Gauge,
    valid: Gauge,
    repairs: Counter,
}

impl Default for RegistrationMetrics {
    fn default() -> Self {
        let metrics =
            Self { registered: Gauge::default(), valid: Gauge::default(), repairs: Counter::default() };
        // The webhooks to register count as valid until the first check.
        metrics.set_valid(true);
        metrics
    }
}

impl RegistrationMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_registered",
            "Whether the webhook was registered at the last check",
            self.registered.clone(),
        );
        registry.register(
            "registration_valid",
            "Whether the webhooks to register are valid; 0 if they cannot be parsed or the API server refuses them",
            self.valid.clone(),
        );
        registry.register(
            "registration_repairs",
            "Changes of the registration by other clients that this replica has reverted",
            self.repairs.clone(),
        );
    }

    pub(super) fn set_registered(&self, is_registered: bool) {
        self.registered.set(is_registered.into());
    }

    /// Sets whether the webhooks to register are valid. They are invalid if they cannot be parsed
    /// or the API server refuses them.
    pub(super) fn set_valid(&self, is_valid: bool) {
        self.valid.set(is_valid.into());
    }

    pub(super) fn record_repair(&self) {
        self.repairs.inc();
    }
}

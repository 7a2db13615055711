//! Trust in clients, based on their recent requests.
//!
//! A client is trusted if its recent complete reviews far outnumber its failures, which are
//! connections and requests that it did not complete. One review without a failure is enough, so
//! the API server is trusted after its first review. Clients that only open connections, or that
//! announce data and do not send it, are not trusted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ClientId;

/// The time after which a review or a failure counts only half.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// The ratio of complete reviews to failures that a trusted client must exceed.
const MIN_RATIO: f64 = 8.0;

/// The maximum number of clients whose reviews and failures are counted.
const MAX_CLIENTS: usize = 4096;

/// The recent reviews and failures of all clients.
#[derive(Default)]
pub(crate) struct Trust(Mutex<HashMap<ClientId, History>>);

/// The numbers of a client's recent reviews and failures, which decrease over time.
struct History {
    reviews: f64,
    failures: f64,
    updated_at: Instant,
}

impl History {
    /// Reduces the numbers according to the time since the last update.
    fn age(&mut self, now: Instant) {
        let age = now.duration_since(self.updated_at).as_secs_f64();
        let factor = 0.5_f64.powf(age / HALF_LIFE.as_secs_f64());
        self.reviews *= factor;
        self.failures *= factor;
        self.updated_at = now;
    }

    fn is_trusted(&self) -> bool {
        self.reviews > MIN_RATIO * self.failures
    }
}

impl Trust {
    /// Records a review that was received completely and answered.
    pub(crate) fn record_review(&self, client: ClientId) {
        self.update(client, |history| history.reviews += 1.0);
    }

    /// Records a connection or request that the client did not complete.
    pub(crate) fn record_failure(&self, client: ClientId) {
        self.update(client, |history| history.failures += 1.0);
    }

    pub(crate) fn is_trusted(&self, client: ClientId) -> bool {
        self.lock().get(&client).is_some_and(History::is_trusted)
    }

    fn update(&self, client: ClientId, change: impl FnOnce(&mut History)) {
        let now = Instant::now();
        let mut histories = self.lock();
        if histories.len() >= MAX_CLIENTS && !histories.contains_key(&client) {
            // Clients that are not trusted are removed first, so that many of them cannot displace
            // a trusted client.
            let rank = |history: &History| (history.is_trusted(), history.updated_at);
            let oldest = histories.iter().min_by_key(|(_, history)| rank(history)).map(|(client, _)| *client);
            oldest.map(|oldest| histories.remove(&oldest));
        }
        let new = History { reviews: 0.0, failures: 0.0, updated_at: now };
        let history = histories.entry(client).or_insert(new);
        history.age(now);
        change(history);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, History>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(number: u16) -> ClientId {
        let [high, low] = number.to_be_bytes();
        ClientId::Address(IpAddr::from([10, 0, high, low]))
    }

    #[test]
    fn trust_depends_on_the_share_of_failures() {
        let trust = Trust::default();
        assert!(!trust.is_trusted(client(1)));
        trust.record_review(client(1));
        assert!(trust.is_trusted(client(1)));
        trust.record_failure(client(1));
        assert!(!trust.is_trusted(client(1)));
        (0..20).for_each(|_| trust.record_review(client(1)));
        assert!(trust.is_trusted(client(1)));
        assert!(!trust.is_trusted(client(2)));
    }

    #[test]
    fn many_clients_with_failures_do_not_remove_a_trusted_one() {
        let trust = Trust::default();
        trust.record_review(client(0));
        (1..10_000).for_each(|number| trust.record_failure(client(number)));
        assert!(trust.is_trusted(client(0)));
        assert_eq!(trust.lock().len(), MAX_CLIENTS);
    }
}

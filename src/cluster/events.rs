//! Kubernetes Events. Recording never blocks, and Events that exceed a limit are dropped: Events
//! are information for people, and no review or registration may wait for them or fail because of
//! them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as ApiEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tracing::warn;

use super::text::bounded;

/// The maximum number of Events that wait to be sent.
const MAX_QUEUED: usize = 256;

/// The maximum length of `note` in bytes (`NoteLengthLimit` in
/// `k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
const MAX_NOTE_LEN: usize = 1024;

/// The maximum length of `reportingInstance` in bytes (the same file).
const MAX_INSTANCE_LEN: usize = 128;

/// The maximum number of namespaces, and of series of equal Events, that are tracked at the same
/// time.
const MAX_TRACKED: usize = 1024;

/// The maximum number of Events that a namespace gets at once.
const BURST: f64 = 10.0;

/// The time after which a namespace may get one more Event, up to [`BURST`] at once.
const REFILL_INTERVAL: Duration = Duration::from_secs(10);

/// The minimum time between two updates of the count of a series.
const UPDATE_INTERVAL: Duration = Duration::from_secs(30);

/// The time without repetition after which a series ends. A later repetition is a new Event.
const SERIES_TIMEOUT: Duration = Duration::from_secs(600);

/// The interval at which counts are sent and old state is removed.
const TICK: Duration = Duration::from_secs(5);

/// The minimum time between two log lines about lost Events.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The time limit of a request to the API server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// An Event to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The object that the Event is about. The reference must have a namespace, in which the Event
    /// is created. For a Namespace, this is the Namespace itself.
    pub regarding: ObjectReference,
    /// A second object, namespaced or cluster-scoped.
    pub related: Option<ObjectReference>,
    pub is_warning: bool,
    /// The reason, in CamelCase.
    pub reason: &'static str,
    /// The action of volcheck, in CamelCase.
    pub action: &'static str,
    /// The message. Control characters are replaced, and messages of more than 1,024 bytes are
    /// truncated.
    pub note: String,
}

/// Records Events in the background.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    queue: mpsc::Sender<Event>,
    lost: Arc<AtomicU64>,
}

impl EventRecorder {
    /// Starts a task that sends Events with `instance` as the reporting instance. The task ends
    /// when all clones of the recorder are dropped.
    pub fn start(client: Client, instance: String) -> Self {
        let (queue, events) = mpsc::channel(MAX_QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        tokio::spawn(send(client, instance, events, Arc::clone(&lost)));
        Self { queue, lost }
    }

    /// Records an Event. Drops it if too many Events wait to be sent.
    pub fn record(&self, mut event: Event) {
        event.note = bounded(&event.note, MAX_NOTE_LEN);
        if self.queue.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn send(client: Client, instance: String, mut events: mpsc::Receiver<Event>, lost: Arc<AtomicU64>) {
    let mut aggregator = Aggregator::default();
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let (mut last_error, mut logged_at) = (None, None::<Instant>);
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return };
                match aggregator.add(&event, Instant::now()) {
                    AddResult::New(key) => match create(&client, &event, &instance).await {
                        Ok(name) => aggregator.set_name(&key, name),
                        Err(error) => {
                            aggregator.remove(&key);
                            lost.fetch_add(1, Ordering::Relaxed);
                            last_error = Some(format!("{error:#}"));
                        }
                    },
                    AddResult::Repeated => {}
                    AddResult::Limited => {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            _ = ticks.tick() => {
                for update in aggregator.due(Instant::now()) {
                    if let Err(error) = update.send(&client).await {
                        // The Event may have expired. Its next repetition creates a new one.
                        aggregator.remove(&update.key);
                        last_error = Some(format!("{error:#}"));
                    }
                }
            }
        }
        let may_log = logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if may_log && (last_error.is_some() || lost.load(Ordering::Relaxed) > 0) {
            let (count, error) = (lost.swap(0, Ordering::Relaxed), last_error.take());
            warn!(count, error, "Events were not recorded, because of a limit or an error");
            logged_at = Some(Instant::now());
        }
    }
}

/// Creates an Event and returns its name.
async fn create(client: &Client, event: &Event, instance: &str) -> anyhow::Result<String> {
    let namespace = event.regarding.namespace.clone().context("an Event without a namespace")?;
    let api: Api<ApiEvent> = Api::namespaced(client.clone(), &namespace);
    let event = ApiEvent {
        metadata: ObjectMeta { generate_name: Some("volcheck-".to_owned()), ..ObjectMeta::default() },
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some("volcheck.io/webhook".to_owned()),
        reporting_instance: Some(bounded(instance, MAX_INSTANCE_LEN)),
        type_: Some(if event.is_warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(event.reason.to_owned()),
        action: Some(event.action.to_owned()),
        note: Some(event.note.clone()),
        regarding: Some(event.regarding.clone()),
        related: event.related.clone(),
        ..ApiEvent::default()
    };
    let created = time::timeout(REQUEST_TIMEOUT, api.create(&PostParams::default(), &event)).await??;
    created.metadata.name.context("the API server returned an Event without a name")
}

/// The identity of a series of equal Events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    kind: String,
    name: String,
    reason: &'static str,
    note: String,
}

impl Key {
    fn new(event: &Event) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let ObjectReference { namespace, kind, name, .. } = &event.regarding;
        Self {
            namespace: text(namespace),
            kind: text(kind),
            name: text(name),
            reason: event.reason,
            note: event.note.clone(),
        }
    }
}

/// A series of equal Events.
struct Series {
    /// The name of the Event; empty while it is being created.
    name: String,
    count: i32,
    sent_count: i32,
    last_seen: Instant,
    last_observed: Timestamp,
    last_sent: Instant,
}

/// The result of adding an Event to an [`Aggregator`].
#[derive(Debug, PartialEq, Eq)]
enum AddResult {
    /// Create the Event.
    New(Key),
    /// The Event was added to the count of an earlier, equal one.
    Repeated,
    /// The Event exceeds a limit.
    Limited,
}

/// An update of the count of an Event.
struct Update {
    key: Key,
    name: String,
    count: i32,
    last_observed: Timestamp,
}

impl Update {
    async fn send(&self, client: &Client) -> anyhow::Result<()> {
        let api: Api<ApiEvent> = Api::namespaced(client.clone(), &self.key.namespace);
        let last_observed = MicroTime(self.last_observed);
        let patch = json!({"series": {"count": self.count, "lastObservedTime": last_observed}});
        let patch = Patch::Merge(&patch);
        time::timeout(REQUEST_TIMEOUT, api.patch(&self.name, &PatchParams::default(), &patch)).await??;
        Ok(())
    }
}

/// Combines equal Events, and limits the number of Events per namespace.
#[derive(Default)]
struct Aggregator {
    series: HashMap<Key, Series>,
    /// The number of Events that each namespace may still get, and the time of this number.
    allowances: HashMap<String, (f64, Instant)>,
}

impl Aggregator {
    fn add(&mut self, event: &Event, now: Instant) -> AddResult {
        let key = Key::new(event);
        if let Some(series) = self.series.get_mut(&key) {
            series.count = series.count.saturating_add(1);
            (series.last_seen, series.last_observed) = (now, Timestamp::now());
            return AddResult::Repeated;
        }
        if self.series.len() >= MAX_TRACKED || !self.spend(&key.namespace, now) {
            return AddResult::Limited;
        }
        let series = Series {
            name: String::new(),
            count: 1,
            sent_count: 1,
            last_seen: now,
            last_observed: Timestamp::now(),
            last_sent: now,
        };
        self.series.insert(key.clone(), series);
        AddResult::New(key)
    }

    /// Reduces the allowance of a namespace by one Event. Returns false if it is used up, or if too
    /// many namespaces are tracked.
    fn spend(&mut self, namespace: &str, now: Instant) -> bool {
        if self.allowances.len() >= MAX_TRACKED && !self.allowances.contains_key(namespace) {
            return false;
        }
        let (allowance, at) = self.allowances.entry(namespace.to_owned()).or_insert((BURST, now));
        *allowance = replenished(*allowance, *at, now);
        *at = now;
        if *allowance < 1.0 {
            return false;
        }
        *allowance -= 1.0;
        true
    }

    fn set_name(&mut self, key: &Key, name: String) {
        if let Some(series) = self.series.get_mut(key) {
            series.name = name;
        }
    }

    fn remove(&mut self, key: &Key) {
        self.series.remove(key);
    }

    /// Returns the counts to send, and removes the state that is no longer needed.
    fn due(&mut self, now: Instant) -> Vec<Update> {
        let mut updates = Vec::new();
        self.series.retain(|key, series| {
            let is_over = now - series.last_seen >= SERIES_TIMEOUT;
            if series.count > series.sent_count && (is_over || now - series.last_sent >= UPDATE_INTERVAL) {
                (series.sent_count, series.last_sent) = (series.count, now);
                updates.push(Update {
                    key: key.clone(),
                    name: series.name.clone(),
                    count: series.count,
                    last_observed: series.last_observed,
                });
            }
            !is_over
        });
        self.allowances.retain(|_, (allowance, at)| replenished(*allowance, *at, now) < BURST);
        updates
    }
}

/// Returns an allowance after the time between `at` and `now`.
fn replenished(allowance: f64, at: Instant, now: Instant) -> f64 {
    (allowance + (now - at).as_secs_f64() / REFILL_INTERVAL.as_secs_f64()).min(BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(namespace: &str, note: &str) -> Event {
        Event {
            regarding: ObjectReference {
                namespace: Some(namespace.to_owned()),
                ..ObjectReference::default()
            },
            related: None,
            is_warning: true,
            reason: "WouldBeDenied",
            action: "Review",
            note: note.to_owned(),
        }
    }

    #[test]
    fn repeated_events_are_counted() {
        let (mut aggregator, start) = (Aggregator::default(), Instant::now());
        let AddResult::New(key) = aggregator.add(&event("shop", "a"), start) else { panic!("limited") };
        aggregator.set_name(&key, "volcheck-1".to_owned());
        for _ in 0..99 {
            assert_eq!(aggregator.add(&event("shop", "a"), start), AddResult::Repeated);
        }
        assert!(matches!(aggregator.add(&event("shop", "b"), start), AddResult::New(_)));
        assert!(matches!(aggregator.add(&event("bank", "a"), start), AddResult::New(_)));
        assert!(aggregator.due(start + TICK).is_empty());
        let updates = aggregator.due(start + UPDATE_INTERVAL);
        assert_eq!(updates.len(), 1);
        assert_eq!((updates[0].name.as_str(), updates[0].count), ("volcheck-1", 100));
        assert!(aggregator.due(start + UPDATE_INTERVAL * 2).is_empty());
        // After a series has ended, an equal Event starts a new one.
        aggregator.due(start + SERIES_TIMEOUT);
        assert!(aggregator.series.is_empty() && aggregator.allowances.is_empty());
        assert!(matches!(aggregator.add(&event("shop", "a"), start + SERIES_TIMEOUT), AddResult::New(_)));
    }

    #[test]
    fn a_namespace_cannot_exhaust_the_limit_of_others() {
        let (mut aggregator, start) = (Aggregator::default(), Instant::now());
        let mut admitted = |namespace: &str, at: Instant| {
            let is_new = |index: &u32| {
                let event = event(namespace, &format!("{index} {at:?}"));
                matches!(aggregator.add(&event, at), AddResult::New(_))
            };
            (0..100).filter(is_new).count()
        };
        assert_eq!(admitted("flooded", start), 10);
        assert_eq!(admitted("shop", start), 10);
        assert_eq!(admitted("flooded", start + REFILL_INTERVAL * 3), 3);
        assert_eq!(admitted("flooded", start + REFILL_INTERVAL * 1000), 10);
    }

    #[test]
    fn state_is_bounded() {
        let (mut aggregator, start) = (Aggregator::default(), Instant::now());
        for index in 0..3 * MAX_TRACKED {
            let _ = aggregator.add(&event(&index.to_string(), "a"), start);
        }
        assert!(aggregator.series.len() <= MAX_TRACKED && aggregator.allowances.len() <= MAX_TRACKED);
        // The state of idle namespaces is removed.
        aggregator.due(start + SERIES_TIMEOUT);
        assert!(matches!(aggregator.add(&event("late", "a"), start + SERIES_TIMEOUT), AddResult::New(_)));
    }

    #[test]
    fn full_queues_drop_events_without_blocking() {
        let (queue, events) = mpsc::channel(MAX_QUEUED);
        let recorder = EventRecorder { queue, lost: Arc::default() };
        for _ in 0..MAX_QUEUED + 5 {
            recorder.record(event("shop", "a"));
        }
        assert_eq!((recorder.lost.load(Ordering::Relaxed), events.len()), (5, MAX_QUEUED));
    }
}

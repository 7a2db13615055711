//! Notifications about changes of objects in the cluster.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time;
use tracing::warn;

/// The duration of one watch in seconds. Afterwards, a new watch starts.
const WATCH_SECONDS: u32 = 290;

/// The time limit of a watch, in case its connection breaks without an error. It exceeds
/// [`WATCH_SECONDS`], after which the API server ends the watch.
const WATCH_TIMEOUT: Duration = Duration::from_secs(300);

/// The pause after a failed watch.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Watches for changes of single objects. The watches end when this value is dropped.
///
/// A notification can be delayed or lost if the connection to the API server breaks, so the objects
/// must also be read at intervals.
#[derive(Default)]
pub struct Changes {
    changed: Arc<Notify>,
    watches: JoinSet<()>,
}

impl Changes {
    /// Starts to watch the object `name`. `kind` is for the log.
    pub(super) fn watch<K>(&mut self, api: Api<K>, kind: &'static str, name: &str)
    where
        K: Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let (changed, name) = (Arc::clone(&self.changed), name.to_owned());
        self.watches.spawn(async move {
            let mut last_error = String::new();
            loop {
                match time::timeout(WATCH_TIMEOUT, watch_once(&api, &name, &changed)).await {
                    Ok(Ok(())) => last_error.clear(),
                    Ok(Err(error)) => {
                        let error = error.to_string();
                        if error != last_error {
                            warn!(kind, name, error, "watch failed, will retry");
                            last_error = error;
                        }
                        time::sleep(RETRY_PAUSE).await;
                    }
                    Err(_) => {}
                }
            }
        });
    }

    /// Waits until an object has changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Notifies about the current state and each change of the object, until the API server ends the
/// watch.
///
/// RBAC rules with `resourceNames` allow such a watch, because the API server takes the name of the
/// object from the field selector (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`).
async fn watch_once<K>(api: &Api<K>, name: &str, changed: &Notify) -> kube::Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let params = WatchParams::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS)
        .disable_bookmarks();
    // Without a resource version, the watch starts with the current state of the object.
    let mut events = pin!(api.watch_metadata(&params, "").await?);
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Error(status) = event {
            return Err(kube::Error::Api(status));
        }
        changed.notify_one();
    }
    Ok(())
}

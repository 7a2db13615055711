//! The probe, a client of the API server. It checks that the API server enforces the verdicts of
//! the webhook.

use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::time::{self, Instant};

use super::registrar::{FIELD_MANAGER, refusal};
use super::registration::Entries;
use super::text::bounded;

/// The number of consecutive denials, each through a new connection, after which the probe
/// succeeds. With several API servers behind one address, the connections can reach different API
/// servers.
const REQUIRED_DENIALS: u32 = 3;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// The time limit of one request. It exceeds the maximum timeout of a webhook, 30 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// The maximum length of an answer of the API server in messages, in bytes.
const MAX_ANSWER_LEN: usize = 1000;

#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// The namespace of the probing Pod. The webhook must check Pods in this namespace.
    pub namespace: String,
    /// The labels of the probing Pod.
    pub labels: Vec<(String, String)>,
    /// The annotation of a probing Pod. The webhook denies a Pod with this annotation in a dry run.
    pub annotation: &'static str,
    /// The start of the webhook's message. The value of the annotation follows.
    pub denial: &'static str,
    /// The name of the ValidatingWebhookConfiguration, which must exist.
    pub registration: Option<String>,
    /// The webhook entries that the API server must accept in `registration`.
    pub entries: Option<Entries>,
    /// The maximum time until the API server denies the probing Pod.
    pub timeout: Duration,
}

/// Waits until the API server denies a probing Pod because of the webhook. Returns the message of
/// the denial. Calls `report` with each other answer, unless it repeats the last one.
///
/// # Errors
///
/// Returns an error if no cluster is configured, if the registration does not exist, if the API
/// server refuses the entries, or if it has not denied the Pod when the timeout ends.
pub async fn run(settings: &ProbeSettings, mut report: impl FnMut(&str)) -> anyhow::Result<String> {
    let config = Config::infer().await.context("cannot find a cluster")?;
    let deadline = Instant::now() + settings.timeout;
    let (mut denials, mut last_answer) = (0, String::new());
    let mut is_accepted = false;
    loop {
        let attempt = async {
            let client = Client::try_from(config.clone())?;
            if !is_accepted {
                check_registration(&client, settings).await?;
            }
            anyhow::Ok(create_pod(client, settings).await)
        };
        let answer = match time::timeout(REQUEST_TIMEOUT, attempt).await {
            Err(_) => Answer::Other("no answer from the API server".to_owned()),
            Ok(Ok(answer)) => {
                is_accepted = true;
                answer
            }
            Ok(Err(error)) if error.is::<Fatal>() => return Err(error),
            Ok(Err(error)) => Answer::Other(bounded(&format!("{error:#}"), MAX_ANSWER_LEN)),
        };
        match answer {
            Answer::Denied(message) => {
                denials += 1;
                if denials == REQUIRED_DENIALS {
                    return Ok(message);
                }
            }
            Answer::Other(answer) => {
                denials = 0;
                if answer != last_answer {
                    report(&answer);
                    last_answer = answer;
                }
            }
        }
        if Instant::now() + PAUSE >= deadline {
            let timeout = settings.timeout;
            bail!("the API server did not deny the probing Pod within {timeout:?}: {last_answer}");
        }
        time::sleep(PAUSE).await;
    }
}

/// An error that a later attempt cannot resolve.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fatal(String);

/// Checks whether the registration exists, and whether the API server accepts the entries.
async fn check_registration(client: &Client, settings: &ProbeSettings) -> anyhow::Result<()> {
    let Some(name) = &settings.registration else { return Ok(()) };
    let resource = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let fatal = |message: String| Err(Fatal(message).into());
    match api.get(name).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return fatal(format!("ValidatingWebhookConfiguration `{name}` does not exist"));
        }
        result => result?,
    };
    let Some(entries) = &settings.entries else { return Ok(()) };
    let params = PatchParams {
        dry_run: true,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(name, &params, &Patch::Merge(json!({ "webhooks": entries }))).await {
        Ok(_) => Ok(()),
        Err(error) => match refusal(&error) {
            Some(reason) => fatal(format!("the API server refuses the webhooks: {reason}")),
            None => Err(error).with_context(|| format!("ValidatingWebhookConfiguration `{name}`")),
        },
    }
}

/// An answer of the API server to the creation of the probing Pod.
enum Answer {
    /// The webhook denied the Pod.
    Denied(String),
    Other(String),
}

/// Creates the probing Pod in a dry run.
async fn create_pod(client: Client, settings: &ProbeSettings) -> Answer {
    // The nonce distinguishes this denial from denials by other webhooks and denials of other
    // probes.
    let nonce = format!("{:x}", jiff::Timestamp::now().as_nanosecond());
    let pods: Api<Pod> = Api::namespaced(client, &settings.namespace);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let pod = match probing_pod(settings, &nonce) {
        Ok(pod) => pod,
        Err(error) => return Answer::Other(error.to_string()),
    };
    match pods.create(&params, &pod).await {
        Ok(_) => Answer::Other(
            "the API server admits the probing Pod: the webhook is not registered yet, does not check \
             this Pod, or is unreachable with the failure policy `Ignore`"
                .to_owned(),
        ),
        Err(kube::Error::Api(status)) => {
            let message = bounded(&status.message, MAX_ANSWER_LEN);
            if message.contains(&format!("{} `{nonce}`", settings.denial)) {
                Answer::Denied(message)
            } else {
                Answer::Other(message)
            }
        }
        Err(error) => Answer::Other(bounded(&error.to_string(), MAX_ANSWER_LEN)),
    }
}

/// Returns a Pod that other admission controllers rarely reject: it meets the Pod Security level
/// `restricted` and sets requests and limits, as resource quotas may require.
fn probing_pod(settings: &ProbeSettings, nonce: &str) -> serde_json::Result<Pod> {
    let resources = json!({"cpu": "1m", "memory": "1Mi"});
    let labels: serde_json::Map<_, _> =
        settings.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    serde_json::from_value(json!({
        "metadata": {"name": "volcheck-probe", "labels": labels, "annotations": {settings.annotation: nonce}},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": "volcheck",
                "resources": {"requests": resources, "limits": resources},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }))
}

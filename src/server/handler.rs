//! The HTTP handler of the webhook endpoints.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use tokio::time::{self, Instant};
use tracing::{debug, info, warn};

use super::Shared;
use super::body::{RequestBody, read_body};
use super::deadline::time_limit;
use super::error::RequestError;
use super::limits::{ConnectionSlot, LARGE_BODY, MemoryPermit};
use super::log::{LogLimiter, Rate};
use super::metrics::ErrorKind;
use super::policy_store::ActivePolicy;
use super::would_deny;
use crate::admission::{self, Decision, Endpoint, Outcome, ReviewContext};
use crate::finding::Severity;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let route = |endpoint: Endpoint| {
        post(
            move |State(shared): State<Arc<Shared>>,
                  Extension(slot): Extension<Arc<ConnectionSlot>>,
                  request| { handle(shared, slot, endpoint, request) },
        )
    };
    Router::new()
        .route("/validate", route(Endpoint::Validate))
        .route("/validate/deny", route(Endpoint::Strict))
        .route("/advise", route(Endpoint::Advise))
        .fallback(|state| reject_route(state, StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(|state| reject_route(state, StatusCode::METHOD_NOT_ALLOWED))
        .with_state(shared)
}

/// Rejects a request with an unknown path or method.
async fn reject_route(State(shared): State<Arc<Shared>>, status: StatusCode) -> Response {
    shared.metrics.record_error(ErrorKind::Request);
    if shared.log.admits(ErrorKind::Request.as_str(), "", Rate { burst: 1.0, per_second: 1.0 }) {
        warn!(status = status.as_u16(), "unknown path or method");
    }
    status.into_response()
}

async fn handle(
    shared: Arc<Shared>,
    slot: Arc<ConnectionSlot>,
    endpoint: Endpoint,
    request: Request,
) -> Response {
    let received_at = Instant::now();
    let _in_flight = shared.metrics.track_request();
    let deadline = received_at + time_limit(request.uri().query().unwrap_or_default());
    let result = review(&shared, &slot, endpoint, request, received_at, deadline).await;
    let duration = received_at.elapsed();
    match result {
        Ok((decision, permit)) => {
            shared.trust.record_review(slot.client());
            shared.metrics.record_decision(endpoint, &decision, duration);
            log_decision(&shared.log, endpoint, &decision, duration);
            would_deny::report(&shared, endpoint, &decision);
            json_response(&decision, permit)
        }
        Err(error) => {
            shared.metrics.record_request_error(endpoint, error.kind(), duration);
            let (status, message) = (error.status(), error.message());
            if matches!(error, RequestError::Evicted) {
                shared.metrics.record_evicted_body();
            }
            if shared.log.admits("review failed", "", Rate { burst: 10.0, per_second: 1.0 }) {
                warn!(
                    endpoint = endpoint.as_str(),
                    status = status.as_u16(),
                    error = message,
                    "review failed"
                );
            }
            let mut response = (status, format!("{message}\n")).into_response();
            if status == StatusCode::TOO_MANY_REQUESTS {
                // The API server retries only if the response has this header
                // (`k8s.io/client-go/rest`).
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

/// Reads the review in a request and checks it.
async fn review(
    shared: &Arc<Shared>,
    slot: &ConnectionSlot,
    endpoint: Endpoint,
    request: Request,
    received_at: Instant,
    deadline: Instant,
) -> Result<(Decision, MemoryPermit), RequestError> {
    if !is_json(request.headers()) {
        return Err(RequestError::UnsupportedMediaType);
    }
    // Waiting longer for memory or a permit would leave too little time for the check.
    let acquire_by = received_at + (deadline - received_at) / 4;
    let RequestBody { bytes, permit } =
        read_body(shared, slot.client(), request, acquire_by, deadline).await?;
    slot.start_request();
    shared.metrics.record_request_size(bytes.len());
    let text = String::from_utf8(bytes)
        .map_err(|_| RequestError::Malformed("request body is not UTF-8".to_owned()))?;
    let policy = shared.policies.active();
    if text.len() <= LARGE_BODY {
        permit.protect();
        return Ok((check(shared, &text, &policy, endpoint)?, permit));
    }
    let memory = admission::max_memory(text.len());
    let acquire = shared.large_reviews.acquire(slot.client(), memory, acquire_by.max(Instant::now()));
    let running = tokio::select! {
        running = acquire => running.ok_or(RequestError::Overloaded)?,
        () = permit.evicted() => return Err(RequestError::Evicted),
    };
    permit.protect();
    let shared = Arc::clone(shared);
    let (decision, permit, _running) = run_blocking(deadline, move || {
        // Keep both permits until the check ends, even if the deadline passes first.
        let decision = check(&shared, &text, &policy, endpoint)?;
        Ok((decision, permit, running))
    })
    .await?;
    Ok((decision, permit))
}

/// Runs `work` on a blocking thread, where it does not delay other requests, and waits for the
/// result until `deadline`.
async fn run_blocking<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    match time::timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(RequestError::Panic),
        Err(_) => Err(RequestError::DeadlineExceeded),
    }
}

/// Checks the review in `text` against `policy`.
fn check(
    shared: &Shared,
    text: &str,
    policy: &ActivePolicy,
    endpoint: Endpoint,
) -> Result<Decision, RequestError> {
    let started_at = Instant::now();
    let today = crate::policy::today();
    let context = ReviewContext {
        policy: &policy.policy,
        policy_hash: &policy.hash,
        today,
        endpoint,
        message: shared.settings.message.as_deref(),
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| admission::review(text, &context)));
    shared.metrics.record_evaluation(started_at.elapsed());
    match result {
        Ok(decision) => decision.map_err(|error| RequestError::Malformed(error.to_string())),
        Err(_) => Err(RequestError::Panic),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Returns the response, which keeps a permit for its memory until it has been sent.
fn json_response(decision: &Decision, permit: MemoryPermit) -> Response {
    match serde_json::to_vec(&decision.response) {
        Ok(bytes) => {
            permit.resize(bytes.capacity());
            let body = Bytes::from_owner(ResponseBytes { bytes, _permit: permit });
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The bytes of a response and the permit for their memory.
struct ResponseBytes {
    bytes: Vec<u8>,
    _permit: MemoryPermit,
}

impl AsRef<[u8]> for ResponseBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Logs denials at level info, objects that could not be checked at warn, and other verdicts at
/// debug. Limits the rate of lines, except at level debug.
fn log_decision(log: &LogLimiter, endpoint: Endpoint, decision: &Decision, duration: Duration) {
    let request = &decision.request;
    let admits = || {
        let kind = decision.outcome.as_str();
        log.admits(kind, &request.namespace, Rate { burst: 20.0, per_second: 5.0 })
    };
    let rules = || {
        let errors = decision.findings.iter().filter(|finding| finding.severity == Severity::Error);
        admission::join_rules(errors.map(|finding| finding.rule))
    };
    // `tracing` requires a constant level, so the level is a parameter of a macro.
    macro_rules! log_verdict {
        ($level:ident, $message:literal) => {
            $level!(
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
                rules = rules(),
                ms = duration.as_secs_f64() * 1000.0,
                $message
            )
        };
    }
    match decision.outcome {
        Outcome::Allow | Outcome::Warn => log_verdict!(debug, "allowed"),
        Outcome::Deny | Outcome::Error if !admits() => {}
        Outcome::Deny => log_verdict!(info, "denied"),
        Outcome::Error => log_verdict!(warn, "object could not be checked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_work_reports_timeouts_and_panics() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let after = |millis| Instant::now() + Duration::from_millis(millis);
            let (release, stalled) = std::sync::mpsc::channel::<()>();
            let slow = run_blocking(after(10), move || {
                let _ = stalled.recv();
                Ok(())
            });
            assert!(matches!(slow.await, Err(RequestError::DeadlineExceeded)));
            drop(release);
            assert!(matches!(run_blocking(after(60_000), || Ok(1)).await, Ok(1)));
            let panicking =
                run_blocking(after(60_000), || -> Result<(), _> { panic!("expected by the test") });
            assert!(matches!(panicking.await, Err(RequestError::Panic)));
        });
    }
}

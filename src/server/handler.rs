//! The HTTP handler of the webhook endpoints.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::time::{self, Instant};
use tracing::{debug, info, warn};

use super::Shared;
use super::body::read_body;
use super::deadline::time_limit;
use super::error::RequestError;
use super::limits::{ConnectionSlot, LARGE_BODY};
use super::metrics::ErrorKind;
use super::policy_store::ActivePolicy;
use super::would_deny;
use crate::admission::{self, Decision, Endpoint, Outcome, ReviewContext};
use crate::finding::Severity;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let route = |endpoint: Endpoint| {
        post(move |State(shared): State<Arc<Shared>>, request: Request| handle(shared, endpoint, request))
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
    if shared.metrics.should_log(ErrorKind::Request) {
        warn!(status = status.as_u16(), "unknown path or method");
    }
    status.into_response()
}

async fn handle(shared: Arc<Shared>, endpoint: Endpoint, request: Request) -> Response {
    let received_at = Instant::now();
    let _in_flight = shared.metrics.track_request();
    let deadline = received_at + time_limit(request.uri().query().unwrap_or_default());
    let result = review(&shared, endpoint, request, received_at, deadline).await;
    let duration = received_at.elapsed();
    match result {
        Ok(decision) => {
            shared.metrics.record_decision(endpoint, &decision, duration);
            log_decision(endpoint, &decision, duration);
            would_deny::report(&shared, endpoint, &decision);
            json_response(&decision)
        }
        Err(error) => {
            shared.metrics.record_request_error(endpoint, error.kind(), duration);
            let (status, message) = (error.status(), error.message());
            warn!(endpoint = endpoint.as_str(), status = status.as_u16(), error = message, "review failed");
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
    endpoint: Endpoint,
    request: Request,
    received_at: Instant,
    deadline: Instant,
) -> Result<Decision, RequestError> {
    if !is_json(request.headers()) {
        return Err(RequestError::UnsupportedMediaType);
    }
    // Waiting longer for memory or a permit would leave too little time for the check.
    let acquire_by = received_at + (deadline - received_at) / 4;
    let slot = request.extensions().get::<Arc<ConnectionSlot>>().cloned();
    let body = read_body(shared, request, acquire_by, deadline).await?;
    if let Some(slot) = slot {
        slot.set_busy(true);
    }
    shared.metrics.record_request_size(body.bytes.len());
    let text = String::from_utf8(body.bytes)
        .map_err(|_| RequestError::Malformed("request body is not UTF-8".to_owned()))?;
    let policy = shared.policies.active();
    if text.len() <= LARGE_BODY {
        return check(shared, &text, &policy, endpoint);
    }
    let permit = shared.large_reviews.acquire(acquire_by.max(Instant::now())).await;
    let permit = permit.ok_or(RequestError::Overloaded)?;
    let shared = Arc::clone(shared);
    run_blocking(deadline, move || {
        // Hold both permits until the check ends, even if the deadline passes first.
        let _permits = (body.permit, permit);
        check(&shared, &text, &policy, endpoint)
    })
    .await
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

fn json_response(decision: &Decision) -> Response {
    match serde_json::to_vec(&decision.response) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Logs denials at level info, objects that could not be checked at warn, and other verdicts at
/// debug.
fn log_decision(endpoint: Endpoint, decision: &Decision, duration: Duration) {
    let request = &decision.request;
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
        Outcome::Deny => log_verdict!(info, "denied"),
        Outcome::Error => log_verdict!(warn, "object could not be checked"),
        Outcome::Allow | Outcome::Warn => log_verdict!(debug, "allowed"),
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

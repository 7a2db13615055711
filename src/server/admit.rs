//! Reviews: from a request to a verdict, or to the HTTP status that says why there is none.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};
use tracing::{debug, info, warn};

use super::Shared;
use super::metrics::Trouble;
use super::places::Place;
use super::policy::Named;
use super::room::{LARGE, Room, STEP};
use crate::admission::{self, Decision, Endpoint, Outcome, ReviewContext};
use crate::finding::Severity;

/// The deadline where the request says none; the API server's own default is 10 seconds.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(4);

/// What the API server takes at most.
const LONGEST_DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let at = |endpoint: Endpoint| {
        post(move |State(shared): State<Arc<Shared>>, request: Request| handle(shared, endpoint, request))
    };
    Router::new()
        .route("/validate", at(Endpoint::Validate))
        .route("/validate/deny", at(Endpoint::Strict))
        .route("/advise", at(Endpoint::Advise))
        .fallback(|state| no_review(state, StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(|state| no_review(state, StatusCode::METHOD_NOT_ALLOWED))
        .with_state(shared)
}

/// What is asked elsewhere, or otherwise, is no review.
async fn no_review(State(shared): State<Arc<Shared>>, status: StatusCode) -> Response {
    shared.metrics.trouble(Trouble::Request);
    if shared.metrics.is_news(Trouble::Request) {
        warn!(status = status.as_u16(), "no review");
    }
    status.into_response()
}

/// Why a request gets no verdict.
enum Refusal {
    /// Another content type.
    Type,
    /// Too large.
    Large,
    /// No review that could be answered.
    Malformed(String),
    /// The body did not come in time, or not to its end.
    Body,
    /// There is too much to do.
    Busy,
    /// It took too long.
    Late,
    /// A mistake of volcheck's own.
    Panic,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Body => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        Some(match self {
            Self::Type | Self::Malformed(_) => Trouble::Decode,
            Self::Large => Trouble::TooLarge,
            Self::Body | Self::Late => Trouble::Timeout,
            Self::Panic => Trouble::Panic,
            Self::Busy => return None,
        })
    }

    fn message(&self) -> &str {
        match self {
            Self::Type => "the content type is application/json",
            Self::Large => "the review is too large",
            Self::Malformed(message) => message,
            Self::Body => "the body did not come in time",
            Self::Busy => "too much to do; try again",
            Self::Late => "the verdict took too long",
            Self::Panic => "volcheck made a mistake here; its log says which",
        }
    }
}

async fn handle(shared: Arc<Shared>, endpoint: Endpoint, request: Request) -> Response {
    let began = Instant::now();
    let _answering = shared.metrics.request();
    let deadline = began + deadline(request.uri().query().unwrap_or_default());
    match admit(&shared, endpoint, request, began, deadline).await {
        Ok(decision) => {
            let took = began.elapsed();
            shared.metrics.decided(endpoint, &decision, took);
            log(endpoint, &decision, took);
            json(&decision)
        }
        Err(refusal) => {
            let took = began.elapsed();
            shared.metrics.refused(endpoint, refusal.trouble(), took);
            warn!(
                endpoint = endpoint.as_str(),
                status = refusal.status().as_u16(),
                error = refusal.message(),
                "no verdict"
            );
            let mut response = (refusal.status(), format!("{}\n", refusal.message())).into_response();
            if matches!(refusal, Refusal::Busy) {
                // The API server tries again, where it is told when (`k8s.io/client-go/rest`).
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

async fn admit(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    request: Request,
    began: Instant,
    deadline: Instant,
) -> Result<Decision, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::Type);
    }
    // What waits longer than that would leave too little time for the verdict.
    let patience = began + (deadline - began) / 4;
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let (bytes, room) = read(shared, request, patience, deadline).await?;
    if let Some(place) = place {
        place.set_judged(true);
    }
    shared.metrics.read(bytes.len());
    let text =
        String::from_utf8(bytes).map_err(|_| Refusal::Malformed("the body is not UTF-8".to_owned()))?;
    let named = shared.policies.now();
    if text.len() <= LARGE {
        return judge(shared, &text, &named, endpoint);
    }
    let turn = turn(&shared.judging, &shared.queue, patience.max(Instant::now())).await?;
    // A large one would keep the threads that answer from others.
    let shared = Arc::clone(shared);
    apart(deadline, move || {
        // Room and turn are taken until it ends, even where nobody waits for it any more.
        let _taken = (room, turn);
        judge(&shared, &text, &named, endpoint)
    })
    .await
}

/// What `work` gives, off the threads that answer; it is waited for until the deadline.
async fn apart<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match time::timeout_at(deadline, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Refusal::Panic),
        Err(_) => Err(Refusal::Late),
    }
}

fn judge(shared: &Shared, text: &str, named: &Named, endpoint: Endpoint) -> Result<Decision, Refusal> {
    let began = Instant::now();
    let today = crate::policy::today();
    let context = ReviewContext { policy: &named.policy, policy_hash: &named.hash, today, endpoint };
    let judged = panic::catch_unwind(AssertUnwindSafe(|| admission::review(text, &context)));
    shared.metrics.evaluated(began.elapsed());
    match judged {
        Ok(decision) => decision.map_err(|error| Refusal::Malformed(error.to_string())),
        Err(_) => Err(Refusal::Panic),
    }
}

/// The body, and the room that it takes until the verdict is there.
async fn read(
    shared: &Shared,
    request: Request,
    patience: Instant,
    deadline: Instant,
) -> Result<(Vec<u8>, Option<Room>), Refusal> {
    let most = shared.settings.max_body;
    let length: Option<usize> =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body: Body = request.into_body();
    let until = deadline.min(Instant::now() + shared.settings.read_timeout);
    let kept = match length {
        Some(length) if length > most => Err(Refusal::Large),
        _ => keep(shared, &mut body, length, patience, until).await,
    };
    if let Err(Refusal::Large | Refusal::Busy) = kept {
        let _ = time::timeout_at(until, discard(body, most)).await;
    }
    kept
}

/// What comes of the body until its end.
async fn keep(
    shared: &Shared,
    body: &mut Body,
    length: Option<usize>,
    patience: Instant,
    until: Instant,
) -> Result<(Vec<u8>, Option<Room>), Refusal> {
    let mut bytes = Vec::new();
    let mut room = None;
    loop {
        let frame = match time::timeout_at(until, body.frame()).await {
            Err(_) | Ok(Some(Err(_))) => return Err(Refusal::Body),
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok((bytes, room)),
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > shared.settings.max_body {
            return Err(Refusal::Large);
        }
        match &mut room {
            // Not before some of it has come.
            None => {
                let size = length.unwrap_or(data.len());
                let is_large = length.is_none_or(|length| length > LARGE);
                // A small one has room as it comes: what is only promised takes none from the others.
                let size = if is_large { size } else { size.min(data.len() + STEP) };
                let taken = shared.rooms.take(size, is_large, patience.max(Instant::now())).await;
                room = Some(taken.ok_or(Refusal::Busy)?);
            }
            Some(room) => {
                let missing = (bytes.len() + data.len()).saturating_sub(room.size());
                if missing > 0 && !shared.rooms.extend(room, missing + STEP) {
                    return Err(Refusal::Busy);
                }
            }
        }
        if let Some(room) = &room {
            bytes.reserve_exact(room.size() - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

/// Reads on a while, and keeps nothing: a client that is still sending when the connection is closed behind the answer
/// may never see that.
async fn discard(mut body: Body, most: usize) {
    let mut rest = most.saturating_mul(4);
    while let Some(Ok(frame)) = body.frame().await {
        let Some(left) = rest.checked_sub(frame.data_ref().map_or(0, |data| data.len())) else { return };
        rest = left;
    }
}

/// A turn to judge a large one: few at a time, and a queue that isn't long.
async fn turn(
    judging: &Arc<Semaphore>,
    queue: &Semaphore,
    patience: Instant,
) -> Result<OwnedSemaphorePermit, Refusal> {
    if let Ok(turn) = Arc::clone(judging).try_acquire_owned() {
        return Ok(turn);
    }
    // A client that goes while it waits gives its place back.
    let _place = queue.try_acquire().map_err(|_| Refusal::Busy)?;
    let turn = time::timeout_at(patience, Arc::clone(judging).acquire_owned()).await;
    turn.ok().and_then(Result::ok).ok_or(Refusal::Busy)
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// How long the verdict may take: a second less than the API server waits, which rounds up what it says.
fn deadline(query: &str) -> Duration {
    let given = query.split('&').find_map(|pair| pair.strip_prefix("timeout=")).and_then(duration);
    match given {
        Some(given) => {
            let given = given.min(LONGEST_DEADLINE);
            given.saturating_sub(Duration::from_secs(1)).max(given / 2)
        }
        None => DEFAULT_DEADLINE,
    }
}

/// A duration as Go writes it: `10s`, `1m30s`, `500ms`; none for what is none.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, unit) = rest.split_at(end);
        let length = unit.find(|letter: char| letter.is_ascii_digit()).unwrap_or(unit.len());
        let factor = match &unit[..length] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = &unit[length..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

fn json(decision: &Decision) -> Response {
    match serde_json::to_vec(&decision.response) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A line for each denial; for every verdict only where somebody asks for that.
fn log(endpoint: Endpoint, decision: &Decision, took: Duration) {
    let about = &decision.request;
    let rules = || {
        let errors = decision.findings.iter().filter(|finding| finding.severity == Severity::Error);
        admission::join_rules(errors.map(|finding| finding.rule))
    };
    macro_rules! line {
        ($level:ident, $words:literal) => {
            $level!(
                endpoint = endpoint.as_str(),
                uid = about.uid,
                operation = about.operation,
                resource = about.resource,
                subresource = about.subresource,
                namespace = about.namespace,
                name = about.name,
                user = about.user,
                dry_run = about.dry_run,
                decision = decision.outcome.as_str(),
                rules = rules(),
                ms = took.as_secs_f64() * 1000.0,
                $words
            )
        };
    }
    match decision.outcome {
        Outcome::Deny => line!(info, "denied"),
        Outcome::Error => line!(warn, "the object can't be read"),
        Outcome::Allow | Outcome::Warn => line!(debug, "allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_goes_while_it_waits_gives_its_place_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (judging, queue) = (Arc::new(Semaphore::new(1)), Semaphore::new(1));
            let soon = || Instant::now() + Duration::from_millis(1);
            let taken = turn(&judging, &queue, soon()).await.ok().expect("a turn");
            for _ in 0..3 {
                // Polled once, and dropped as the server drops what a closed connection has asked.
                let far = Instant::now() + Duration::from_secs(3600);
                assert!(time::timeout(Duration::ZERO, turn(&judging, &queue, far)).await.is_err());
            }
            assert_eq!(queue.available_permits(), 1);
            let _place = queue.try_acquire().expect("a place");
            assert!(matches!(turn(&judging, &queue, soon()).await, Err(Refusal::Busy)));
            drop(taken);
            assert!(turn(&judging, &queue, soon()).await.is_ok());
        });
    }

    #[test]
    fn a_verdict_that_takes_too_long_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let after = |millis| Instant::now() + Duration::from_millis(millis);
            let (release, stalled) = std::sync::mpsc::channel::<()>();
            let late = apart(after(10), move || {
                let _ = stalled.recv();
                Ok(())
            });
            assert!(matches!(late.await, Err(Refusal::Late)));
            drop(release);
            assert!(matches!(apart(after(60_000), || Ok(1)).await, Ok(1)));
            let mistake = apart(after(60_000), || -> Result<(), _> { panic!("as a mistake would") });
            assert!(matches!(mistake.await, Err(Refusal::Panic)));
        });
    }

    #[test]
    fn the_deadline_leaves_time_for_the_way_back() {
        let of = |query: &str| deadline(query).as_secs_f64();
        for (query, expected) in [
            ("timeout=10s", 9.0),
            ("timeout=5s", 4.0),
            ("timeout=1s", 0.5),
            ("timeout=2s&x=y", 1.0),
            ("x=y&timeout=1m", 29.0),
            ("timeout=1m0s", 29.0),
            ("timeout=500ms", 0.25),
            ("", 4.0),
            ("timeout=", 4.0),
            ("timeout=0s", 4.0),
            ("timeout=5", 4.0),
            ("timeout=-5s", 4.0),
            ("timeout=5y", 4.0),
            ("timeout=99999999999999999999h", 4.0),
            ("timeout=1.5s", 0.75),
        ] {
            assert!((of(query) - expected).abs() < 1e-9, "{query}: {}", of(query));
        }
    }
}

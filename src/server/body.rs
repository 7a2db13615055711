//! Reading of request bodies within the memory budget.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use tokio::time::{self, Instant};

use super::Shared;
use super::error::RequestError;
use super::limits::{ClientId, MemoryError, MemoryPermit};

/// A complete request body and its memory permit, which must be held as long as `bytes` exists.
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    pub(super) permit: MemoryPermit,
}

/// Reads the body of a request of `client`.
///
/// Waits for memory until `acquire_by`. Waits for the body until `deadline`, but at most for the
/// read timeout. Returns an error if the body is too large, does not arrive completely, or does not
/// get memory in time.
pub(super) async fn read_body(
    shared: &Shared,
    client: ClientId,
    request: Request,
    acquire_by: Instant,
    deadline: Instant,
) -> Result<RequestBody, RequestError> {
    let max = shared.settings.max_body;
    let declared_size: Option<usize> =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body: Body = request.into_body();
    let deadline = deadline.min(Instant::now() + shared.settings.read_timeout);
    let result = match declared_size {
        Some(size) if size > max => Err(RequestError::TooLarge),
        _ => read_within_budget(shared, client, &mut body, declared_size, acquire_by, deadline).await,
    };
    if let Err(RequestError::TooLarge | RequestError::Overloaded) = result {
        let _ = time::timeout_at(deadline, discard(body, max)).await;
    }
    result
}

async fn read_within_budget(
    shared: &Shared,
    client: ClientId,
    body: &mut Body,
    declared_size: Option<usize>,
    acquire_by: Instant,
    deadline: Instant,
) -> Result<RequestBody, RequestError> {
    let max = shared.settings.max_body;
    let permit = shared.memory.permit(client);
    let mut bytes = Vec::new();
    loop {
        let frame = match time::timeout_at(deadline, permit.wait_for_client(body.frame())).await {
            Err(_) | Ok(Ok(Some(Err(_)))) => return Err(RequestError::IncompleteBody),
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(Some(Ok(frame)))) => frame,
            Ok(Ok(None)) => return Ok(RequestBody { bytes, permit }),
        };
        let Ok(data): Result<Bytes, _> = frame.into_data() else { continue };
        let size = bytes.len() + data.len();
        if size > max {
            return Err(RequestError::TooLarge);
        }
        if size > bytes.capacity() {
            // The capacity follows the bytes that have arrived, because a declared size is only a
            // promise.
            let capacity = (bytes.capacity() * 2).min(declared_size.unwrap_or(max)).max(size);
            permit.grow(capacity - bytes.capacity(), acquire_by.max(Instant::now())).await?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

impl From<MemoryError> for RequestError {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Timeout => Self::Overloaded,
            MemoryError::Evicted => Self::Evicted,
        }
    }
}

/// Reads and discards the rest of a rejected body, up to four times the maximum size. Otherwise, a
/// client that is still sending when the connection closes might never see the response.
async fn discard(mut body: Body, max: usize) {
    let mut remaining = max.saturating_mul(4);
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, |data| data.len());
        let Some(rest) = remaining.checked_sub(size) else { return };
        remaining = rest;
    }
}

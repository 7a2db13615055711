//! Reading of request bodies within the memory budget.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use tokio::time::{self, Instant};

use super::Shared;
use super::error::RequestError;
use super::limits::{BodyPermit, GROWTH_MARGIN, LARGE_BODY};

/// A complete request body.
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    /// The memory permit of the body, which must be held as long as `bytes` exists. `None` if the
    /// body is empty.
    pub(super) permit: Option<BodyPermit>,
}

/// Reads the body of a request.
///
/// Waits for memory until `acquire_by`. Waits for the body until `deadline`, but at most for the
/// read timeout. Returns an error if the body is too large, does not arrive completely, or does not
/// get memory in time.
pub(super) async fn read_body(
    shared: &Shared,
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
        _ => read_within_budget(shared, &mut body, declared_size, acquire_by, deadline).await,
    };
    if let Err(RequestError::TooLarge | RequestError::Overloaded) = result {
        let _ = time::timeout_at(deadline, discard(body, max)).await;
    }
    result
}

async fn read_within_budget(
    shared: &Shared,
    body: &mut Body,
    declared_size: Option<usize>,
    acquire_by: Instant,
    deadline: Instant,
) -> Result<RequestBody, RequestError> {
    let mut bytes = Vec::new();
    let mut permit = None;
    loop {
        let frame = match time::timeout_at(deadline, body.frame()).await {
            Err(_) | Ok(Some(Err(_))) => return Err(RequestError::IncompleteBody),
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(RequestBody { bytes, permit }),
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > shared.settings.max_body {
            return Err(RequestError::TooLarge);
        }
        match &mut permit {
            // Acquire memory only when the first bytes have arrived.
            None => {
                let is_large = declared_size.is_none_or(|size| size > LARGE_BODY);
                let size = declared_size.unwrap_or(data.len());
                // A small body acquires memory as its bytes arrive, not for its declared size.
                let size = if is_large { size } else { size.min(data.len() + GROWTH_MARGIN) };
                let acquired =
                    shared.body_budget.acquire(size, is_large, acquire_by.max(Instant::now())).await;
                permit = Some(acquired.ok_or(RequestError::Overloaded)?);
            }
            Some(permit) => {
                let missing = (bytes.len() + data.len()).saturating_sub(permit.size());
                if missing > 0 && !permit.try_grow(missing + GROWTH_MARGIN) {
                    return Err(RequestError::Overloaded);
                }
            }
        }
        if let Some(permit) = &permit {
            bytes.reserve_exact(permit.size() - bytes.len());
        }
        bytes.extend_from_slice(&data);
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

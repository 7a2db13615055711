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
/// read timeout. Returns an error if the body is too large, does not arrive completely, does not
/// get memory in time, or loses its memory to another request.
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
    let permit = shared.memory.permit(client, shared.trust.is_trusted(client));
    let mut chunks = Chunks::default();
    loop {
        let frame = match time::timeout_at(deadline, permit.wait_for_client(body.frame())).await {
            Err(_) | Ok(Ok(Some(Err(_)))) => {
                shared.trust.record_failure(client);
                return Err(RequestError::IncompleteBody);
            }
            Ok(Err(error)) => {
                if permit.is_late() {
                    shared.trust.record_failure(client);
                }
                return Err(error.into());
            }
            Ok(Ok(Some(Ok(frame)))) => frame,
            Ok(Ok(None)) => return Ok(RequestBody { bytes: chunks.concat(), permit }),
        };
        let Ok(data): Result<Bytes, _> = frame.into_data() else { continue };
        let size = chunks.len + data.len();
        if size > max {
            return Err(RequestError::TooLarge);
        }
        // Reserve memory only for bytes that have arrived: the client may never send the others.
        let chunk_size = declared_size.unwrap_or(max).min(CHUNK_SIZE);
        let capacity = chunks.capacity();
        if size > capacity {
            let additional = (size - capacity).next_multiple_of(chunk_size.max(1));
            permit.grow(additional, acquire_by.max(Instant::now())).await?;
        }
        chunks.extend(&data, chunk_size);
    }
}

/// The size of a chunk in bytes. Chunks of the same size can reuse each other's memory.
const CHUNK_SIZE: usize = 16 << 10;

/// The bytes of a body that have arrived, in chunks that are full except for the last one. In a
/// single buffer, each growth would leave a hole in the heap.
#[derive(Default)]
struct Chunks {
    chunks: Vec<Vec<u8>>,
    len: usize,
}

impl Chunks {
    fn capacity(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Adds bytes, in new chunks of `chunk_size` bytes if the last chunk is full.
    fn extend(&mut self, mut data: &[u8], chunk_size: usize) {
        self.len += data.len();
        while !data.is_empty() {
            match self.chunks.last_mut().filter(|chunk| chunk.len() < chunk.capacity()) {
                Some(chunk) => {
                    let count = data.len().min(chunk.capacity() - chunk.len());
                    let (start, rest) = data.split_at(count);
                    chunk.extend_from_slice(start);
                    data = rest;
                }
                None => self.chunks.push(Vec::with_capacity(chunk_size.max(1))),
            }
        }
    }

    /// Returns all bytes in one buffer. Frees each chunk after it is copied.
    fn concat(mut self) -> Vec<u8> {
        if self.chunks.len() == 1 {
            return self.chunks.pop().unwrap_or_default();
        }
        let mut bytes = Vec::with_capacity(self.len);
        for chunk in self.chunks {
            bytes.extend_from_slice(&chunk);
        }
        bytes
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

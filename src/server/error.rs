//! Errors that prevent a verdict on a request.

use axum::http::StatusCode;

use super::metrics::ErrorKind;

/// An error that prevents a verdict on a request.
#[derive(Debug)]
pub(super) enum RequestError {
    UnsupportedMediaType,
    TooLarge,
    /// The body is not a valid AdmissionReview.
    Malformed(String),
    /// The deadline passed or the connection failed before the body was complete.
    IncompleteBody,
    Overloaded,
    /// Another request needed the memory of this one.
    Evicted,
    DeadlineExceeded,
    /// A panic in volcheck.
    Panic,
}

impl RequestError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::IncompleteBody => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::Evicted => StatusCode::TOO_MANY_REQUESTS,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the error kind for the metrics. Returns `None` for `Overloaded` and `Evicted`,
    /// which the metrics count as a decision.
    pub(super) fn kind(&self) -> Option<ErrorKind> {
        Some(match self {
            Self::UnsupportedMediaType | Self::Malformed(_) => ErrorKind::Decode,
            Self::TooLarge => ErrorKind::TooLarge,
            Self::IncompleteBody | Self::DeadlineExceeded => ErrorKind::Timeout,
            Self::Panic => ErrorKind::Panic,
            Self::Overloaded | Self::Evicted => return None,
        })
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::UnsupportedMediaType => "content type is not application/json",
            Self::TooLarge => "request body too large",
            Self::Malformed(message) => message,
            Self::IncompleteBody => "request body incomplete",
            Self::Overloaded | Self::Evicted => "overloaded, retry later",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Panic => "internal error, see volcheck's log",
        }
    }
}

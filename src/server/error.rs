//! Errors that prevent a verdict on a request, and the kinds of errors in the metrics.

use axum::http::StatusCode;

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

    /// Returns the error kind for the metrics. Returns `None` for `Overloaded` and `Evicted`, which
    /// the metrics count as requests with the decision `overloaded`, but not as errors.
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

/// The kind of an error, counted in `volcheck_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// A request that is not a valid review.
    Decode,
    /// A review of an object that could not be checked.
    Object,
    /// A request with an unknown path or method.
    Request,
    /// A request body above the maximum size.
    TooLarge,
    /// A request body that did not arrive completely and in time, or a check that exceeded its
    /// deadline.
    Timeout,
    /// A panic in volcheck.
    Panic,
    /// A failed TLS handshake.
    Tls,
    /// A connection without a request, or with invalid HTTP.
    Connection,
    /// A new connection that was closed because of the connection limit. Evicted connections are
    /// not counted.
    ConnectionLimit,
}

impl ErrorKind {
    /// All kinds, in declaration order.
    pub(super) const ALL: [Self; 9] = [
        Self::Decode,
        Self::Object,
        Self::Request,
        Self::TooLarge,
        Self::Timeout,
        Self::Panic,
        Self::Tls,
        Self::Connection,
        Self::ConnectionLimit,
    ];

    /// Returns the name used in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Object => "object",
            Self::Request => "request",
            Self::TooLarge => "too_large",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Tls => "tls",
            Self::Connection => "connection",
            Self::ConnectionLimit => "connection_limit",
        }
    }
}

//! The time limit of a review, from the `timeout` query parameter that the API server sends.

use std::time::Duration;

/// The time limit of a request without a `timeout` parameter. It is below the API server's default
/// timeout of 10 seconds.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(4);

/// The maximum `timeoutSeconds` of a webhook.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns the time limit of a request with the query string `query`.
///
/// The limit is one second below the `timeout` parameter, but at least half of it. The API server
/// rounds the parameter up to whole seconds, so its own timeout can be almost a second shorter.
/// Parameters above [`MAX_TIMEOUT`] count as [`MAX_TIMEOUT`]. Without a valid parameter, returns
/// [`DEFAULT_TIME_LIMIT`].
pub(super) fn time_limit(query: &str) -> Duration {
    let timeout = query.split('&').find_map(|pair| pair.strip_prefix("timeout=")).and_then(parse_go_duration);
    match timeout {
        Some(timeout) => {
            let timeout = timeout.min(MAX_TIMEOUT);
            timeout.saturating_sub(Duration::from_secs(1)).max(timeout / 2)
        }
        None => DEFAULT_TIME_LIMIT,
    }
}

/// Parses a duration in Go's format, such as `10s`, `1m30s` or `500ms`. Returns `None` if it is
/// invalid or zero.
fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let factor = match &tail[..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = &tail[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limit_is_below_the_api_server_timeout() {
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
            let limit = time_limit(query).as_secs_f64();
            assert!((limit - expected).abs() < 1e-9, "{query}: {limit}");
        }
    }
}

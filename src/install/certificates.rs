//! A CA and a serving certificate, for clusters without another issuer.

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rustls::pki_types::ServerName;

use crate::cluster::x509::{self, Validity};

/// The certificates and the private key of the server, in PEM. The private key of the CA is
/// discarded, because anyone who has it can impersonate the webhook.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub ca: String,
    pub cert: String,
    pub key: String,
    /// The day at whose start (UTC) the certificates expire.
    pub expires_on: Date,
}

/// Generates a CA and a serving certificate for DNS names and IP addresses. They are valid from the
/// day before `today`, for clients whose clocks are slow.
pub fn certificates(names: &[String], today: Date, days: u32) -> Result<Certificates, String> {
    if let Some(name) = names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        return Err(format!("`{name}` is not a DNS name or an IP address"));
    }
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).map(|start| start.timestamp());
    let dates = || {
        let expires_on = today.checked_add(i64::from(days).days())?;
        let (not_before, not_after) = (midnight(today.yesterday()?)?, midnight(expires_on)?);
        Ok((expires_on, Validity { not_before, not_after }))
    };
    let (expires_on, validity) = dates().map_err(|error: jiff::Error| error.to_string())?;
    let pair = || {
        let ca = x509::ca(validity)?;
        Ok((x509::serving_certificate(names, &ca, validity)?, ca.cert))
    };
    let (serving, ca) = pair().map_err(|error: rcgen::Error| error.to_string())?;
    Ok(Certificates { ca, cert: serving.cert, key: serving.key, expires_on })
}

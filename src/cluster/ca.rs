//! volcheck's own certificate authority (CA), which is stored in a Secret.
//!
//! The next CA signs certificates only after all API servers have had time to trust it. The
//! previous CA remains trusted until it expires. All serving certificates in use are therefore
//! trusted at all times, unless the current CA expires before a replica can replace it. The
//! functions in this module access neither the cluster nor the clock.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;

use super::x509::{self, CertifiedKeyPem, Validity};

/// The allowance for clock skew. Certificates become valid this long before they are created, for
/// clients whose clock is behind.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(1);

/// The `data` of a Secret.
pub type SecretData = BTreeMap<String, ByteString>;

/// The current, the next and the previous CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// The CA that signs serving certificates.
    pub current: CertifiedKeyPem,
    /// The CA that will become the current one when all API servers trust it.
    pub next: Option<CertifiedKeyPem>,
    /// The certificate of the previous CA, in PEM. It is kept until it expires.
    pub previous: Option<String>,
}

impl CertificateAuthority {
    /// Generates a CA that is valid for `lifetime`.
    pub fn generate(now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<Self> {
        Ok(Self { current: generate(now, lifetime)?, next: None, previous: None })
    }

    /// Reads the CA from a Secret. Returns `None` if the Secret does not contain one yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the Secret is incomplete or has invalid content. The caller must not
    /// replace such a Secret, because it is unknown which CAs the API servers trust.
    pub fn from_secret(data: &SecretData) -> anyhow::Result<Option<Self>> {
        let text = |key: &str| {
            let bytes = data.get(key).map(|bytes| bytes.0.clone());
            bytes.map(String::from_utf8).transpose().with_context(|| format!("{key} is not PEM"))
        };
        let pair = |name: &str| {
            let pair = match (text(&format!("{name}.crt"))?, text(&format!("{name}.key"))?) {
                (None, None) => return Ok(None),
                (Some(cert), Some(key)) => CertifiedKeyPem { cert, key },
                _ => bail!("{name}.crt or {name}.key is missing"),
            };
            Validity::from_pem(&pair.cert).map_err(|error| anyhow::anyhow!("{name}.crt: {error}"))?;
            Ok(Some(pair))
        };
        let (next, previous) = (pair("next")?, text("previous.crt")?);
        match pair("ca")? {
            Some(current) => Ok(Some(Self { current, next, previous })),
            None if next.is_none() && previous.is_none() => Ok(None),
            None => bail!("ca.crt is missing"),
        }
    }

    /// Returns the data to store in the Secret.
    pub fn to_secret(&self) -> SecretData {
        let mut data = SecretData::new();
        let mut put = |key: &str, text: &str| data.insert(key.to_owned(), ByteString(text.into()));
        put("ca.crt", &self.current.cert);
        put("ca.key", &self.current.key);
        if let Some(next) = &self.next {
            put("next.crt", &next.cert);
            put("next.key", &next.key);
        }
        if let Some(previous) = &self.previous {
            put("previous.crt", previous);
        }
        data
    }

    /// Returns the certificates that API servers must trust, in PEM. The bundle does not change
    /// when the next CA becomes the current one, so API servers need not be updated at that point.
    pub fn trust_bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| next.cert.as_str());
        let all = [Some(self.current.cert.as_str()), next, self.previous.as_deref()];
        all.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns the CA after the rotation steps that are due at `now`, or `None` if no step is due.
    /// Returns an error if a stored certificate cannot be parsed.
    ///
    /// The steps are:
    ///
    /// - Generate the next CA when the current one needs renewal.
    /// - Make the next CA the current one when `is_trusted` is true, that is, when all API servers
    ///   have had time to learn the trust bundle.
    /// - Remove the previous CA when it expires.
    /// - If the current CA has expired, generate a new one, and drop the next and the previous CA.
    pub fn rotate(
        &self,
        now: Timestamp,
        lifetime: SignedDuration,
        is_trusted: bool,
    ) -> anyhow::Result<Option<Self>> {
        if not_after(&self.current.cert)? <= now {
            // All certificates that the CA signed have expired, too, so nothing is lost by starting
            // over.
            return Ok(Some(Self::generate(now, lifetime)?));
        }
        let mut rotated = self.clone();
        match &self.next {
            Some(next) if is_trusted => {
                rotated.previous = Some(std::mem::replace(&mut rotated.current, next.clone()).cert);
                rotated.next = None;
            }
            None if needs_renewal(&self.current.cert, now)? => rotated.next = Some(generate(now, lifetime)?),
            _ => {}
        }
        if let Some(previous) = &rotated.previous
            && not_after(previous)? <= now
        {
            rotated.previous = None;
        }
        Ok((rotated != *self).then_some(rotated))
    }

    /// Issues a serving certificate for the DNS name `name`. It expires after `lifetime`, or with
    /// the CA if that is earlier.
    pub fn issue(
        &self,
        name: &str,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> anyhow::Result<CertifiedKeyPem> {
        let not_after = not_after(&self.current.cert)?.min(now + lifetime);
        let validity = Validity { not_before: now - CLOCK_SKEW, not_after };
        Ok(x509::serving_certificate(&[name.to_owned()], &self.current, validity)?)
    }
}

/// Checks whether two thirds of a certificate's lifetime have passed, not counting the allowance
/// for clock skew at its start.
pub fn needs_renewal(cert: &str, now: Timestamp) -> anyhow::Result<bool> {
    let validity = Validity::from_pem(cert).map_err(anyhow::Error::msg)?;
    let created = validity.not_before + CLOCK_SKEW;
    let age = now.duration_since(created);
    Ok(age * 3 >= validity.not_after.duration_since(created) * 2)
}

fn not_after(cert: &str) -> anyhow::Result<Timestamp> {
    Validity::from_pem(cert).map(|validity| validity.not_after).map_err(anyhow::Error::msg)
}

fn generate(now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<CertifiedKeyPem> {
    Ok(x509::ca(Validity { not_before: now - CLOCK_SKEW, not_after: now + lifetime })?)
}

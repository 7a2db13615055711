//! The authority that volcheck is for itself: who signs, who will, who did, as a Secret holds it.
//!
//! A new authority signs only after every API server has been told to trust it, and the old one is trusted until it
//! expires: at each moment what is served is trusted. All of it is a function of what is stored and of the time.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;

use super::issue::{self, Pair, Validity};

/// Clocks differ: what is made holds from so long before.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// What a Secret holds.
pub type Data = BTreeMap<String, ByteString>;

/// Who signs, who will, who did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Signs.
    pub current: Pair,
    /// Will sign, once it is trusted everywhere.
    pub next: Option<Pair>,
    /// Signed until now, in PEM.
    pub previous: Option<String>,
}

impl Authority {
    /// What is stored; none where nothing is, yet.
    ///
    /// # Errors
    ///
    /// Something else is stored: what was trusted can't be told any more.
    pub fn read(data: &Data) -> anyhow::Result<Option<Self>> {
        let text = |key: &str| {
            let bytes = data.get(key).map(|bytes| bytes.0.clone());
            bytes.map(String::from_utf8).transpose().with_context(|| format!("{key} is not PEM"))
        };
        let pair = |name: &str| {
            let pair = match (text(&format!("{name}.crt"))?, text(&format!("{name}.key"))?) {
                (None, None) => return Ok(None),
                (Some(cert), Some(key)) => Pair { cert, key },
                _ => bail!("{name}.crt and {name}.key go together"),
            };
            Validity::of(&pair.cert).map_err(|error| anyhow::anyhow!("{name}.crt: {error}"))?;
            Ok(Some(pair))
        };
        let (next, previous) = (pair("next")?, text("previous.crt")?);
        match pair("ca")? {
            Some(current) => Ok(Some(Self { current, next, previous })),
            None if next.is_none() && previous.is_none() => Ok(None),
            None => bail!("ca.crt is missing"),
        }
    }

    /// What is to be stored.
    pub fn data(&self) -> Data {
        let mut data = Data::new();
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

    /// All that are trusted, in PEM, in an order that doesn't change when the next one begins to sign: the API servers
    /// have nothing to learn then.
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| next.cert.as_str());
        let all = [Some(self.current.cert.as_str()), next, self.previous.as_deref()];
        all.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// An authority from nothing.
    pub fn new(now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<Self> {
        Ok(Self { current: make(now, lifetime)?, next: None, previous: None })
    }

    /// The next step, where one is due; `is_trusted` says that all API servers have known the bundle for long enough.
    pub fn step(
        &self,
        now: Timestamp,
        lifetime: SignedDuration,
        is_trusted: bool,
    ) -> anyhow::Result<Option<Self>> {
        let until =
            |cert: &str| Validity::of(cert).map(|validity| validity.until).map_err(anyhow::Error::msg);
        let current = until(&self.current.cert)?;
        if current <= now {
            // Nothing that it signed is trusted any more: there is nothing to wait for.
            return Ok(Some(Self::new(now, lifetime)?));
        }
        let mut after = self.clone();
        match &self.next {
            Some(next) if is_trusted => {
                after.previous = Some(std::mem::replace(&mut after.current, next.clone()).cert);
                after.next = None;
            }
            None if is_old(&self.current.cert, now)? => after.next = Some(make(now, lifetime)?),
            _ => {}
        }
        if let Some(previous) = &after.previous
            && until(previous)? <= now
        {
            after.previous = None;
        }
        Ok((after != *self).then_some(after))
    }

    /// A certificate for `name`, which doesn't hold longer than who signs it.
    pub fn issue(&self, name: &str, now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<Pair> {
        let end = Validity::of(&self.current.cert).map_err(anyhow::Error::msg)?.until;
        let validity = Validity { from: now - SKEW, until: end.min(now + lifetime) };
        Ok(issue::server(name, &self.current, validity)?)
    }
}

/// Whether two thirds of the time are over for which a certificate was made.
pub fn is_old(cert: &str, now: Timestamp) -> anyhow::Result<bool> {
    let validity = Validity::of(cert).map_err(anyhow::Error::msg)?;
    let made = validity.from + SKEW;
    let age = now.duration_since(made);
    Ok(age * 3 >= validity.until.duration_since(made) * 2)
}

fn make(now: Timestamp, lifetime: SignedDuration) -> anyhow::Result<Pair> {
    Ok(issue::authority(Validity { from: now - SKEW, until: now + lifetime })?)
}

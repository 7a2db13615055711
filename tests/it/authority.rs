//! volcheck as its own authority: what is served is trusted, whoever comes when.
#![cfg(feature = "server")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use volcheck::cluster::authority::{Authority, Data, is_old};
use volcheck::cluster::issue::Validity;

const LIFETIME: SignedDuration = SignedDuration::from_secs(900);
const LEAF: SignedDuration = SignedDuration::from_secs(120);
const OVERLAP: i64 = 60;
/// The longest that an API server takes to learn of a registration.
const LATE: i64 = 50;
/// The longest that a replica takes from one look to the next.
const PERIOD: i64 = 10;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

/// One replica: the bundle that it knows to be registered, since when, and who signed what it serves.
#[derive(Default)]
struct Replica {
    trusted: Option<(String, i64)>,
    /// The certificate, and its authority's.
    serves: Option<(String, String)>,
}

impl Replica {
    /// As `Keeper` and `server::renewal` do it; the bundle that it registers.
    fn round(&mut self, stored: &mut Option<Authority>, now: i64) -> String {
        let is_trusted = |authority: &Authority| {
            let trusted = self.trusted.as_ref().filter(|(bundle, _)| *bundle == authority.bundle());
            trusted.is_some_and(|(_, since)| now - since >= OVERLAP)
        };
        let after = match &*stored {
            None => Some(Authority::new(at(now), LIFETIME).expect("an authority")),
            Some(before) => before.step(at(now), LIFETIME, is_trusted(before)).expect("a step"),
        };
        if after.is_some() {
            *stored = after;
        }
        let authority = stored.as_ref().expect("an authority");
        let holds = |(cert, by): &(String, String)| {
            *by == authority.current.cert && !is_old(cert, at(now)).expect("a certificate")
        };
        if !self.serves.as_ref().is_some_and(holds) {
            let issued = authority.issue("volcheck.volcheck.svc", at(now), LEAF).expect("a certificate");
            self.serves = Some((issued.cert, authority.current.cert.clone()));
        }
        let bundle = authority.bundle();
        if self.trusted.as_ref().is_none_or(|(trusted, _)| *trusted != bundle) {
            self.trusted = Some((bundle.clone(), now));
        }
        bundle
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Replicas look in any order, one now and then starts anew, and API servers learn late.
    #[test]
    fn what_is_served_is_trusted(
        gaps in prop::collection::vec((1..=PERIOD, 0..3_usize, prop::bool::weighted(0.02)), 300),
    ) {
        let (mut replicas, mut stored, mut now) = ([Replica::default(), Replica::default(), Replica::default()], None, 0);
        // What was registered, and when.
        let mut registered: Vec<(i64, String)> = Vec::new();
        let mut authorities = std::collections::BTreeSet::new();
        for (gap, chosen, is_anew) in gaps {
            now += gap;
            if is_anew {
                replicas[chosen] = Replica::default();
            }
            let bundle = replicas[chosen].round(&mut stored, now);
            // The others look as often as they should.
            if registered.last().is_none_or(|(_, last)| *last != bundle) {
                registered.push((now, bundle));
            }
            for other in (0..3).filter(|other| *other != chosen) {
                let bundle = replicas[other].round(&mut stored, now);
                if registered.last().is_none_or(|(_, last)| *last != bundle) {
                    registered.push((now, bundle));
                }
            }
            authorities.insert(stored.as_ref().expect("an authority").current.cert.clone());
            // An API server knows what was registered so long ago, or anything since.
            let known = registered.iter().rposition(|(since, _)| now - since >= LATE).unwrap_or(0);
            for (_, bundle) in &registered[known..] {
                for (cert, by) in replicas.iter().filter_map(|replica| replica.serves.as_ref()) {
                    prop_assert!(bundle.contains(by.as_str()), "at {now}");
                    prop_assert!(Validity::of(cert).expect("a certificate").until > at(now));
                    prop_assert!(Validity::of(by).expect("an authority").until > at(now));
                }
            }
        }
        prop_assert!(authorities.len() >= now.unsigned_abs() as usize / 800);
    }
}

#[test]
fn what_is_stored_is_read_again_and_nothing_else_is() {
    let authority = Authority::new(at(0), LIFETIME).expect("an authority");
    let old = at(LIFETIME.as_secs() * 2 / 3);
    let next = authority.step(old, LIFETIME, false).expect("a step").expect("the next one");
    let last = next.step(old, LIFETIME, true).expect("a step").expect("the next one signs");
    assert_eq!(last.previous.as_ref(), Some(&authority.current.cert));
    assert_eq!(last.bundle(), next.bundle(), "nothing to learn");
    for authority in [&authority, &next, &last] {
        assert_eq!(Authority::read(&authority.data()).expect("an authority").as_ref(), Some(authority));
    }
    assert_eq!(Authority::read(&Data::new()).expect("nothing"), None);
    for (key, value) in [("ca.crt", "garbage"), ("next.key", ""), ("ca.key", "")] {
        let mut data = next.data();
        if value.is_empty() {
            data.remove(key);
        } else {
            data.insert(key.to_owned(), k8s_openapi::ByteString(value.into()));
        }
        let error = Authority::read(&data).expect_err("refused").to_string();
        assert!(error.contains(key.split('.').next().expect("a name")), "{error}");
    }
}

/// A cluster that slept for longer than anything holds begins anew.
#[test]
fn what_has_expired_is_replaced_at_once() {
    let authority = Authority::new(at(0), LIFETIME).expect("an authority");
    let later = at(LIFETIME.as_secs());
    let anew = authority.step(later, LIFETIME, false).expect("a step").expect("another one");
    assert!(Validity::of(&anew.current.cert).expect("a certificate").until > later);
    assert_eq!((anew.next, anew.previous), (None, None));
}

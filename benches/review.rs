//! Benchmarks of an admission review, compared with parsing its JSON.
//!
//! `cargo bench --bench review`

#[path = "webhook/reviews.rs"]
mod reviews;

use divan::Bencher;
use divan::counter::BytesCount;
use serde::de::IgnoredAny;
use volcheck::admission::{self, Endpoint, ReviewContext};
use volcheck::policy::{Overrides, Policy, Profile};

fn main() {
    divan::main();
}

fn review_json(name: &str) -> String {
    let (_, size) = reviews::SIZES.iter().find(|(known, _)| *known == name).expect("a size");
    reviews::review(*size)
}

fn names() -> [&'static str; 3] {
    reviews::SIZES.map(|(name, _)| name)
}

/// Parses the JSON and discards the values.
#[divan::bench(args = names())]
fn a_json(bencher: Bencher<'_, '_>, name: &str) {
    let json = review_json(name);
    bencher.counter(BytesCount::new(json.len())).bench(|| serde_json::from_str::<IgnoredAny>(&json));
}

/// Reviews the request and serializes the response.
#[divan::bench(args = names())]
fn b_verdict(bencher: Bencher<'_, '_>, name: &str) {
    let json = review_json(name);
    let policy = Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile");
    let context = ReviewContext {
        policy: &policy,
        policy_hash: "0",
        today: volcheck::policy::today(),
        endpoint: Endpoint::Validate,
        message: None,
    };
    bencher.counter(BytesCount::new(json.len())).bench(|| {
        let decision = admission::review(&json, &context).expect("a decision");
        serde_json::to_vec(&decision.response)
    });
}

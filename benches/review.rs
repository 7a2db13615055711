//! What a verdict costs: from the text of a review to the answer's, beside reading the JSON alone.
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

fn text(name: &str) -> String {
    let size = reviews::SIZES.iter().find(|(known, _)| *known == name).expect("a size").1;
    reviews::review(size)
}

fn names() -> [&'static str; 3] {
    reviews::SIZES.map(|(name, _)| name)
}

/// Passes over the JSON, and keeps nothing.
#[divan::bench(args = names())]
fn a_json(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.counter(BytesCount::new(text.len())).bench(|| serde_json::from_str::<IgnoredAny>(&text));
}

/// The verdict, and the answer's text.
#[divan::bench(args = names())]
fn b_verdict(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    let policy = Policy::of_profile(Profile::Recommended, &Overrides::default()).expect("a profile");
    let context = ReviewContext {
        policy: &policy,
        policy_hash: "0",
        today: volcheck::policy::today(),
        endpoint: Endpoint::Validate,
    };
    bencher.counter(BytesCount::new(text.len())).bench(|| {
        let decision = admission::review(&text, &context).expect("a decision");
        serde_json::to_vec(&decision.response)
    });
}

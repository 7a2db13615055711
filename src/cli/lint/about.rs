//! What is said of a run itself, on standard error: `--verbose` and `--timings`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::input::Input;
use crate::policy::Policy;
use crate::report::Counts;

/// How long the parts of a run took.
pub(super) struct Timings {
    last: Instant,
    parts: Vec<(&'static str, Duration)>,
}

impl Timings {
    /// From now on.
    pub(super) fn start() -> Self {
        Self { last: now(), parts: Vec::new() }
    }

    /// Says that a part has ended.
    pub(super) fn end(&mut self, part: &'static str) {
        let now = now();
        self.parts.push((part, now - self.last));
        self.last = now;
    }

    /// A line for each part.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (part, time) in &self.parts {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{part}: {:.1} ms", time.as_secs_f64() * 1000.0);
        }
        text
    }
}

#[expect(clippy::disallowed_methods, reason = "a report never depends on it")]
fn now() -> Instant {
    Instant::now()
}

/// The policy that holds.
pub(super) fn policy(policy: &Policy) -> String {
    let file = policy.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    format!("policy: {file}, profile {}\n", policy.profile)
}

/// What came of the inputs: in sum, or by each.
pub(super) fn inputs(inputs: &[Input], counts: &[Counts], total: &Counts, by_each: bool) -> String {
    let mut text = String::new();
    for (input, counts) in inputs.iter().zip(counts).filter(|_| by_each) {
        let _ = writeln!(text, "{}: {}", crate::model::printable(&input.name), seen(counts));
    }
    let _ = writeln!(text, "files: {}, {}", total.files, seen(total));
    text
}

fn seen(counts: &Counts) -> String {
    let Counts { objects, objects_with_volumes, other_documents, .. } = counts;
    format!("objects: {objects}, with volumes: {objects_with_volumes}, other documents: {other_documents}")
}

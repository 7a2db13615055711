//! `--verbose` and `--timings`: information about the run, on standard error.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::input::Input;
use crate::lint::Counts;
use crate::policy::Policy;

/// The duration of each phase of a run.
pub(super) struct Timings {
    last: Instant,
    phases: Vec<(&'static str, Duration)>,
}

impl Timings {
    /// Starts the first phase.
    pub(super) fn start() -> Self {
        Self { last: now(), phases: Vec::new() }
    }

    /// Ends a phase and starts the next one.
    pub(super) fn end(&mut self, phase: &'static str) {
        let now = now();
        self.phases.push((phase, now - self.last));
        self.last = now;
    }

    /// Returns one line per phase.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (phase, time) in &self.phases {
            // Writing to a string never fails.
            let _ = writeln!(text, "{phase}: {:.1} ms", time.as_secs_f64() * 1000.0);
        }
        text
    }
}

#[expect(clippy::disallowed_methods, reason = "timings are not part of a report")]
fn now() -> Instant {
    Instant::now()
}

/// Returns a line with the policy file and the profile.
pub(super) fn policy(policy: &Policy) -> String {
    let file = policy.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    format!("policy: {file}, profile {}\n", policy.profile)
}

/// Returns one line with the counts of the run. If `per_input` is set, lines with the counts of
/// each input precede it.
pub(super) fn inputs(inputs: &[Input], counts: &[Counts], total: &Counts, per_input: bool) -> String {
    let mut text = String::new();
    for (input, counts) in inputs.iter().zip(counts).filter(|_| per_input) {
        let _ = writeln!(text, "{}: {}", crate::model::printable(&input.name), counted(counts));
    }
    let _ = writeln!(text, "files: {}, {}", total.files, counted(total));
    text
}

fn counted(counts: &Counts) -> String {
    let Counts { objects, objects_with_volumes, other_documents, .. } = counts;
    format!("objects: {objects}, with volumes: {objects_with_volumes}, other documents: {other_documents}")
}

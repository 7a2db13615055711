//! Runs a case and compares the result with its expectations.

use std::collections::{HashMap, HashSet};

use super::document::ExpectedFinding;
use super::{Case, ExpectedFindings, PolicyTest, review};
use crate::finding::{Finding, Severity};
use crate::lint::{Manifest, Options, Outcome, Role, check};
use crate::model::printable;
use crate::policy::{Date, MergedPolicy, Policy};
use crate::source::File;

/// The results of policy tests.
#[derive(Debug, Default)]
pub struct Results {
    /// The lines about the cases.
    lines: String,
    total: usize,
    /// The number of cases that failed.
    pub failed: usize,
}

impl Results {
    /// Returns the results as text: a line for each case, its differences from the expectations,
    /// and the numbers of cases.
    pub fn text(&self) -> String {
        let noun = if self.total == 1 { "case" } else { "cases" };
        let summary = match self.failed {
            0 => format!("{} {noun} passed.\n", self.total),
            failed => format!("{failed} of {} {noun} failed.\n", self.total),
        };
        self.lines.clone() + &summary
    }

    fn add(&mut self, file: &str, name: &str, differences: &[String]) {
        let status = if differences.is_empty() { "ok  " } else { "FAIL" };
        self.lines.push_str(&format!("{status}  {}: {}\n", printable(file), printable(name)));
        differences.iter().for_each(|line| self.lines.push_str(&format!("      {line}\n")));
        self.total += 1;
        self.failed += usize::from(!differences.is_empty());
    }
}

impl PolicyTest {
    /// Runs the cases with a policy, and adds the results to `results`. `today` is the current
    /// date.
    pub fn run(&self, policy: MergedPolicy, today: Date, results: &mut Results) {
        let (hash, policy) = (policy.hash(), policy.resolve());
        for case in &self.cases {
            results.add(&self.name, &case.name, &case.differences(&policy, &hash, today));
        }
    }
}

impl Case {
    /// Runs the case with a policy, and returns the differences from the expectations.
    fn differences(&self, policy: &Policy, policy_hash: &str, today: Date) -> Vec<String> {
        let mut policy = policy.clone();
        if let Some(namespace) = &self.namespace {
            policy.namespace.clone_from(namespace);
        }
        let today = self.today.unwrap_or(today);
        let (name, bytes) = &self.manifest;
        let manifest = Manifest { name, bytes: bytes.clone(), role: Role::File };
        let options = Options {
            policy: &policy,
            today,
            with_ignores: true,
            parse_all: true,
            with_volumes: false,
            as_admission: false,
            excludes: None,
        };
        let outcome = check(manifest, &options);
        let mut differences = Vec::new();
        if outcome.counts.objects == 0 && outcome.unchecked.is_empty() {
            differences.push(format!("{} contains no Kubernetes objects", printable(name)));
        }
        if let Some(expected) = &self.findings {
            differences.extend(expected.differences(&outcome));
        }
        if let Some(expected) = &self.verdict {
            let context = review::context(&policy, policy_hash, today);
            let file = File::decode(name.as_str(), bytes.clone()).map_err(|error| error.to_string());
            match file.and_then(|file| review::verdict(file.text(), expected, &context)) {
                Ok((verdict, _)) if verdict == expected.verdict => {}
                Ok((verdict, reason)) => differences.push(format!(
                    "verdict: expected {}, found {}{reason}",
                    expected.verdict.name(),
                    verdict.name()
                )),
                Err(message) => differences.push(format!("verdict: {message}")),
            }
        }
        differences
    }
}

impl ExpectedFindings {
    /// Returns a line for each finding that is missing (`-`) or not expected (`+`).
    fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let unchecked = outcome.unchecked.iter().map(|unchecked| &unchecked.located);
        let located = outcome.findings.iter().chain(unchecked);
        let mut found: Vec<&Finding> = located.map(|located| &located.finding).collect();
        found.retain(|finding| finding.severity >= self.min_severity);
        let mut matching = Matching { expected: &self.findings, found: &found, matches: HashMap::new() };
        let missing: Vec<_> = (0..self.findings.len())
            .filter(|index| !matching.assign(*index, &mut HashSet::new()))
            .map(|index| format!("- {}", self.findings[index].describe()))
            .collect();
        let matched: HashSet<usize> = matching.matches.into_keys().collect();
        let mut differences = missing;
        if !self.allows_others {
            let others = found.iter().enumerate().filter(|(index, _)| !matched.contains(index));
            let mut found: Vec<&Finding> = others.map(|(_, finding)| *finding).collect();
            found.sort_by(|a, b| (b.severity, a.rule).cmp(&(a.severity, b.rule)));
            differences.extend(found.into_iter().map(|finding| format!("+ {}", describe(finding))));
        }
        differences
    }
}

/// A maximum matching between expectations and findings.
struct Matching<'f> {
    expected: &'f [ExpectedFinding],
    found: &'f [&'f Finding],
    /// The expectation of each matched finding, by index.
    matches: HashMap<usize, usize>,
}

impl Matching<'_> {
    /// Finds a finding for an expectation. Other expectations may get another finding instead of
    /// theirs. Returns false if there is no such finding. `visited` contains the findings that were
    /// considered.
    fn assign(&mut self, expected: usize, visited: &mut HashSet<usize>) -> bool {
        for (index, finding) in self.found.iter().enumerate() {
            if !self.expected[expected].matches(finding) || !visited.insert(index) {
                continue;
            }
            let current = self.matches.get(&index).copied();
            if current.is_none_or(|current| self.assign(current, visited)) {
                self.matches.insert(index, expected);
                return true;
            }
        }
        false
    }
}

impl ExpectedFinding {
    fn matches(&self, finding: &Finding) -> bool {
        finding.rule == *self.rule
            && finding.severity == self.severity
            && self.field.as_ref().is_none_or(|field| *field == finding.primary.path.to_string())
            && self.path.as_ref().is_none_or(|path| *path == finding.fingerprint.path)
    }

    fn describe(&self) -> String {
        let field = self.field.iter().map(|field| format!(", field {field}"));
        let path = self.path.iter().map(|path| format!(", path {path}"));
        line(self.severity, &self.rule, &field.chain(path).collect::<String>())
    }
}

fn describe(finding: &Finding) -> String {
    let field = match finding.primary.path.is_root() {
        true => String::new(),
        false => format!(", field {}", finding.primary.path),
    };
    let path = match finding.fingerprint.path.as_str() {
        "" => String::new(),
        path => format!(", path {path}"),
    };
    line(finding.severity, finding.rule.as_str(), &format!("{field}{path}: {}", finding.message))
}

fn line(severity: Severity, rule: &str, rest: &str) -> String {
    printable(&format!("{severity} {rule}{rest}")).into_owned()
}

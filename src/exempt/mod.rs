//! `volcheck exempt`: edits of the policy or of manifests that suppress selected findings.
//!
//! [`plan`] returns edits that suppress the selected findings and no others. It refuses findings
//! for which there are no such edits. It writes no files.

mod manifest;
mod plan;
mod policy;
mod selection;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::finding::{Ignores, SuppressedBy};
use crate::fix::FileEdit;
use crate::input::{Input, InputSource};
use crate::lint::{LocatedFinding, Report};
use crate::policy::{Date, ExemptionDraft, Narrowness, Policy};
use crate::source::edit::apply;
use crate::source::{File, parse, split_documents};
use crate::suppress::is_ignorable;

use plan::{describe, position};

pub use plan::Plan;
pub use selection::{ObjectName, Selection};

/// The form in which findings are suppressed.
#[derive(Clone, Debug)]
pub enum Form {
    /// Exemptions with this expiry date in a policy file. The text is `None` if the file does not
    /// exist.
    Policy { path: PathBuf, text: Option<String>, expires: Date },
    /// Comments in manifests.
    Comment,
    /// Annotations of objects.
    Annotation,
}

/// The default number of days until an exemption expires.
const DEFAULT_DAYS: i64 = 180;

impl Form {
    /// Returns the form for exemptions in a policy file. `expires` is the expiry date, if the user
    /// sets one. Returns an error if it is in the past.
    pub fn policy(
        path: PathBuf,
        text: Option<String>,
        expires: Option<Date>,
        today: Date,
    ) -> anyhow::Result<Self> {
        let expires = match expires {
            Some(day) if day < today => bail!("--expires {day} is in the past"),
            Some(day) => day,
            None => today.checked_add(jiff::Span::new().days(DEFAULT_DAYS))?,
        };
        Ok(Self::Policy { path, text, expires })
    }

    /// Checks whether the policy file exists, but contains no document.
    pub fn has_blank_policy(&self) -> bool {
        match self {
            Self::Policy { text: Some(text), .. } => {
                split_documents(text).iter().all(|chunk| matches!(parse(text, chunk.range.clone()), Ok(None)))
            }
            Self::Policy { text: None, .. } | Self::Comment | Self::Annotation => false,
        }
    }
}

/// The parameters of a plan.
#[derive(Debug)]
pub struct Request<'r> {
    pub form: Form,
    pub reason: &'r str,
    /// The policy and the inputs of the run that reported the findings.
    pub policy: &'r Policy,
    pub inputs: &'r [Input],
}

/// Plans the edits that suppress `selected`, which are findings of `report`, and the findings that
/// their exemptions reveal. Refuses findings that cannot be suppressed without
/// suppressing others. `check` returns the report of a run with the edits.
///
/// # Errors
///
/// Returns an error if the edits would not suppress all findings that are not refused, or if they
/// would change other findings.
pub fn plan(
    report: &Report,
    selected: Vec<LocatedFinding>,
    request: &Request<'_>,
    check: &dyn Fn(&[FileEdit]) -> anyhow::Result<Report>,
) -> anyhow::Result<Plan> {
    let (mut wanted, mut blocked) = (selected, Vec::new());
    loop {
        let mut plan = request.plan(report, &wanted);
        plan.refused.append(&mut blocked.clone());
        plan.refused.sort_by(|(a, _), (b, _)| a.order(b));
        if plan.edits.is_empty() {
            return Ok(plan);
        }
        let after = check(&plan.edits)?;
        let (before, after) = (all(report), all(&after));
        let exempted: Vec<_> = plan.exempted.iter().collect();
        let expected = difference(&before, &exempted);
        let unexpected = difference(&after, &expected);
        let missing = difference(&expected, &after);
        // The engine reports only the most severe finding of a family about a volume. Exempting it
        // reveals the next one.
        let is_revealed = |found: &&&LocatedFinding| {
            exempted.iter().any(|other| is_same_family(found, other))
                && !contains(&wanted, found)
                && !contains(blocked.iter().map(|(located, _)| located), found)
        };
        let revealed: Vec<_> = unexpected.iter().filter(is_revealed).map(|found| (*found).clone()).collect();
        let others = wanted.iter().filter_map(|located| {
            let other = missing.iter().find(|other| is_same_rule_and_object(other, located))?;
            let problem = format!("this would also suppress another finding, at {}", position(other));
            Some((located.clone(), problem))
        });
        let now_blocked: Vec<_> = others.collect();
        if revealed.is_empty() && now_blocked.is_empty() {
            verify(&exempted, &unexpected, &missing)?;
            return Ok(plan);
        }
        wanted.retain(|located| !missing.iter().any(|other| is_same_rule_and_object(other, located)));
        wanted.extend(revealed);
        blocked.extend(now_blocked);
    }
}

/// Returns an error if there are unexpected or missing findings.
fn verify(
    exempted: &[&LocatedFinding],
    unexpected: &[&LocatedFinding],
    missing: &[&LocatedFinding],
) -> anyhow::Result<()> {
    let first = |found: &[&LocatedFinding]| found.first().map(|located| describe(located));
    if let Some(other) = first(missing) {
        bail!(
            "nothing was written, because this finding is not selected, but would be suppressed, too: {other}"
        );
    }
    if let Some(still) = unexpected.iter().find(|found| contains(exempted.iter().copied(), found)) {
        bail!("nothing was written, because this finding would still be reported: {}", describe(still));
    }
    if let Some(new) = first(unexpected) {
        bail!("nothing was written, because it would cause this finding: {new}");
    }
    Ok(())
}

fn all(report: &Report) -> Vec<&LocatedFinding> {
    report.findings.iter().chain(&report.errors).collect()
}

/// Returns the findings that are not in `selected`, including findings that an ignore or the
/// baseline suppresses.
fn other_findings<'r>(report: &'r Report, selected: &[LocatedFinding]) -> Vec<&'r LocatedFinding> {
    let is_exempted = |located: &&LocatedFinding| {
        located.suppressed.as_ref().is_some_and(|suppression| suppression.by == SuppressedBy::Exemption)
    };
    let suppressed = report.suppressed.iter().filter(|located| !is_exempted(located));
    let findings: Vec<_> = report.findings.iter().chain(suppressed).collect();
    difference(&findings, &selected.iter().collect::<Vec<_>>())
}

/// Returns the identity of a finding. It does not depend on lines, which edits can change.
fn identity(LocatedFinding { finding, location, .. }: &LocatedFinding) -> String {
    let (object, path) = (&finding.object, &finding.primary.path);
    format!(
        "{}\n{}\n{object:?}\n{path}\n{:?}\n{}",
        location.path, finding.rule, finding.fingerprint, finding.message
    )
}

/// Returns the findings that `others` does not contain. Each of the others removes one finding.
fn difference<'f>(findings: &[&'f LocatedFinding], others: &[&LocatedFinding]) -> Vec<&'f LocatedFinding> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for other in others {
        *counts.entry(identity(other)).or_default() += 1;
    }
    let mut kept = findings.to_vec();
    kept.retain(|found| match counts.get_mut(&identity(found)).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            false
        }
        None => true,
    });
    kept
}

fn contains<'f>(findings: impl IntoIterator<Item = &'f LocatedFinding>, other: &LocatedFinding) -> bool {
    let identity_of_other = identity(other);
    findings.into_iter().any(|found| identity(found) == identity_of_other)
}

/// Checks whether two findings have the same rule, and are about the same object.
fn is_same_rule_and_object(a: &LocatedFinding, b: &LocatedFinding) -> bool {
    a.finding.rule == b.finding.rule && a.object == b.object && a.location.path == b.location.path
}

/// Checks whether two findings are about the same volume and of the same family.
fn is_same_family(a: &LocatedFinding, b: &LocatedFinding) -> bool {
    a.finding.family.is_some()
        && a.finding.family == b.finding.family
        && a.finding.object == b.finding.object
        && a.finding.primary.path == b.finding.primary.path
        && a.location.path == b.location.path
}

impl Request<'_> {
    fn plan(&self, report: &Report, findings: &[LocatedFinding]) -> Plan {
        match &self.form {
            Form::Policy { path, text, expires } => {
                self.in_policy(report, findings, path, text.as_deref(), *expires)
            }
            Form::Comment | Form::Annotation => self.in_manifests(findings),
        }
    }

    fn in_policy(
        &self,
        report: &Report,
        findings: &[LocatedFinding],
        path: &Path,
        text: Option<&str>,
        expires: Date,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut drafts = Vec::new();
        for located in findings {
            match self.draft(located, Narrowness::Path, expires) {
                Ok(draft) => {
                    drafts.push(draft);
                    plan.exempted.push(located.clone());
                }
                Err(problem) => plan.refused.push((located.clone(), problem)),
            }
        }
        if drafts.is_empty() {
            return plan;
        }
        let others = other_findings(report, findings);
        let edited = self
            .merged(drafts, &plan.exempted, &others, expires)
            .and_then(|drafts| policy::add(text.unwrap_or_default(), &drafts));
        match edited {
            Ok(after) => {
                let (name, before) = (path.display().to_string(), text.map(str::to_owned));
                plan.edits.push(FileEdit { path: Some(path.to_owned()), name, before, after });
            }
            Err(problem) => {
                let problem = format!("{} cannot be edited: {problem}", path.display());
                plan.refused.extend(plan.exempted.drain(..).map(|located| (located, problem.clone())));
            }
        }
        plan
    }

    fn draft(
        &self,
        located: &LocatedFinding,
        narrowness: Narrowness,
        expires: Date,
    ) -> Result<ExemptionDraft, String> {
        ExemptionDraft::new(&located.finding, narrowness, self.reason, expires)
    }

    /// Merges exemptions for `findings`, and narrows those that would also match one of the others.
    fn merged(
        &self,
        drafts: Vec<ExemptionDraft>,
        findings: &[LocatedFinding],
        others: &[&LocatedFinding],
        expires: Date,
    ) -> Result<Vec<ExemptionDraft>, String> {
        let is_exact = |draft: &ExemptionDraft| !others.iter().any(|other| draft.matches(&other.finding));
        let (mut exact, wide): (Vec<_>, Vec<_>) =
            ExemptionDraft::merge(drafts)?.into_iter().partition(is_exact);
        let is_wide = |located: &&LocatedFinding| wide.iter().any(|draft| draft.matches(&located.finding));
        let narrow = findings.iter().filter(is_wide);
        let narrow = narrow.map(|located| self.draft(located, Narrowness::Finding, expires));
        exact.extend(ExemptionDraft::merge(narrow.collect::<Result<_, _>>()?)?);
        Ok(exact)
    }

    fn in_manifests(&self, findings: &[LocatedFinding]) -> Plan {
        let mut plan = Plan::default();
        let mut by_file: BTreeMap<&str, Vec<&LocatedFinding>> = BTreeMap::new();
        for located in findings {
            match self.why_not_in_manifest(located) {
                Some(problem) => plan.refused.push((located.clone(), problem)),
                None => by_file.entry(&located.location.path).or_default().push(located),
            }
        }
        for (name, found) in by_file {
            let editable = self.editable(name, &found);
            let (path, file) = match editable {
                Ok(editable) => editable,
                Err(problem) => {
                    plan.refused.extend(found.iter().map(|located| ((*located).clone(), problem.clone())));
                    continue;
                }
            };
            let mut refused = Vec::new();
            let edits = match self.form {
                Form::Annotation => manifest::annotations(file, &found, self.reason, &mut refused),
                Form::Comment | Form::Policy { .. } => {
                    manifest::comments(file, &found, self.reason, &mut refused)
                }
            };
            let is_refused = |located: &&&LocatedFinding| {
                refused.iter().any(|(other, _): &(&LocatedFinding, _)| std::ptr::eq(*other, **located))
            };
            plan.exempted.extend(found.iter().filter(|located| !is_refused(located)).copied().cloned());
            plan.refused.extend(refused.into_iter().map(|(located, problem)| (located.clone(), problem)));
            if !edits.is_empty() {
                let after = apply(file.text(), &edits);
                let before = Some(file.text().to_owned());
                plan.edits.push(FileEdit { path: Some(path.clone()), name: name.to_owned(), before, after });
            }
        }
        plan
    }

    /// Returns the reason why neither a comment nor an annotation can suppress the finding, or
    /// `None` if one may.
    fn why_not_in_manifest(&self, located: &LocatedFinding) -> Option<String> {
        let rule = self.policy.rules().find(located.finding.rule.as_str());
        let reason = if rule.is_none_or(|rule| rule.reports_unchecked_input() || rule.checks_config()) {
            "it is not a finding about a manifest"
        } else if located.location.is_rendered {
            "its text is rendered; use `--as policy`"
        } else if !is_ignorable(&located.finding, self.policy) {
            match self.policy.ignores {
                Ignores::None => "the policy sets `ignores: none`",
                Ignores::Warnings | Ignores::All => "the policy sets `ignores: warnings`",
            }
        } else {
            return None;
        };
        Some(reason.to_owned())
    }

    /// Returns the path and the text of a manifest, or the reason why it cannot be edited.
    fn editable<'f>(&self, name: &str, found: &[&'f LocatedFinding]) -> Result<(&PathBuf, &'f File), String> {
        let input = self.inputs.iter().find(|input| input.name == name);
        let file = found.first().and_then(|located| located.location.file.as_deref());
        match (input.map(|input| (input, &input.source)), file) {
            (Some((input, InputSource::File(path))), Some(file)) => match input.read() {
                Ok(bytes) if bytes == file.text().as_bytes() => Ok((path, file)),
                Ok(_) => Err("its file is not in UTF-8, or has changed".to_owned()),
                Err(error) => Err(error.kind.to_string()),
            },
            _ => Err("its input is not a file; use `--as policy`".to_owned()),
        }
    }
}

//! `volcheck policy test`: checks that a policy leads to the expected findings and verdicts.
//!
//! The findings come from `lint`, and the verdicts from `admission`.

mod case;
mod document;
mod review;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::finding::Severity;
use crate::input::{Input, InputSource};
use crate::model::FieldPath;
use crate::policy::{self, Date, Problem, Text, decode_config, parse_config};
use crate::source::File;
use document::{CaseEntry, Document, ExpectedFinding};

pub use case::Results;
pub use document::schema;

/// The verdict of the webhook on the creation of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The objects are admitted without warnings.
    Allow,
    /// The objects are admitted, and the user receives warnings.
    Warn,
    /// An object is denied.
    Deny,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

/// A valid policy test file.
#[derive(Debug)]
pub struct PolicyTest {
    /// The name of the file, as shown to the user.
    name: String,
    /// The policy file to test; `None` if the file does not name one.
    pub policy: Option<PathBuf>,
    cases: Vec<Case>,
}

/// A valid case.
#[derive(Debug)]
struct Case {
    name: String,
    /// The name and the text of the manifest.
    manifest: (String, Vec<u8>),
    /// The date; `None` for the current date.
    today: Option<Date>,
    namespace: Option<String>,
    findings: Option<ExpectedFindings>,
    verdict: Option<ExpectedVerdict>,
}

/// The findings that a case expects.
#[derive(Debug)]
struct ExpectedFindings {
    findings: Vec<ExpectedFinding>,
    min_severity: Severity,
    allows_others: bool,
}

/// The verdict that a case expects, and the request that leads to it.
#[derive(Debug)]
struct ExpectedVerdict {
    verdict: Verdict,
    /// Whether the namespace has the label for mode `deny`.
    is_strict: bool,
    user: String,
    groups: Vec<String>,
}

/// The default user of a case. volcheck treats it like any other user.
const DEFAULT_USER: &str = "kubernetes-admin";

/// The label of namespaces with which the chart sends their Pods to the endpoint `strict`.
const MODE_LABEL: &str = "volcheck.io/mode";

/// Loads the policy test at `path`, or returns all problems in it.
pub fn load(path: &Path) -> Result<PolicyTest, Vec<Problem>> {
    let name: Arc<str> = path.to_string_lossy().into();
    let unreadable = |message: String| {
        let message = format!("could not be read: {message}");
        vec![Problem { path: Arc::clone(&name), location: None, message }]
    };
    let bytes = read(path).map_err(unreadable)?;
    let file = Arc::new(File::decode(&*name, bytes).map_err(|error| unreadable(error.to_string()))?);
    let mut problems = Vec::new();
    let Some(tree) = parse_config(&file, &name, "policy test", &mut problems) else { return Err(problems) };
    let text = Text { name, file: &file, tree: &tree };
    let Some(document) = decode_config::<Document>(&text, &mut problems) else { return Err(problems) };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut loader = Loader { text, directory, problems };
    let test = loader.test(document);
    if loader.problems.is_empty() { Ok(test) } else { Err(loader.problems) }
}

/// Reads a file, or returns the reason why it cannot be read.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let input = Input { name: String::new(), source: InputSource::Path(path.to_owned()) };
    input.read().map_err(|error| error.kind.to_string())
}

struct Loader<'t> {
    text: Text<'t>,
    directory: &'t Path,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn report(&mut self, path: &FieldPath, message: impl Into<String>) {
        self.problems.push(self.text.problem(path, message));
    }

    fn test(&mut self, document: Document) -> PolicyTest {
        let Document { version, policy, today, cases } = document;
        let key = |name: &'static str| FieldPath::from_keys(&[name]);
        if version != 1 {
            self.report(&key("version"), format!("unsupported version {version}, expected 1"));
        }
        let today = self.date(&key("today"), today.as_deref());
        if cases.is_empty() {
            self.report(&key("cases"), "no cases");
        }
        let mut names = BTreeSet::new();
        let mut valid = Vec::new();
        for (index, entry) in cases.into_iter().enumerate() {
            let at = key("cases").index(index);
            if entry.name.trim().is_empty() {
                self.report(&at.key("name"), "empty name");
            } else if !names.insert(entry.name.clone()) {
                self.report(&at.key("name"), format!("duplicate name `{}`", entry.name));
            }
            valid.extend(self.case(&at, entry, today));
        }
        let name = self.text.name.to_string();
        PolicyTest { name, policy: policy.map(|path| self.directory.join(path)), cases: valid }
    }

    /// Checks a case. Returns `None` if its manifest cannot be read.
    fn case(&mut self, at: &FieldPath, entry: CaseEntry, today: Option<Date>) -> Option<Case> {
        self.check_unused_keys(at, &entry);
        let CaseEntry { name, manifest, inline, namespace, verdict, .. } = entry;
        let manifest = self.manifest(at, manifest, inline);
        let today = self.date(&at.key("today"), entry.today.as_deref()).or(today);
        let min_severity = entry.min_severity.unwrap_or(Severity::Warning);
        for (index, finding) in entry.findings.iter().flatten().enumerate() {
            let at = at.key("findings").index(index);
            if let Err(unknown) = policy::rule(&finding.rule) {
                self.report(&at.key("rule"), unknown.to_string());
            }
            if finding.severity < min_severity {
                let message = format!("findings below `{min_severity}` are not compared: set `minSeverity`");
                self.report(&at.key("severity"), message);
            }
        }
        let allows_others = entry.allow_other_findings.unwrap_or(false);
        let findings =
            entry.findings.map(|findings| ExpectedFindings { findings, min_severity, allows_others });
        let labels = entry.namespace_labels.unwrap_or_default();
        let verdict = verdict.map(|verdict| ExpectedVerdict {
            verdict,
            is_strict: labels.get(MODE_LABEL).is_some_and(|mode| mode == "deny"),
            user: entry.user.unwrap_or_else(|| DEFAULT_USER.to_owned()),
            groups: entry.groups.unwrap_or_default(),
        });
        Some(Case { name, manifest: manifest?, today, namespace, findings, verdict })
    }

    /// Reports missing expectations, and keys that have no effect.
    fn check_unused_keys(&mut self, at: &FieldPath, entry: &CaseEntry) {
        if entry.findings.is_none() && entry.verdict.is_none() {
            self.report(at, "no expectation: set `findings` (`[]` for none), `verdict` or both");
        }
        let unused = [
            ("minSeverity", entry.min_severity.is_some(), "findings", entry.findings.is_some()),
            (
                "allowOtherFindings",
                entry.allow_other_findings.is_some(),
                "findings",
                entry.findings.is_some(),
            ),
            ("namespaceLabels", entry.namespace_labels.is_some(), "verdict", entry.verdict.is_some()),
            ("user", entry.user.is_some(), "verdict", entry.verdict.is_some()),
            ("groups", entry.groups.is_some(), "verdict", entry.verdict.is_some()),
        ];
        for (key, is_set, needed, is_given) in unused {
            if is_set && !is_given {
                let problem =
                    self.text.problem_with_key(&at.key(key), format!("no effect without `{needed}`"));
                self.problems.push(problem);
            }
        }
    }

    /// Returns the name and the text of the manifest. Reports a missing or unreadable manifest.
    fn manifest(
        &mut self,
        at: &FieldPath,
        path: Option<String>,
        inline: Option<String>,
    ) -> Option<(String, Vec<u8>)> {
        match (path, inline) {
            (Some(path), None) => {
                let path = self.directory.join(path);
                match read(&path) {
                    Ok(bytes) => Some((path.to_string_lossy().into_owned(), bytes)),
                    Err(reason) => {
                        let message = format!("{} could not be read: {reason}", path.display());
                        self.report(&at.key("manifest"), message);
                        None
                    }
                }
            }
            (None, Some(text)) => Some(("inline.yaml".to_owned(), text.into_bytes())),
            (None, None) => {
                self.report(
                    at,
                    "no manifest: set `manifest` to a path, or `inline` to the text of a manifest",
                );
                None
            }
            (Some(_), Some(_)) => {
                let problem =
                    self.text.problem_with_key(&at.key("inline"), "set either `manifest` or `inline`");
                self.problems.push(problem);
                None
            }
        }
    }

    fn date(&mut self, at: &FieldPath, text: Option<&str>) -> Option<Date> {
        let text = text?;
        let date = text.parse();
        if date.is_err() {
            self.report(at, format!("invalid date `{text}`, expected YYYY-MM-DD"));
        }
        date.ok()
    }
}

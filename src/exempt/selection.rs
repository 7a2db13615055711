//! The findings to exempt.

use std::str::FromStr;

use crate::finding::{Finding, Severity};
use crate::lint::{LocatedFinding, Report};
use crate::policy::PathGlob;
use crate::rules::Rule;

/// The findings to exempt. A finding is selected if it matches each criterion. A criterion with
/// several values matches if one of them does, and an empty one always matches.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'s> {
    pub min_severity: Severity,
    pub rules: &'s [&'static Rule],
    /// Patterns for the path of the finding, as in the key `path` of an exemption.
    pub paths: &'s [PathGlob],
    pub objects: &'s [ObjectName],
}

impl Selection<'_> {
    /// Returns the selected findings and unchecked input of a report.
    pub fn of(&self, report: Report) -> Vec<LocatedFinding> {
        let all = report.findings.into_iter().chain(report.errors);
        all.filter(|located| self.matches(&located.finding)).collect()
    }

    /// Checks whether the selection has a criterion other than the severity.
    pub fn is_limited(&self) -> bool {
        !(self.rules.is_empty() && self.paths.is_empty() && self.objects.is_empty())
    }

    fn matches(&self, finding: &Finding) -> bool {
        let Self { min_severity, rules, paths, objects } = *self;
        finding.severity >= min_severity
            && (rules.is_empty() || rules.iter().any(|rule| rule.id == finding.rule))
            && (paths.is_empty() || paths.iter().any(|path| path.matches(&finding.fingerprint.path)))
            && (objects.is_empty() || objects.iter().any(|object| object.matches(finding)))
    }
}

/// The kind and name of an object, or of the workload that controls it, and optionally its
/// namespace.
#[derive(Clone, Debug)]
pub struct ObjectName {
    namespace: Option<String>,
    kind: String,
    name: String,
}

impl ObjectName {
    fn matches(&self, finding: &Finding) -> bool {
        let Some(object) = &finding.object else { return false };
        let is_own = |kind: &str, name: &str| self.kind.eq_ignore_ascii_case(kind) && self.name == name;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == object.namespace)
            && (is_own(&object.kind, &object.name)
                || finding.controller.as_ref().is_some_and(|workload| is_own(&workload.kind, &workload.name)))
    }
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').map(str::to_owned).collect();
        let (namespace, kind, name) = match parts.as_slice() {
            [kind, name] => (None, kind, name),
            [namespace, kind, name] => (Some(namespace.clone()), kind, name),
            _ => return Err("expected KIND/NAME or NAMESPACE/KIND/NAME".to_owned()),
        };
        Ok(Self { namespace, kind: kind.clone(), name: name.clone() })
    }
}

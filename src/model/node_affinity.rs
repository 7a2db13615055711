//! The required node affinity of a pod.

use serde::Deserialize;

use super::claim::LabelExpression;
use super::os::Os;
use super::value::List;

/// Labels with the operating system of a node.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Checks whether a node label describes the platform. A requirement for such a label does not pin
/// a pod to certain nodes.
pub(super) fn is_platform_label(label: &str) -> bool {
    OS_LABELS.contains(&label) || matches!(label, "kubernetes.io/arch" | "beta.kubernetes.io/arch")
}

/// `requiredDuringSchedulingIgnoredDuringExecution` of a node affinity. A node must match at least
/// one term.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RequiredNodes<'a> {
    #[serde(borrow)]
    node_selector_terms: List<Term<'a>>,
}

/// A term. A node matches the term if it matches all expressions. No node matches a term without
/// expressions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Term<'a> {
    #[serde(borrow)]
    match_expressions: List<LabelExpression<'a>>,
    #[serde(borrow)]
    match_fields: List<LabelExpression<'a>>,
}

impl<'a> Term<'a> {
    fn expressions(&self) -> impl Iterator<Item = &LabelExpression<'a>> {
        self.match_expressions.iter().chain(self.match_fields.iter())
    }
}

impl<'a> RequiredNodes<'a> {
    fn terms(&self) -> impl Iterator<Item = &Term<'a>> {
        self.node_selector_terms.iter().filter(|term| term.expressions().next().is_some())
    }

    /// Checks whether a pod can run only on certain nodes, not on all nodes of a platform.
    pub(super) fn is_pinned(&self) -> bool {
        self.terms().all(|term| !term.expressions().all(|expression| is_platform_label(&expression.key)))
    }

    /// Returns the operating system that every term requires, or `None` if there is no such system.
    pub(super) fn os(&self) -> Option<Os> {
        let mut systems = self.terms().map(|term| term.expressions().find_map(required_os));
        let first = systems.next()??;
        systems.all(|os| os == Some(first)).then_some(first)
    }
}

/// Returns the operating system of all nodes that match `expression`, or `None` if their operating
/// systems can differ.
fn required_os(expression: &LabelExpression<'_>) -> Option<Os> {
    if !OS_LABELS.contains(&&*expression.key) {
        return None;
    }
    let has = |os| expression.values.iter().any(|value| Os::parse(value) == Some(os));
    match (&*expression.operator, has(Os::Linux), has(Os::Windows)) {
        ("In", true, false) | ("NotIn", false, true) => Some(Os::Linux),
        ("In", false, true) | ("NotIn", true, false) => Some(Os::Windows),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A term: the keys, operators and values of its expressions.
    type TestTerm = &'static [(&'static str, &'static str, &'static [&'static str])];

    /// Returns the operating system that the terms require, and whether they pin a pod.
    fn evaluate(terms: &[TestTerm]) -> (Option<Os>, bool) {
        let term = |term: &TestTerm| {
            let expression = |(key, operator, values): &_| serde_json::json!({ "key": key, "operator": operator, "values": values });
            serde_json::json!({ "matchExpressions": term.iter().map(expression).collect::<Vec<_>>() })
        };
        let terms: Vec<_> = terms.iter().map(term).collect();
        let text = serde_json::json!({ "nodeSelectorTerms": terms }).to_string();
        let required: RequiredNodes<'_> = serde_json::from_str(&text).expect("a node affinity");
        (required.os(), required.is_pinned())
    }

    const LINUX: (&str, &str, &[&str]) = ("kubernetes.io/os", "In", &["linux"]);
    const NOT_LINUX: (&str, &str, &[&str]) = ("beta.kubernetes.io/os", "NotIn", &["linux"]);
    const ANY_OS: (&str, &str, &[&str]) = ("kubernetes.io/os", "In", &["linux", "windows"]);
    const AMD64: (&str, &str, &[&str]) = ("kubernetes.io/arch", "NotIn", &["arm64"]);
    const DISK: (&str, &str, &[&str]) = ("disk", "Exists", &[]);

    #[test]
    fn all_terms_determine_the_operating_system() {
        let cases: [(&[TestTerm], _); 6] = [
            (&[&[LINUX]], Some(Os::Linux)),
            (&[&[NOT_LINUX]], Some(Os::Windows)),
            (&[&[AMD64, LINUX], &[LINUX, DISK], &[]], Some(Os::Linux)),
            (&[&[LINUX], &[NOT_LINUX]], None),
            (&[&[LINUX], &[DISK]], None),
            (&[&[ANY_OS]], None),
        ];
        for (terms, os) in cases {
            assert_eq!(evaluate(terms).0, os, "{terms:?}");
        }
    }

    #[test]
    fn platform_labels_pin_no_pod() {
        let cases: [(&[TestTerm], _); 5] = [
            (&[&[LINUX]], false),
            (&[&[AMD64, NOT_LINUX]], false),
            (&[&[DISK], &[LINUX]], false),
            (&[&[DISK]], true),
            (&[&[LINUX, DISK], &[]], true),
        ];
        for (terms, is_pinned) in cases {
            assert_eq!(evaluate(terms).1, is_pinned, "{terms:?}");
        }
    }
}

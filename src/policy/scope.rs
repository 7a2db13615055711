//! The key `match` of exemptions and overrides.

use std::iter;

use super::document::{Match, OneOrMany};
use super::pattern::{PathGlob, Pattern};
use crate::finding::{Access, Finding};
use crate::model::{FieldPath, ObjectId, Workload};
use crate::rules::{MatchKey, ObjectKinds, Rule};

/// A problem in an entry: the field path within the entry, and the message.
pub(super) type EntryProblem = (FieldPath, String);

/// The scope of an exemption or an override, except for the rules and the users.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) namespace: Option<Vec<Pattern>>,
    pub(super) kind: Option<Vec<Pattern>>,
    pub(super) name: Option<Vec<Pattern>>,
    pub(super) volume: Option<Vec<Pattern>>,
    pub(super) container: Option<Vec<Pattern>>,
    pub(super) path: Option<Vec<PathGlob>>,
    pub(super) access: Option<Access>,
}

impl Scope {
    /// Compiles the key `match` of an entry that names `rules`, and covers all rules if
    /// `covers_all` is set. Adds a problem for each invalid pattern, and for each key that prevents
    /// a match.
    pub(super) fn new(
        scope: &Match,
        rules: &[&Rule],
        covers_all: bool,
        problems: &mut Vec<EntryProblem>,
    ) -> Self {
        let has_only_volumes =
            !covers_all && rules.iter().all(|rule| rule.objects == ObjectKinds::PersistentVolume);
        if scope.namespace.is_none() && !has_only_volumes && cluster_scoped_kind(scope).is_none() {
            let message = "missing key `namespace`: list the namespaces, or use `\"*\"` for all (omit it \
                           only for `kind: PersistentVolume` or `StorageClass`)";
            problems.push((FieldPath::from_keys(&["match"]), message.to_owned()));
        }
        let mut patterns =
            |key: &'static str, texts: &Option<OneOrMany>| parse(key, texts.as_ref(), Pattern::new, problems);
        let compiled = Self {
            namespace: patterns("namespace", &scope.namespace),
            kind: patterns("kind", &scope.kind),
            name: patterns("name", &scope.name),
            volume: patterns("volume", &scope.volume),
            container: patterns("container", &scope.container),
            path: parse("path", scope.path.as_ref(), PathGlob::new, problems),
            access: scope.access,
        };
        check_keys(scope, rules, problems);
        check_kinds(scope, compiled.kind.as_deref(), rules, problems);
        compiled
    }

    /// Checks whether the scope matches a finding about the object `id`. `workload` is the workload
    /// that controls the object, or the object itself if no workload controls it.
    pub(super) fn matches(&self, finding: &Finding, id: &ObjectId, workload: &Workload) -> bool {
        self.mismatches(finding, id, workload).next().is_none()
    }

    /// Iterates over the keys that do not match a finding. The keys `kind` and `name` must both
    /// match the object, or both match the workload. A scope with the key `namespace` matches
    /// only objects with a namespace. A scope without this key matches only objects without a
    /// namespace. A key other than `kind` does not match if the finding or the object has no value
    /// for it.
    pub(super) fn mismatches<'m>(
        &'m self,
        finding: &'m Finding,
        id: &'m ObjectId,
        workload: &'m Workload,
    ) -> impl Iterator<Item = &'static str> + use<'m> {
        let fingerprint = &finding.fingerprint;
        let namespace = || match id.namespace.as_str() {
            "" => self.namespace.is_none(),
            namespace => self.namespace.is_some() && matches(self.namespace.as_ref(), namespace),
        };
        let object = move || {
            let of = |kind: &str, name: &str| {
                (matches(self.kind.as_ref(), kind), matches_value(self.name.as_ref(), name))
            };
            let (own, other) = (of(&id.kind, &id.name), of(&workload.kind, &workload.name));
            match (own, other) {
                ((true, true), _) | (_, (true, true)) => [None, None],
                ((true, _), _) | (_, (true, _)) => [None, Some("name")],
                ((_, true), _) | (_, (_, true)) => [Some("kind"), None],
                _ => [Some("kind"), Some("name")],
            }
        };
        let path = || {
            self.path.as_ref().is_none_or(|globs| {
                !fingerprint.path.is_empty() && globs.iter().any(|glob| glob.matches(&fingerprint.path))
            })
        };
        let access = || self.access.is_none_or(|access| fingerprint.access.is_some_and(|own| own <= access));
        let key = |name: &'static str, is_match: bool| (!is_match).then_some(name);
        // Matching paths is expensive, so do it last.
        iter::once_with(move || key("namespace", namespace()))
            .chain(iter::once_with(object).flatten())
            .chain(iter::once_with(move || {
                key("volume", matches_value(self.volume.as_ref(), &fingerprint.volume))
            }))
            .chain(iter::once_with(move || {
                key("container", matches_value(self.container.as_ref(), &fingerprint.container))
            }))
            .chain(iter::once_with(move || key("access", access())))
            .chain(iter::once_with(move || key("path", path())))
            .flatten()
    }
}

fn matches(patterns: Option<&Vec<Pattern>>, text: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(text)))
}

/// Checks whether the patterns match a text that is not empty.
fn matches_value(patterns: Option<&Vec<Pattern>>, text: &str) -> bool {
    patterns.is_none() || (!text.is_empty() && matches(patterns, text))
}

/// Reports keys of `match` that prevent a match: keys for which the findings of a listed rule never
/// have a value, `access: read` for a rule that reports only write access, and the keys `namespace`
/// and `container` for a kind that has neither.
fn check_keys(scope: &Match, rules: &[&Rule], problems: &mut Vec<EntryProblem>) {
    let field = |name| FieldPath::from_keys(&["match", name]);
    for rule in rules {
        let has_only_writes = rule.match_keys.contains(&MatchKey::WriteAccess);
        let is_declared =
            |key: &MatchKey| rule.match_keys.contains(key) || (has_only_writes && *key == MatchKey::Access);
        let missing = MatchKey::ALL.into_iter().filter(|key| !is_declared(key));
        for key in missing.filter(|key| has_key(scope, *key)).map(MatchKey::name) {
            let message = format!("never matches: findings of `{}` have no {key}", rule.id);
            problems.push((field(key), message));
        }
        if has_only_writes && scope.access == Some(Access::Read) {
            let message = format!("never matches: findings of `{}` are about write access", rule.id);
            problems.push((field("access"), message));
        }
    }
    let Some(kind) = cluster_scoped_kind(scope) else { return };
    if scope.namespace.is_some() {
        problems.push((field("namespace"), format!("never matches: a {kind} has no namespace")));
    }
    if scope.container.is_some() {
        problems.push((field("container"), format!("never matches: a {kind} has no containers")));
    }
}

/// Reports a `kind` or `namespace` that matches none of the objects that a listed rule reports.
/// `patterns` contains the compiled patterns of the key `kind`.
fn check_kinds(
    scope: &Match,
    patterns: Option<&[Pattern]>,
    rules: &[&Rule],
    problems: &mut Vec<EntryProblem>,
) {
    let mut add = |key, message| problems.push((FieldPath::from_keys(&["match", key]), message));
    let includes_volumes = patterns.is_none_or(|kinds| kinds.iter().any(|kind| kind.matches(VOLUME_KIND)));
    let includes_only_volumes =
        scope.kind.as_ref().is_some_and(|kinds| kinds.0.iter().all(|kind| kind == VOLUME_KIND));
    for Rule { id, objects, .. } in rules {
        match objects {
            ObjectKinds::PersistentVolume if !includes_volumes => {
                add("kind", format!("never matches: findings of `{id}` are about PersistentVolumes"));
            }
            ObjectKinds::PersistentVolume
                if scope.namespace.is_some() && cluster_scoped_kind(scope).is_none() =>
            {
                let reason = "are about PersistentVolumes, which have no namespace";
                add("namespace", format!("never matches: findings of `{id}` {reason}"));
            }
            ObjectKinds::ExceptPersistentVolume if includes_only_volumes => {
                add("kind", format!("never matches: findings of `{id}` are not about PersistentVolumes"));
            }
            _ => {}
        }
    }
}

fn has_key(scope: &Match, key: MatchKey) -> bool {
    match key {
        MatchKey::Volume => scope.volume.is_some(),
        MatchKey::Container => scope.container.is_some(),
        MatchKey::Path => scope.path.is_some(),
        MatchKey::Access | MatchKey::WriteAccess => scope.access.is_some(),
    }
}

pub(super) const VOLUME_KIND: &str = "PersistentVolume";

/// Returns the first kind in `scope` if every listed kind is `PersistentVolume` or `StorageClass`,
/// which have no namespace. Returns `None` if another kind or a pattern is listed, or if the key
/// `kind` is missing or empty.
fn cluster_scoped_kind(scope: &Match) -> Option<&'static str> {
    let known = |kind: &String| [VOLUME_KIND, "StorageClass"].into_iter().find(|known| kind == known);
    let kinds: Option<Vec<_>> = scope.kind.as_ref()?.0.iter().map(known).collect();
    kinds?.first().copied()
}

pub(super) fn parse<T>(
    key: &'static str,
    texts: Option<&OneOrMany>,
    compile: fn(&str) -> Result<T, String>,
    problems: &mut Vec<EntryProblem>,
) -> Option<Vec<T>> {
    let texts = texts?;
    let path = FieldPath::from_keys(&["match", key]);
    if texts.0.is_empty() {
        problems.push((path, "an empty list never matches".to_owned()));
        return None;
    }
    let mut parsed = Vec::with_capacity(texts.0.len());
    for text in &texts.0 {
        match compile(text) {
            Ok(pattern) => parsed.push(pattern),
            Err(message) => problems.push((path.clone(), message)),
        }
    }
    Some(parsed)
}

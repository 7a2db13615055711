//! Exemptions, compiled from the entries of policy documents.

use std::iter;
use std::sync::Arc;

use jiff::civil::Date;

use super::document::{ExemptionEntry, Match, OneOrMany};
use super::pattern::{PathGlob, Pattern};
use crate::finding::{Access, Finding, NearExemption, RuleId, Severity};
use crate::model::{FieldPath, ObjectId, Workload, printable};
use crate::rules::{MatchKey, ObjectKinds, Registry, Rule};
use crate::source::{File, Span};

/// The index of an exemption in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExemptionId(pub(super) usize);

/// The user who sent an object to the API server, as the API server authenticated them.
#[derive(Clone, Debug)]
pub struct Requester<'r> {
    /// The name, such as `alice` or `system:serviceaccount:tools:debugger`.
    pub user: &'r str,
    pub groups: Vec<&'r str>,
}

/// An exemption of a policy.
#[derive(Clone, Debug)]
pub struct Exemption {
    /// The rules whose findings are exempt; empty for all rules.
    rules: Vec<&'static Rule>,
    namespace: Option<Vec<Pattern>>,
    kind: Option<Vec<Pattern>>,
    name: Option<Vec<Pattern>>,
    volume: Option<Vec<Pattern>>,
    container: Option<Vec<Pattern>>,
    path: Option<Vec<PathGlob>>,
    access: Option<Access>,
    user: Option<Vec<Pattern>>,
    group: Option<Vec<Pattern>>,
    /// The reason for the exemption. It is never empty.
    pub reason: String,
    /// The last day (UTC) on which the exemption is active; `None` if it never expires.
    pub expires: Option<Date>,
    /// The severity to which the exemption lowers findings; `None` if it suppresses them.
    pub severity: Option<Severity>,
    /// The file and line, or the pack, that declares the exemption.
    pub origin: String,
    /// The location in the policy file; `None` if a built-in pack declares the exemption.
    pub location: Option<ExemptionLocation>,
    /// For each key, the description for a finding that only this key does not match.
    near: Vec<Arc<NearExemption>>,
}

/// The location of an exemption in a policy file.
#[derive(Clone, Debug)]
pub struct ExemptionLocation {
    /// The name of the file, as shown to the user.
    pub path: Arc<str>,
    pub file: Arc<File>,
    pub span: Span,
}

/// A problem in an entry: the field path within the entry, and the message.
pub(super) type EntryProblem = (FieldPath, String);

impl Exemption {
    /// Compiles an entry of a policy document, or returns all of its problems.
    pub(super) fn new(
        entry: &ExemptionEntry,
        origin: String,
        location: Option<ExemptionLocation>,
        registry: Registry,
    ) -> Result<Self, Vec<EntryProblem>> {
        let mut problems = Vec::new();
        let rules = exempted_rules(&entry.rules, registry, &mut problems);
        if entry.reason.trim().is_empty() {
            problems
                .push((FieldPath::from_keys(&["reason"]), "empty reason: explain the exemption".to_owned()));
        }
        let scope = &entry.scope;
        let has_only_volumes =
            !rules.is_empty() && rules.iter().all(|rule| rule.objects == ObjectKinds::PersistentVolume);
        if scope.namespace.is_none() && !has_only_volumes && cluster_scoped_kind(scope).is_none() {
            let message = "missing key `namespace`: list the namespaces, or use `\"*\"` for all (omit it \
                           only for `kind: PersistentVolume` or `StorageClass`)";
            problems.push((FieldPath::from_keys(&["match"]), message.to_owned()));
        }
        let mut patterns = |key: &'static str, texts: &Option<OneOrMany>| {
            parse(key, texts.as_ref(), Pattern::new, &mut problems)
        };
        let namespace = patterns("namespace", &scope.namespace);
        let kind = patterns("kind", &scope.kind);
        let name = patterns("name", &scope.name);
        let volume = patterns("volume", &scope.volume);
        let container = patterns("container", &scope.container);
        let path = parse("path", scope.path.as_ref(), PathGlob::new, &mut problems);
        let user = parse("user", scope.user.as_ref(), Pattern::of_user, &mut problems);
        let group = parse("group", scope.group.as_ref(), Pattern::of_user, &mut problems);
        let expires = entry.expires.as_deref().and_then(|text| {
            let day = text.parse::<Date>();
            day.map_err(|_| {
                let message = format!("invalid date `{text}`, expected YYYY-MM-DD");
                problems.push((FieldPath::from_keys(&["expires"]), message));
            })
            .ok()
        });
        if entry.severity == Some(Severity::Error) {
            let message =
                "an exemption cannot lower findings to `error`: use `warning` or `info`, or omit the key";
            problems.push((FieldPath::from_keys(&["severity"]), message.to_owned()));
        }
        check_keys(scope, &rules, &mut problems);
        check_kinds(scope, kind.as_deref(), &rules, &mut problems);
        check_users(scope, kind.as_deref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let reason = entry.reason.trim().to_owned();
        let access = scope.access;
        let severity = entry.severity;
        Ok(Self {
            rules,
            namespace,
            kind,
            name,
            volume,
            container,
            path,
            access,
            user,
            group,
            reason,
            expires,
            severity,
            near: near_exemptions(entry, &origin),
            origin,
            location,
        })
    }

    /// Checks whether the exemption is active on `day`.
    pub fn is_active_on(&self, day: Date) -> bool {
        self.expires.is_none_or(|last| day <= last)
    }

    /// Checks whether the exemption is limited to users or groups. Only admission can apply such an
    /// exemption.
    pub fn is_for_users(&self) -> bool {
        self.user.is_some() || self.group.is_some()
    }

    /// Checks whether the exemption applies to objects from the user. If the user is unknown, an
    /// exemption for users does not apply.
    pub(super) fn matches_requester(&self, requester: Option<&Requester<'_>>) -> bool {
        let matches = |patterns: &Option<Vec<Pattern>>, texts: &[&str]| {
            let matches_any = |pattern: &Pattern| texts.iter().any(|text| pattern.matches(text));
            patterns.as_ref().is_none_or(|patterns| patterns.iter().any(matches_any))
        };
        match requester {
            Some(Requester { user, groups }) => matches(&self.user, &[*user]) && matches(&self.group, groups),
            None => !self.is_for_users(),
        }
    }

    /// Checks whether the exemption suppresses every finding about a namespaced object.
    pub fn covers_everything(&self) -> bool {
        let Self { rules, namespace, kind, name, volume, container, path, access, severity, .. } = self;
        let is_any = |patterns: &Option<Vec<Pattern>>| {
            patterns.iter().flatten().all(|pattern| matches!(pattern, Pattern::Any))
        };
        rules.is_empty()
            && [namespace, kind, name].into_iter().all(is_any)
            && (volume.is_none() && container.is_none() && path.is_none() && access.is_none())
            && severity.is_none()
            && !self.is_for_users()
    }

    /// Checks whether the exemption applies to findings about this path.
    pub fn covers_path(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(path)))
    }

    /// Checks whether the exemption applies to findings of the rule.
    pub fn covers_rule(&self, rule: RuleId) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|own| own.id == rule)
    }

    /// Checks whether the exemption matches a finding about the object `id`. `workload` is the
    /// workload that controls the object, or the object itself if no workload controls it.
    pub(super) fn matches(&self, finding: &Finding, id: &ObjectId, workload: &Workload) -> bool {
        self.mismatches(finding, id, workload).next().is_none()
    }

    /// Iterates over the keys that do not match a finding. The keys `kind` and `name` must both
    /// match the object, or both match the workload. An exemption with the key `namespace` matches
    /// only objects with a namespace. An exemption without this key matches only objects without a
    /// namespace. A key other than `kind` does not match if the finding or the object has no value
    /// for it.
    fn mismatches<'m>(
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

    /// Returns the key that alone prevents the exemption from applying to a finding, if this key is
    /// probably a mistake. This is the key `expires` if all others match. Otherwise, exactly one
    /// key does not match, and one of these conditions is true:
    ///
    /// - The key is `namespace`, `kind` or `access`, and the exemption has a name other than `*`.
    /// - The key is `access`, and the exemption has a path other than `/**`.
    /// - The value of the finding resembles that of the exemption. For a path, one of them is
    ///   inside the other.
    /// - The key is `container`, the finding is about a volume, and the exemption lists its rule.
    ///
    /// For an exemption of a pack, the key is `namespace`, because the other keys of a pack are not
    /// mistakes.
    pub(super) fn near(
        &self,
        finding: &Finding,
        id: &ObjectId,
        workload: &Workload,
        today: Date,
    ) -> Option<&Arc<NearExemption>> {
        let mut mismatches = self.mismatches(finding, id, workload);
        let key = match (mismatches.next(), mismatches.next()) {
            (None, _) if !self.is_active_on(today) => "expires",
            (Some(key), None) if self.is_active_on(today) => key,
            _ => return None,
        };
        let fingerprint = &finding.fingerprint;
        let has_name = || self.name.iter().flatten().any(|pattern| !matches!(pattern, Pattern::Any));
        let has_path = || self.path.iter().flatten().any(|glob| !matches!(glob, PathGlob::Any));
        let resembles = |patterns: &Option<Vec<Pattern>>, texts: &[&str]| {
            patterns.iter().flatten().any(|pattern| texts.iter().any(|text| pattern.resembles(text)))
        };
        let is_near = match key {
            "namespace" => has_name() || resembles(&self.namespace, &[&id.namespace]),
            "kind" => has_name() || resembles(&self.kind, &[&id.kind, &workload.kind]),
            "access" => fingerprint.access.is_some() && (has_name() || has_path()),
            "name" => resembles(&self.name, &[&id.name, &workload.name]),
            "volume" => resembles(&self.volume, &[&fingerprint.volume]),
            "container" if fingerprint.container.is_empty() => !self.rules.is_empty(),
            "container" => resembles(&self.container, &[&fingerprint.container]),
            "path" => self.path.iter().flatten().any(|glob| glob.resembles(&fingerprint.path)),
            _ => true,
        };
        let is_candidate = is_near && (self.location.is_some() || key == "namespace");
        self.near.iter().find(|near| near.key == key).filter(|_| is_candidate)
    }
}

fn matches(patterns: Option<&Vec<Pattern>>, text: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(text)))
}

/// Checks whether the patterns match a text that is not empty.
fn matches_value(patterns: Option<&Vec<Pattern>>, text: &str) -> bool {
    patterns.is_none() || (!text.is_empty() && matches(patterns, text))
}

/// Returns, for each key of an exemption, the [`NearExemption`] that names this key.
fn near_exemptions(entry: &ExemptionEntry, origin: &str) -> Vec<Arc<NearExemption>> {
    /// The number of patterns to show. A pattern list can be as long as the policy.
    const MAX_PATTERNS: usize = 3;
    let Match { namespace, kind, name, volume, container, path, access, user: _, group: _ } = &entry.scope;
    let lists = [
        ("namespace", namespace),
        ("kind", kind),
        ("name", name),
        ("volume", volume),
        ("container", container),
        ("path", path),
    ];
    let patterns = |OneOrMany(texts): &OneOrMany| {
        let shown: Vec<_> =
            texts.iter().take(MAX_PATTERNS).map(|text| format!("`{}`", printable(text))).collect();
        let rest = if texts.len() > MAX_PATTERNS { " …" } else { "" };
        format!("{}{rest}", shown.join(", "))
    };
    let lists = lists.into_iter().filter_map(|(key, texts)| Some((key, patterns(texts.as_ref()?))));
    let access = access.map(|access| ("access", format!("`{}`", access.as_str())));
    let expires = entry.expires.clone().map(|date| ("expires", date));
    let near = |(key, expected)| Arc::new(NearExemption { origin: origin.to_owned(), key, expected });
    lists.chain(access).chain(expires).map(near).collect()
}

/// Returns the rules that an exemption lists, or an empty list if it lists `*`. Unless `*` is
/// listed, adds a problem if no rule is listed, and for each rule that does not exist or cannot be
/// exempted.
fn exempted_rules(
    names: &OneOrMany,
    registry: Registry,
    problems: &mut Vec<EntryProblem>,
) -> Vec<&'static Rule> {
    let path = FieldPath::from_keys(&["rules"]);
    if names.0.is_empty() {
        problems.push((path, "no rule given".to_owned()));
        return Vec::new();
    }
    if names.0.iter().any(|name| name == "*") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in &names.0 {
        match registry.require(name) {
            Ok(rule) if rule.reports_unchecked_input() => {
                let message = format!("`{name}` cannot be exempted: exclude the file with `lint.exclude`");
                problems.push((path.clone(), message));
            }
            Ok(rule) if !rule.is_exemptable() => {
                let message = format!(
                    "`{name}` cannot be exempted: its findings are not about an object; change its severity with the key `rules`"
                );
                problems.push((path.clone(), message));
            }
            Ok(rule) => found.push(rule),
            Err(unknown) => problems.push((path.clone(), unknown.to_string())),
        }
    }
    found
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

/// Reports keys of `match` with which an exemption for users never matches. Such an exemption does
/// not apply to workloads, nor to the Pods that controllers create.
fn check_users(scope: &Match, kinds: Option<&[Pattern]>, problems: &mut Vec<EntryProblem>) {
    if scope.user.is_none() && scope.group.is_none() {
        return;
    }
    let is_covered = |kind: &&str| kinds.is_none_or(|kinds| kinds.iter().any(|own| own.matches(kind)));
    if !["Pod", VOLUME_KIND, "PersistentVolumeClaim"].iter().any(is_covered) {
        let message = "never matches: with `user` or `group`, an exemption applies only to Pods that users create \
                       themselves, to PersistentVolumes, and to PersistentVolumeClaims";
        problems.push((FieldPath::from_keys(&["match", "kind"]), message.to_owned()));
    }
    let users = scope.user.iter().flat_map(|users| &users.0);
    for user in users.filter(|user| is_kubernetes_controller(user)) {
        let message = format!(
            "never matches: exemptions for users do not apply to Kubernetes controllers such as `{user}`; \
             use `kind` and `name` of the workload"
        );
        problems.push((FieldPath::from_keys(&["match", "user"]), message));
    }
}

/// Checks whether the user is a Kubernetes controller that creates Pods, such as the ReplicaSet
/// controller, or the controller manager without `--use-service-account-credentials`.
pub(super) fn is_kubernetes_controller(user: &str) -> bool {
    match user.strip_prefix("system:serviceaccount:kube-system:") {
        Some(name) => {
            let names = ["daemon-set", "replicaset", "statefulset", "job", "replication"];
            name.strip_suffix("-controller").is_some_and(|name| names.contains(&name))
        }
        None => user == "system:kube-controller-manager",
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

const VOLUME_KIND: &str = "PersistentVolume";

/// Returns the first kind in `scope` if every listed kind is `PersistentVolume` or `StorageClass`,
/// which have no namespace. Returns `None` if another kind or a pattern is listed, or if the key
/// `kind` is missing or empty.
fn cluster_scoped_kind(scope: &Match) -> Option<&'static str> {
    let known = |kind: &String| [VOLUME_KIND, "StorageClass"].into_iter().find(|known| kind == known);
    let kinds: Option<Vec<_>> = scope.kind.as_ref()?.0.iter().map(known).collect();
    kinds?.first().copied()
}

fn parse<T>(
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

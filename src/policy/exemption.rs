//! Exemptions, compiled from the entries of policy documents.

use std::sync::Arc;

use jiff::civil::Date;

use super::document::{ExemptionEntry, Match, OneOrMany};
use super::pattern::{PathGlob, Pattern};
use super::scope::{EntryProblem, Scope, VOLUME_KIND, parse};
use crate::finding::{Finding, NearExemption, RuleId, Severity};
use crate::model::{FieldPath, ObjectId, Workload, printable};
use crate::rules::{Registry, Rule};
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
    scope: Scope,
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
        let scope = Scope::new(&entry.scope, &rules, rules.is_empty(), &mut problems);
        let user = parse("user", entry.scope.user.as_ref(), Pattern::of_user, &mut problems);
        let group = parse("group", entry.scope.group.as_ref(), Pattern::of_user, &mut problems);
        let expires = entry.expires.as_deref().and_then(|text| {
            let day = parse_date(text);
            day.map_err(|message| problems.push((FieldPath::from_keys(&["expires"]), message))).ok()
        });
        if entry.severity == Some(Severity::Error) {
            let message =
                "an exemption cannot lower findings to `error`: use `warning` or `info`, or omit the key";
            problems.push((FieldPath::from_keys(&["severity"]), message.to_owned()));
        }
        check_users(&entry.scope, scope.kind.as_deref(), &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let reason = entry.reason.trim().to_owned();
        let severity = entry.severity;
        let near = near_exemptions(entry, &origin);
        Ok(Self { rules, scope, user, group, reason, expires, severity, origin, location, near })
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
        let Scope { namespace, kind, name, volume, container, path, access } = &self.scope;
        let is_any = |patterns: &Option<Vec<Pattern>>| {
            patterns.iter().flatten().all(|pattern| matches!(pattern, Pattern::Any))
        };
        self.rules.is_empty()
            && [namespace, kind, name].into_iter().all(is_any)
            && (volume.is_none() && container.is_none() && path.is_none() && access.is_none())
            && self.severity.is_none()
            && !self.is_for_users()
    }

    /// Checks whether the exemption applies to findings about this path.
    pub fn covers_path(&self, path: &str) -> bool {
        self.scope.path.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(path)))
    }

    /// Checks whether the exemption applies to findings of the rule.
    pub fn covers_rule(&self, rule: RuleId) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|own| own.id == rule)
    }

    /// Checks whether the exemption matches a finding about the object `id`. `workload` is the
    /// workload that controls the object, or the object itself if no workload controls it.
    pub(super) fn matches(&self, finding: &Finding, id: &ObjectId, workload: &Workload) -> bool {
        self.scope.mismatches(finding, id, workload).next().is_none()
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
        let Self { rules, scope, .. } = self;
        let mut mismatches = scope.mismatches(finding, id, workload);
        let key = match (mismatches.next(), mismatches.next()) {
            (None, _) if !self.is_active_on(today) => "expires",
            (Some(key), None) if self.is_active_on(today) => key,
            _ => return None,
        };
        let fingerprint = &finding.fingerprint;
        let has_name = || scope.name.iter().flatten().any(|pattern| !matches!(pattern, Pattern::Any));
        let has_path = || scope.path.iter().flatten().any(|glob| !matches!(glob, PathGlob::Any));
        let resembles = |patterns: &Option<Vec<Pattern>>, texts: &[&str]| {
            patterns.iter().flatten().any(|pattern| texts.iter().any(|text| pattern.resembles(text)))
        };
        let is_near = match key {
            "namespace" => has_name() || resembles(&scope.namespace, &[&id.namespace]),
            "kind" => has_name() || resembles(&scope.kind, &[&id.kind, &workload.kind]),
            "access" => fingerprint.access.is_some() && (has_name() || has_path()),
            "name" => resembles(&scope.name, &[&id.name, &workload.name]),
            "volume" => resembles(&scope.volume, &[&fingerprint.volume]),
            "container" if fingerprint.container.is_empty() => !rules.is_empty(),
            "container" => resembles(&scope.container, &[&fingerprint.container]),
            "path" => scope.path.iter().flatten().any(|glob| glob.resembles(&fingerprint.path)),
            _ => true,
        };
        let is_candidate = is_near && (self.location.is_some() || key == "namespace");
        self.near.iter().find(|near| near.key == key).filter(|_| is_candidate)
    }
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

/// Parses a date.
pub(super) fn parse_date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("invalid date `{text}`, expected YYYY-MM-DD"))
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

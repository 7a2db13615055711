//! Exemptions: what is excused, where, and why.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use regex::Regex;
use wildmatch::WildMatch;

use super::document::{ExemptionEntry, Match, Words};
use crate::finding::{Access, Finding};
use crate::model::{FieldPath, HostPath, ObjectId, PathPattern, Relation, Workload};
use crate::rules;
use crate::source::{File, Span};

/// What a policy excuses.
#[derive(Clone, Debug)]
pub struct Exemption {
    /// The ids of the rules; empty for all.
    pub(super) rules: Vec<&'static str>,
    namespace: Option<Vec<Pattern>>,
    kind: Option<Vec<Pattern>>,
    name: Option<Vec<Pattern>>,
    volume: Option<Vec<Pattern>>,
    container: Option<Vec<Pattern>>,
    path: Option<Vec<PathGlob>>,
    access: Option<Access>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Option<Date>,
    /// Where it stands; none for one of a built-in pack.
    pub place: Option<ExemptionPlace>,
    /// Who says so: a file and its line, or a pack.
    pub origin: String,
}

/// Where an exemption stands.
#[derive(Clone, Debug)]
pub struct ExemptionPlace {
    /// The file's name, as it is shown.
    pub path: Arc<str>,
    /// Its text.
    pub file: Arc<File>,
    /// The entry's place in it.
    pub span: Span,
}

/// A text that isn't what it should be, and where in the entry.
pub(super) type Mistake = (FieldPath, String);

impl Exemption {
    /// The exemption that `entry` writes, or each of its mistakes.
    pub(super) fn new(
        entry: &ExemptionEntry,
        place: Option<ExemptionPlace>,
        origin: String,
    ) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let rules = excused(&entry.rules, &mut mistakes);
        if entry.reason.trim().is_empty() {
            mistakes.push((
                FieldPath::from_keys(&["reason"]),
                "a reason is words: say why this is excused".to_owned(),
            ));
        }
        let scope = &entry.scope;
        if scope.namespace.is_none() && !is_of_persistent_volumes(scope) {
            let message = "says no `namespace`: name those that it holds in, or `\"*\"` for all \
                           (only `kind: PersistentVolume` has none)";
            mistakes.push((FieldPath::from_keys(&["match"]), message.to_owned()));
        }
        let mut texts = |key: &'static str, words: &Option<Words>| {
            parse(key, words.as_ref(), Pattern::new, &mut mistakes)
        };
        let (namespace, kind) = (texts("namespace", &scope.namespace), texts("kind", &scope.kind));
        let (name, volume) = (texts("name", &scope.name), texts("volume", &scope.volume));
        let container = texts("container", &scope.container);
        let path = parse("path", scope.path.as_ref(), PathGlob::new, &mut mistakes);
        let expires = entry.expires.as_deref().and_then(|text| {
            let day = text.parse::<Date>();
            day.map_err(|_| {
                let message = format!("`{text}` is no day such as `2027-01-31`");
                mistakes.push((FieldPath::from_keys(&["expires"]), message));
            })
            .ok()
        });
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let reason = entry.reason.trim().to_owned();
        let access = scope.access;
        Ok(Self {
            rules,
            namespace,
            kind,
            name,
            volume,
            container,
            path,
            access,
            reason,
            expires,
            place,
            origin,
        })
    }

    /// Whether it holds on a day.
    pub fn holds_on(&self, day: Date) -> bool {
        self.expires.is_none_or(|last| day <= last)
    }

    /// Whether it answers the rule `id`.
    pub fn names_rule(&self, id: &str) -> bool {
        self.rules.is_empty() || self.rules.contains(&id)
    }

    /// Whether it excuses a finding, whose rule it names, about the object `id`, which counts as `workload`.
    ///
    /// A key for which the finding has no value doesn't fit.
    pub fn excuses(&self, finding: &Finding, id: &ObjectId, workload: &Workload) -> bool {
        let fits = |patterns: &Option<Vec<Pattern>>, text: &str| {
            patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(text)))
        };
        let said = |patterns: &Option<Vec<Pattern>>, text: &str| {
            patterns.is_none() || (!text.is_empty() && fits(patterns, text))
        };
        let named = |kind: &str, name: &str| fits(&self.kind, kind) && said(&self.name, name);
        let mark = &finding.fingerprint;
        let namespace = match id.namespace.as_str() {
            "" => self.namespace.is_none(),
            namespace => self.namespace.is_some() && fits(&self.namespace, namespace),
        };
        namespace
            && (named(&id.kind, &id.name) || named(&workload.kind, &workload.name))
            && said(&self.volume, &mark.volume)
            && said(&self.container, &mark.container)
            && self.access.is_none_or(|access| mark.access.is_some_and(|own| own <= access))
            && self
                .path
                .as_ref()
                .is_none_or(|globs| !mark.path.is_empty() && globs.iter().any(|glob| glob.fits(&mark.path)))
    }
}

/// The rules that an exemption names; empty for all.
fn excused(words: &Words, mistakes: &mut Vec<Mistake>) -> Vec<&'static str> {
    let path = FieldPath::from_keys(&["rules"]);
    if words.0.is_empty() {
        mistakes.push((path, "names no rule".to_owned()));
        return Vec::new();
    }
    if words.0.iter().any(|word| word == "*") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for word in &words.0 {
        match rules::find(word) {
            Some(rule) if rules::cannot_be_excused(rule.meta().id) => {
                let message = format!("`{word}` can't be exempted: `lint.exclude` leaves a file out");
                mistakes.push((path.clone(), message));
            }
            Some(rule) => found.push(rule.meta().id),
            None => mistakes.push((path.clone(), super::UnknownRule(word.clone()).to_string())),
        }
    }
    found
}

fn is_of_persistent_volumes(scope: &Match) -> bool {
    scope.kind.as_ref().is_some_and(|kinds| kinds.0.iter().all(|kind| kind == "PersistentVolume"))
}

fn parse<T>(
    key: &'static str,
    words: Option<&Words>,
    new: fn(&str) -> Result<T, String>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Vec<T>> {
    let words = words?;
    let path = FieldPath::from_keys(&["match", key]);
    if words.0.is_empty() {
        mistakes.push((path, "an empty list fits nothing".to_owned()));
        return None;
    }
    let mut parsed = Vec::with_capacity(words.0.len());
    for word in &words.0 {
        match new(word) {
            Ok(pattern) => parsed.push(pattern),
            Err(message) => mistakes.push((path.clone(), message)),
        }
    }
    Some(parsed)
}

/// A name, a glob, or a regular expression between slashes, all for the whole of a text.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Exact(String),
    Glob(WildMatch),
    Regex(Regex),
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return whole(expression).map(Self::Regex);
        }
        if text.is_empty() {
            return Err("an empty text fits nothing".to_owned());
        }
        if let Some(odd) = text.chars().find(|odd| matches!(odd, '[' | ']' | '{' | '}' | '/' | '\\')) {
            return Err(format!(
                "`{odd}` has no meaning in a glob here: `*` is any text, `?` one character, and a regular \
                 expression stands between slashes"
            ));
        }
        if text.contains(['*', '?']) {
            return Ok(Self::Glob(WildMatch::new(text)));
        }
        Ok(Self::Exact(text.to_owned()))
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(own) => own == text,
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// The regular expression that a whole text must fit.
fn whole(expression: &str) -> Result<Regex, String> {
    // By itself first, so that a mistake is shown in the user's own words.
    let checked = Regex::new(expression).and_then(|_| Regex::new(&format!("^(?:{expression})$")));
    checked.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("no regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
    })
}

/// Paths of the node, or of a container.
#[derive(Clone, Debug)]
enum PathGlob {
    /// Just these.
    At(PathPattern),
    /// These, and all below.
    Below(PathPattern),
    /// All.
    Any,
    Regex(Regex),
}

impl PathGlob {
    fn new(text: &str) -> Result<Self, String> {
        if text.len() > 1
            && let Some(expression) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'))
        {
            if !expression.starts_with('^') {
                let path = text.trim_end_matches('/');
                return Err(format!(
                    "write `{path}` for that path, `{path}/**` for all in it, `/^…/` for a regular expression"
                ));
            }
            return whole(expression).map(Self::Regex);
        }
        if matches!(text, "**" | "/**") {
            return Ok(Self::Any);
        }
        let (literal, below) = match text.strip_suffix("/**").or_else(|| text.strip_suffix("\\**")) {
            Some(literal) => (literal, true),
            None => (text, false),
        };
        let is_plain = |name: &str| name.matches('*').count() <= 1 && !name.contains(['?', '[', '{']);
        let pattern = PathPattern::new(literal).filter(|_| literal.split(['/', '\\']).all(is_plain));
        match pattern {
            Some(pattern) if below => Ok(Self::Below(pattern)),
            Some(pattern) => Ok(Self::At(pattern)),
            None => Err(format!("`{text}` fits nothing: {}", unreachable_path(literal))),
        }
    }

    fn fits(&self, path: &str) -> bool {
        let relation = |pattern: &PathPattern| HostPath::new(path).relation(pattern);
        match self {
            Self::At(pattern) => relation(pattern) == Relation::Equal,
            Self::Below(pattern) => matches!(relation(pattern), Relation::Equal | Relation::Descendant),
            Self::Any => true,
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Why no effective path is `text`.
pub(super) fn unreachable_path(text: &str) -> String {
    let reached = HostPath::new(text);
    if !text.contains(['*', '?', '[', '{']) && !reached.is_relative() && !reached.has_backstep() {
        return format!("on a node, that is `{reached}`");
    }
    if !Path::new(text).is_absolute() && !reached.is_windows() {
        return "a path of a node begins with a slash".to_owned();
    }
    "a path is absolute and clean, a name holds one `*` at most, and `**` stands at the end alone".to_owned()
}

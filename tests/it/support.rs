//! What the tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use volcheck::cli::manifest::{self, Lint, Outcome, Role};
use volcheck::finding::Severity;
use volcheck::model::PathPattern;
use volcheck::policy::{Date, Level, Overrides, Policy, Profile};
use volcheck::report::{self, Format, Report, Style};
use volcheck::rules::AllowedHostPath;
use volcheck::suppress::Baseline;

/// The folder of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A policy with these rules alone, and what a policy must say so that they find anything.
pub fn selecting(rules: &[&str]) -> Policy {
    let select = Some(rules.iter().map(|rule| (*rule).to_owned()).collect());
    let overrides = Overrides { select, ..Overrides::default() };
    let mut policy = Policy::of_profile(Profile::Recommended, &overrides).expect("known rules");
    if rules.contains(&"unlisted-host-path") {
        policy.options.allowed_host_paths = Some(allow_list(&[("/var/log", true), ("/srv/volumes", false)]));
    }
    policy
}

/// An allow list of these paths, those with `true` read-only.
pub(crate) fn allow_list(paths: &[(&str, bool)]) -> Vec<AllowedHostPath> {
    let entry = |(path, is_read_only): &(&str, bool)| AllowedHostPath {
        pattern: PathPattern::new(path).expect("a clean path"),
        is_read_only: *is_read_only,
    };
    paths.iter().map(entry).collect()
}

/// A policy with all rules.
pub fn all_rules() -> Policy {
    selecting(&volcheck::rules::ALL.iter().map(|rule| rule.meta().id).collect::<Vec<_>>())
}

/// What comes of a text.
pub fn lint(policy: &Policy, name: &str, text: &str) -> Outcome {
    let lint = Lint { policy, today: TODAY, with_ignores: true, parse_all: false };
    manifest::lint(&lint, name, text.as_bytes().to_vec(), &Role::File)
}

/// The day of the tests.
pub const TODAY: Date = Date::constant(2026, 6, 1);

/// Whether a rule is about the policy itself, so that its fixtures and examples are policies.
pub fn is_about_policy(rule: &str) -> bool {
    ["expired-exemption", "unused-exemption"].contains(&rule)
}

/// What comes of the text `name`, a manifest; or, for a rule about the policy, a policy beside the example's
/// manifest.
pub fn judged(policy: &Policy, name: &str, text: &str, rule: &str) -> Outcome {
    let manifest = fs::read_to_string(root().join("examples/first/agent.yaml")).expect("the example");
    if rule == "stale-baseline" {
        let known = lint(&selecting(&["writable-host-path"]), "agent.yaml", &manifest).findings;
        let mut baseline = Baseline::of(known.iter().map(|located| (&located.finding, "agent.yaml")));
        for located in lint(&all_rules(), name, text).findings {
            baseline.take(&located.finding, name);
        }
        let findings = volcheck::cli::baseline::stale(&baseline, name, policy).into_iter().collect();
        return Outcome { findings, ..Outcome::default() };
    }
    if rule == "unused-ignore" && policy.level(rule) != Level::Off {
        // Only a rule that is on can have no finding.
        let recommended = Policy::of_profile(Profile::Recommended, &Overrides::default());
        let mut outcome = lint(&recommended.expect("a profile"), name, text);
        outcome.findings.retain(|located| located.finding.rule == rule);
        return outcome;
    }
    if !is_about_policy(rule) {
        return lint(policy, name, text);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let written = folder.path().join("volcheck.yaml");
    fs::write(&written, text).expect("written");
    let ignore = if policy.level(rule) == Level::Off { vec![rule.to_owned()] } else { Vec::new() };
    let own = Policy::load(&written, &Overrides { ignore, ..Overrides::default() }).expect("a policy");
    let used = lint(&own, "agent.yaml", &manifest).used;
    let mut findings = volcheck::cli::policy::findings(&own, Some(&used), TODAY);
    findings.iter_mut().for_each(|located| located.place.path = name.into());
    Outcome { findings, ..Outcome::default() }
}

/// An outcome as a report.
pub fn report_of(outcome: Outcome) -> Report {
    let Outcome { counts, findings, errors, suppressed, .. } = outcome;
    Report { counts, findings, errors, suppressed, outside: None }
}

/// The text report of an outcome, all severities shown.
pub fn text_of(outcome: Outcome) -> String {
    let mut report = report_of(outcome);
    report.findings.sort_by(report::Located::order);
    let style = Style::plain(Severity::Info);
    report::render(&report, Format::Text, style)
}

/// The manifests below a folder, in order of name; none where there is no such folder.
pub fn manifests(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "json"));
    paths.sort();
    paths
}

/// A path, relative to the project.
pub fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Compares `actual` with the file, or writes it where `VOLCHECK_BLESS` is set.
pub fn golden(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("VOLCHECK_BLESS").is_some() {
        return fs::write(path, actual).map_err(|error| format!("{}: {error}", name(path)));
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!(
        "{} differs; VOLCHECK_BLESS=1 writes it anew\n--- expected\n{expected}\n--- actual\n{actual}",
        name(path)
    ))
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

/// Whether the schema, by which editors and Helm go, takes a policy.
pub fn is_by_schema(text: &str) -> bool {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(&volcheck::policy::schema()).expect("JSON");
        jsonschema::validator_for(&schema).expect("a schema")
    });
    let tree = volcheck::source::parse(text, 0..text.len()).expect("YAML").expect("a document");
    VALIDATOR.is_valid(&volcheck::source::decode(&tree, tree.root()).expect("JSON"))
}

/// The policy of one text.
pub fn policy(text: &str) -> Policy {
    assert!(is_by_schema(text), "the schema refuses {text}");
    let folder = folder(&[("volcheck.yaml", text)]);
    let policy = Policy::load(&folder.path().join("volcheck.yaml"), &Overrides::default());
    policy.unwrap_or_else(|error| panic!("{error:?}"))
}

//! Helpers shared by several tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use volcheck::finding::Severity;
use volcheck::input::{self, DiscoveryOptions};
use volcheck::lint::{
    self, Coverage, LocatedFinding, Manifest, Options, Outcome, Report, Role, Run, RunOptions,
};
use volcheck::model::PathPattern;
use volcheck::policy::{Date, Overrides, Policy, Profile};
use volcheck::report::{self, Format, Style};
use volcheck::rules::{AllowedHostPath, Registry};
use volcheck::suppress::Baseline;

/// Returns the root directory of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a policy that enables only these rules, with the options that they require.
pub fn selecting(rules: &[&str]) -> Policy {
    let select = Some(rules.iter().map(|rule| (*rule).to_owned()).collect());
    let overrides = Overrides { select, ..Overrides::default() };
    let mut policy = Policy::from_profile(Profile::Recommended, &overrides).expect("known rules");
    if rules.contains(&"unlisted-host-path") {
        policy.options.allowed_host_paths = Some(allow_list(&[("/var/log", true), ("/srv/volumes", false)]));
    }
    policy
}

/// Creates an allow list from pairs of a path and its `readOnly` flag.
pub(crate) fn allow_list(paths: &[(&str, bool)]) -> Vec<AllowedHostPath> {
    let entry = |(path, is_read_only): &(&str, bool)| AllowedHostPath {
        path: (*path).to_owned(),
        pattern: PathPattern::new(path).expect("a clean path"),
        is_read_only: *is_read_only,
    };
    paths.iter().map(entry).collect()
}

/// Returns a policy that enables all rules.
pub fn all_rules() -> Policy {
    selecting(&Registry::built_in().iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>())
}

/// Checks a manifest.
pub fn lint(policy: &Policy, name: &str, text: &str) -> Outcome {
    let manifest = Manifest { name, bytes: text.as_bytes().to_vec(), role: Role::File };
    lint::check(manifest, &options(policy))
}

/// Returns the options for a check on the date [`TODAY`].
pub fn options(policy: &Policy) -> Options<'_> {
    Options { policy, today: TODAY, with_ignores: true, parse_all: false, with_volumes: false }
}

/// Checks the manifests in a directory as a complete run, which also reports unused exemptions and
/// stale baseline entries.
fn complete_run(directory: &Path, policy: &Policy, baseline: Option<Baseline>) -> Run {
    let extensions = vec!["yaml".to_owned()];
    let settings = DiscoveryOptions { extensions, ..DiscoveryOptions::default() };
    let found = input::discover(&[directory.to_string_lossy().into_owned()], &settings);
    let options = RunOptions { lint: options(policy), is_complete: true };
    let mut run = lint::run(&found, &options, &|| {});
    if let Some(baseline) = baseline {
        let directory = directory.canonicalize().expect("a directory");
        let coverage = Coverage::new(&directory, &directory, &found, None);
        run.apply_baseline(Path::new("baseline.json"), baseline, &coverage, &options);
    }
    run
}

/// The current date in tests.
pub const TODAY: Date = Date::constant(2026, 6, 1);

/// Checks a text with the setup that `rule` needs.
///
/// For most rules, the text is a manifest that is checked under `policy`. The rules below need a
/// different setup, and only their findings are returned:
///
/// - `stale-baseline`: the text is the manifest of a run with the baseline of the first example.
/// - `expired-exemption`, `unused-exemption`: the text is the policy of a run that checks the first
///   example.
/// - `unused-ignore`: the text is a manifest, which is checked with all recommended rules.
pub fn check_for_rule(policy: &Policy, name: &str, text: &str, rule: &str) -> Outcome {
    let example = fs::read_to_string(root().join("examples/first/agent.yaml")).expect("the example");
    let is_enabled = policy.enabled_rules().any(|(enabled, _)| enabled.id == *rule);
    let report = match rule {
        "stale-baseline" => {
            let known = lint(&selecting(&["writable-host-path"]), "agent.yaml", &example).findings;
            let known = known.iter().map(|located| (&located.finding, "agent.yaml".to_owned(), false));
            let baseline = Baseline::from_findings(known);
            let directory = temp_dir(&[("manifest.yaml", text)]);
            let select = ["writable-host-path", rule];
            let run_policy = match is_enabled {
                true => selecting(&select),
                false => selecting(&["writable-host-path"]),
            };
            complete_run(directory.path(), &run_policy, Some(baseline)).report
        }
        "expired-exemption" | "unused-exemption" => {
            let directory = temp_dir(&[("volcheck.yaml", text), ("agent.yaml", &example)]);
            let ignore = if is_enabled { Vec::new() } else { vec![rule.to_owned()] };
            let overrides = Overrides { ignore, ..Overrides::default() };
            let run_policy =
                Policy::load(&directory.path().join("volcheck.yaml"), &overrides).expect("a policy");
            complete_run(directory.path(), &run_policy, None).report
        }
        // Only ignores of enabled rules can be unused, so this enables the recommended rules.
        "unused-ignore" if is_enabled => {
            let recommended = Policy::from_profile(Profile::Recommended, &Overrides::default());
            report_of(lint(&recommended.expect("a profile"), name, text))
        }
        _ => return lint(policy, name, text),
    };
    let Report { counts, mut findings, .. } = report;
    findings.retain(|located| located.finding.rule == *rule);
    findings.iter_mut().for_each(|located| located.location.path = name.into());
    Outcome { counts, findings, ..Outcome::default() }
}

/// Returns the report of an outcome.
pub fn report_of(outcome: Outcome) -> Report {
    let Outcome { counts, findings, unchecked, suppressed, unknown_host_paths, .. } = outcome;
    let errors = unchecked.into_iter().map(|unchecked| unchecked.located).collect();
    Report { counts, findings, errors, suppressed, unknown_host_paths, ..empty_report() }
}

/// Returns the report of a run that found nothing.
pub fn empty_report() -> Report {
    Report::new(&Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile"))
}

/// Returns the text report of an outcome, with all severities.
pub fn text_of(outcome: Outcome) -> String {
    let mut report = report_of(outcome);
    report.findings.sort_by(LocatedFinding::order);
    let style = Style::plain(Severity::Info);
    report::render(&report, Format::Text, style)
}

/// Returns the manifests in a directory, sorted by name. Returns an empty list if the directory
/// does not exist.
pub fn manifests(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "json"));
    paths.sort();
    paths
}

/// Returns a path relative to the root of the project.
pub fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// Compares `actual` with the content of a golden file. If `VOLCHECK_BLESS` is set, writes `actual`
/// to the file instead.
pub fn golden(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("VOLCHECK_BLESS").is_some() {
        return fs::write(path, actual).map_err(|error| format!("{}: {error}", name(path)));
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!(
        "{} is outdated; set VOLCHECK_BLESS=1 to update it\n--- expected\n{expected}\n--- actual\n{actual}",
        name(path)
    ))
}

/// Creates a temporary directory with these files.
pub fn temp_dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("written");
    }
    directory
}

/// Runs volcheck in a directory. Returns the exit code, and standard output followed by standard
/// error.
pub fn volcheck_in(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_volcheck");
    let output = Command::new(program).args(arguments).current_dir(directory).output().expect("volcheck");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("an exit code"), String::from_utf8(text).expect("UTF-8"))
}

/// Checks whether a policy matches the JSON schema that editors and Helm use.
pub fn matches_schema(text: &str) -> bool {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(&volcheck::policy::schema()).expect("JSON");
        jsonschema::validator_for(&schema).expect("a schema")
    });
    let tree = volcheck::source::parse(text, 0..text.len()).expect("YAML").expect("a document");
    VALIDATOR.is_valid(&volcheck::source::decode(&tree, tree.root()).expect("JSON"))
}

/// Loads a policy from its text.
pub fn policy(text: &str) -> Policy {
    assert!(matches_schema(text), "the schema rejects {text}");
    let directory = temp_dir(&[("volcheck.yaml", text)]);
    let policy = Policy::load(&directory.path().join("volcheck.yaml"), &Overrides::default());
    policy.unwrap_or_else(|error| panic!("{error:?}"))
}

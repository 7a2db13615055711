//! The policy file: the effect of its keys, and the errors that volcheck reports in it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use volcheck::finding::{RuleId, Severity};
use volcheck::policy::{Level, MergedPolicy, Mode, Overrides, Policy, PolicyError, Profile};
use volcheck::rules::Registry;

use crate::support::{TODAY, lint, matches_schema, policy, root, temp_dir, volcheck_in};

fn load(directory: &Path) -> Result<Policy, PolicyError> {
    Policy::load(&directory.join("volcheck.yaml"), &Overrides::default())
}

/// Returns the line, column and message of each problem in a policy.
fn problems(files: &[(&str, &str)]) -> Vec<(usize, usize, String)> {
    let directory = temp_dir(files);
    match load(directory.path()) {
        Ok(_) => Vec::new(),
        Err(PolicyError::UnknownRule(unknown)) => panic!("{unknown}"),
        Err(PolicyError::Problems(problems)) => problems
            .into_iter()
            .map(|problem| {
                let (line, column) =
                    problem.location.map_or((0, 0), |(_, span)| (span.start.line, span.start.column));
                (line, column, problem.message)
            })
            .collect(),
    }
}

/// Returns the origin of a rule's level, as `volcheck policy show` prints it but without the
/// directory.
fn origin(directory: &Path, rule: &str, overrides: &Overrides) -> String {
    let merged = MergedPolicy::load(&directory.join("volcheck.yaml"), overrides).expect("a policy");
    let text = merged.text(true);
    let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{rule}: ")));
    let (_, origin) = line.and_then(|line| line.split_once("# ")).expect("an origin");
    origin.rsplit('/').next().expect("a name").to_owned()
}

const EXEMPTION: &str =
    "version: 1\nexemptions:\n- rules: [host-root]\n  match: {namespace: a}\n  reason: r\n";

#[test]
fn policy_errors_point_at_their_location() {
    let exemption = |from: &str, to: &str| {
        assert!(EXEMPTION.contains(from), "{from}");
        EXEMPTION.replacen(from, to, 1)
    };
    let cases: &[(&str, usize, usize, &str)] = &[
        ("", 1, 1, "empty policy: `version: 1` is required"),
        ("# nothing\n", 1, 1, "empty policy: `version: 1` is required"),
        ("- a\n", 1, 3, "expected a mapping, found a list"),
        ("just text\n", 1, 1, "expected a mapping, found the string \"just text\""),
        ("version: 1\nrules: [\n", 3, 1, "did not find expected node content"),
        ("version: 1\n---\nversion: 1\n", 3, 1, "a policy must be a single document"),
        ("rules: {}\n", 1, 1, "missing key `version`, expected `version: 1`"),
        ("version: 2\n", 1, 10, "unsupported version 2, expected 1"),
        ("version: one\n", 1, 10, "expected an integer, found the string \"one\""),
        ("version: 1\nrulez: {}\n", 2, 1, "unknown key `rulez`; did you mean `rules`?"),
        ("version: 1\nlint: {exclud: []}\n", 2, 8, "unknown key `exclud`; did you mean `exclude`?"),
        (
            "version: 1\nhostPaths: {allow: []}\n",
            2,
            13,
            "unknown key `allow`: to forbid all other host paths, write `allowOnly`; to accept findings about a path, add an entry to `exemptions`",
        ),
        (
            "version: 1\nvolumeTypes: {allow: []}\n",
            2,
            15,
            "unknown key `allow`: to forbid all other volume types, write `allowOnly`; to accept findings about a volume, add an entry to `exemptions`",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /a, x: 1}]}\n",
            2,
            36,
            "unknown key `x`; expected `path` or `readOnly`",
        ),
        (
            "version: 1\nprofile: strict\n",
            2,
            10,
            "unknown value `strict`; expected `none`, `recommended`, `baseline` or `restricted`",
        ),
        ("version: 1\nversion: 1\n", 2, 1, "duplicate key `version`"),
        (
            "version: 1\nkubernetesVersion: latest\n",
            2,
            20,
            "invalid Kubernetes version `latest`, expected a version such as `1.33`",
        ),
        (
            "version: 1\nkubernetesVersion: 1.30\n",
            2,
            20,
            "expected a string, found the number `1.30`: quote it",
        ),
        (
            "version: 1\nvolumeTypes: {allowOnly: [secret, emptydir]}\n",
            2,
            35,
            "unknown volume type `emptydir`; did you mean `emptyDir`?",
        ),
        (
            "version: 1\nclaims: {requireClass: yes-please}\n",
            2,
            24,
            "expected a boolean, found the string \"yes-please\"",
        ),
        ("version: 1\nrules: {host-rot: off}\n", 2, 9, "unknown rule `host-rot`; did you mean `host-root`?"),
        (
            "version: 1\nrules: {host-root: loud}\n",
            2,
            20,
            "expected error, warning, info or off, found the string \"loud\"",
        ),
        (
            "version: 1\nrules: {host-root: on}\n",
            2,
            20,
            "expected error, warning, info or off, found the boolean `true`",
        ),
        (
            "version: 1\nrules: {host-root: [a]}\n",
            2,
            21,
            "expected error, warning, info, off, or a mapping with `severity`, `until`, `then` and `options`, found a list",
        ),
        (
            "version: 1\nrules: {host-root: {severty: off}}\n",
            2,
            21,
            "unknown key `severty`; did you mean `severity`?",
        ),
        (
            "version: 1\nrules: {host-root: {options: {a: b}}}\n",
            2,
            31,
            "unknown option `a`: `host-root` has no options",
        ),
        (
            "version: 1\nrules: {unbounded-empty-dir: {options: {defaultsize: 1Gi}}}\n",
            2,
            41,
            "unknown option `defaultsize` of `unbounded-empty-dir`; did you mean `defaultSize`?",
        ),
        (
            "version: 1\nrules: {unbounded-empty-dir: {options: {defaultSize: much}}}\n",
            2,
            54,
            "invalid size `much`, expected a quantity such as `1Gi`",
        ),
        (
            "version: 1\nrules: {unbounded-empty-dir: {options: {defaultSize: 3}}}\n",
            2,
            54,
            "expected a string, found the number `3`",
        ),
        (
            "version: 1\nrules: {unanalyzed-document: off}\n",
            2,
            30,
            "cannot change the severity of `unanalyzed-document`: it reports input that could not be checked",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: var/log}]}\n",
            2,
            32,
            "`var/log` never matches: the path must be absolute",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /var/run/x}]}\n",
            2,
            32,
            "`/var/run/x` never matches: the effective path is `/run/x`",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /a/../b}]}\n",
            2,
            32,
            "`/a/../b` never matches: the path must be absolute and clean, with `*` as the only wildcard, at most once per segment",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /a}, {path: /b}, {path: /a, readOnly: true}]}\n",
            2,
            56,
            "`/a` is already in the list",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /a/b, readOnly: true}, {path: /a, readOnly: true}]}\n",
            2,
            32,
            "`/a/b` has no effect: `/a` already allows read-only mounts of it",
        ),
        (
            "version: 1\nhostPaths: {allowOnly: [{path: /a*}, {path: /a/b, readOnly: true}, {path: /ab/c*}]}\n",
            2,
            75,
            "`/ab/c*` has no effect: `/a*` already allows it",
        ),
        (
            "version: 1\nhostPaths: {catalog: [{path: /a, class: critical, reason: r}, {path: /a, class: sensitive, reason: r}]}\n",
            2,
            70,
            "`/a` is already in the list",
        ),
        (
            "version: 1\nhostPaths: {catalog: [{path: /a, class: bad, reason: r}]}\n",
            2,
            41,
            "unknown value `bad`; expected `socket`, `critical`, `credentials`, `agent-socket`, `sensitive` or `harmless`",
        ),
        (
            "version: 1\nhostPaths: {catalog: [{path: /a, class: agent-socket, reason: r}]}\n",
            2,
            24,
            "`severity` is required for class `agent-socket` and not allowed for others",
        ),
        (
            "version: 1\nhostPaths: {catalog: [{path: etc, class: critical, reason: r}]}\n",
            2,
            24,
            "`etc` never matches: the path must be absolute",
        ),
        ("version: 1\nhostPaths: {catalog: [{path: /a, class: critical}]}\n", 2, 24, "missing key `reason`"),
        (
            "version: 1\ndataDirectories: [{path: data, reason: r}]\n",
            2,
            26,
            "`data` never matches: the path must be absolute",
        ),
        ("version: 1\nmodes: {\"a[b]\": warn}\n", 2, 9, "`[` is not supported in globs"),
        (
            "version: 1\nmodes: {a: loud}\n",
            2,
            12,
            "unknown value `loud`; expected `deny`, `warn`, `audit` or `off`",
        ),
        ("version: 1\nlint: {exclude: [\"a[\"]}\n", 2, 18, "invalid pattern: "),
        (
            "version: 1\nworkloads: [{group: a, kind: B, podSpecs: [\"a..b\"]}]\n",
            2,
            44,
            "`a..b` has an empty key",
        ),
        (
            "version: 1\nextends: [node-agent]\n",
            2,
            11,
            "unknown pack `node-agent`; did you mean `node-agents`?",
        ),
        (
            "version: 1\nextends: [node-agents/calicoo]\n",
            2,
            11,
            "unknown pack `node-agents/calicoo`; did you mean `node-agents/calico`?",
        ),
        (
            "version: 1\nextends: [restricted]\n",
            2,
            11,
            "`restricted` is a profile, not a pack: write `profile: restricted`",
        ),
        ("version: 1\nextends: [./nosuch.yaml]\n", 2, 11, "could not be read: no such file"),
        ("version: 1\nextends: [./]\n", 2, 11, "could not be read: not a file"),
        (
            "version: 1\nextends: [./volcheck.yaml]\n",
            2,
            11,
            "cyclic `extends`: the named file extends this file, directly or indirectly",
        ),
        (&exemption("host-root", "host-rot"), 3, 11, "unknown rule `host-rot`; did you mean `host-root`?"),
        (&exemption("[host-root]", "[]"), 3, 10, "no rule given"),
        (
            &exemption("host-root", "invalid-field-value"),
            3,
            11,
            "`invalid-field-value` cannot be exempted: exclude the file with `lint.exclude`",
        ),
        (
            &exemption("host-root", "unused-ignore"),
            3,
            11,
            "`unused-ignore` cannot be exempted: its findings are not about an object",
        ),
        (
            &exemption("namespace: a", "namespace: a, container: c"),
            4,
            36,
            "never matches: findings of `host-root` have no container",
        ),
        (
            &exemption("[host-root]", "[host-root, duplicate-volume-name]").replace("a}", "a, path: /x}"),
            4,
            31,
            "never matches: findings of `duplicate-volume-name` have no path",
        ),
        (
            &exemption("host-root", "untyped-host-path").replace("a}", "a, access: read}"),
            4,
            33,
            "never matches: findings of `untyped-host-path` have no access",
        ),
        (
            &exemption("namespace: a", "namespace: a, kind: PersistentVolume"),
            4,
            22,
            "never matches: a PersistentVolume has no namespace",
        ),
        (
            &exemption("host-root", "host-path-persistent-volume"),
            4,
            22,
            "never matches: findings of `host-path-persistent-volume` are about PersistentVolumes, which have no namespace",
        ),
        (
            &exemption("host-root", "recycled-persistent-volume")
                .replace("namespace: a", "kind: StorageClass"),
            4,
            17,
            "never matches: findings of `recycled-persistent-volume` are about PersistentVolumes",
        ),
        (
            &exemption("host-root", "writable-host-path").replace("namespace: a", "kind: PersistentVolume"),
            4,
            17,
            "never matches: findings of `writable-host-path` are not about PersistentVolumes",
        ),
        (
            &exemption("host-root", "writable-host-path").replace("a}", "a, access: read}"),
            4,
            33,
            "never matches: findings of `writable-host-path` are about write access",
        ),
        (
            &exemption("host-root", "deleted-claim").replace("a}", "a, path: /x}"),
            4,
            31,
            "never matches: findings of `deleted-claim` have no path",
        ),
        (
            &exemption("namespace: a", "namespace: a, kind: [DaemonSet, \"*Set\"], user: alice"),
            4,
            32,
            "never matches: with `user` or `group`, an exemption applies only to Pods that users create themselves",
        ),
        (
            &exemption("namespace: a", "namespace: a, user: system:kube-controller-manager"),
            4,
            31,
            "never matches: exemptions for users do not apply to Kubernetes controllers such as `system:kube-controller-manager`",
        ),
        (&exemption("namespace: a", "namespace: a, group: []"), 4, 32, "an empty list never matches"),
        (
            &exemption("reason: r", "reason: r\n  severity: error"),
            6,
            13,
            "an exemption cannot lower findings to `error`: use `warning` or `info`, or omit the key",
        ),
        (&exemption("  reason: r\n", ""), 3, 3, "missing key `reason`"),
        (&exemption("reason: r", "reason: \" \""), 5, 11, "empty reason: explain the exemption"),
        (&exemption("{namespace: a}", "{name: a}"), 4, 11, "missing key `namespace`"),
        (&exemption("namespace: a", "namespace: []"), 4, 22, "an empty list never matches"),
        (&exemption("namespace: a", "namespace: \"\""), 4, 22, "an empty string never matches"),
        (
            &exemption("namespace: a", "namespace: 3"),
            4,
            22,
            "expected a string or a list of strings, found the number `3`",
        ),
        (&exemption("namespace: a", "namespace: /(/"), 4, 22, "invalid regular expression: unclosed group"),
        (&exemption("namespace: a", "namespace: \"{a,b}\""), 4, 22, "`{` is not supported in globs"),
        (
            &exemption("namespace: a", "namespace: a, path: /var/"),
            4,
            31,
            "ambiguous trailing slash: write `/var`, `/var/**` or, for a regular expression, `/^…/`",
        ),
        (
            &exemption("namespace: a", "namespace: a, path: /**/x"),
            4,
            31,
            "`/**/x` never matches: `**` is supported only as the last part of a path",
        ),
        (
            &exemption("namespace: a", "namespace: a, access: all"),
            4,
            33,
            "unknown value `all`; expected `read` or `write`",
        ),
        (
            &exemption("namespace: a", "namespace: a, nam: b"),
            4,
            25,
            "unknown key `nam`; did you mean `name`?",
        ),
        (
            &exemption("reason: r", "reason: r\n  expires: soon"),
            6,
            12,
            "invalid date `soon`, expected YYYY-MM-DD",
        ),
        (
            &exemption("reason: r", "reason: r\n  expires: 2027-02-30"),
            6,
            12,
            "invalid date `2027-02-30`, expected YYYY-MM-DD",
        ),
        (
            "version: 1\nrules: {host-root: {severity: info, until: 2027-13-01, then: error}}\n",
            2,
            44,
            "invalid date `2027-13-01`, expected YYYY-MM-DD",
        ),
        (
            "version: 1\nrules: {host-root: {severity: info, until: 2027-10-01, then: info}}\n",
            2,
            62,
            "`then` must differ from `severity`",
        ),
        (
            "version: 1\nrules: {host-root: {severity: info, until: 2027-10-01}}\n",
            2,
            37,
            "missing key `then`: the severity after this day",
        ),
        (
            "version: 1\nrules: {host-root: {until: 2027-10-01, then: info}}\n",
            2,
            21,
            "missing key `severity`: the severity up to this day",
        ),
        (
            "version: 1\nrules: {host-root: {severity: info, then: error}}\n",
            2,
            37,
            "missing key `until`: the last day of `severity`",
        ),
        (
            "version: 1\nrules: {unanalyzed-document: {severity: info, until: 2027-10-01, then: error}}\n",
            2,
            31,
            "cannot change the severity of `unanalyzed-document`",
        ),
        ("version: 1\noverrides:\n- {match: {namespace: a}, rules: {}}\n", 3, 34, "no rule given"),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {host-rot: info}}\n",
            3,
            35,
            "unknown rule `host-rot`; did you mean `host-root`?",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {invalid-field-value: info}}\n",
            3,
            35,
            "cannot change the severity of `invalid-field-value`",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {stale-baseline: info}}\n",
            3,
            35,
            "`stale-baseline` cannot be overridden: its findings are not about an object",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {host-root: off}}\n",
            3,
            46,
            "an override cannot disable a rule: use an exemption, which gives a reason",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {host-root: {}}}\n",
            3,
            46,
            "missing key `severity`",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a}, rules: {unbounded-empty-dir: {severity: info, options: {defaultSize: 1Gi}}}}\n",
            3,
            73,
            "options cannot be overridden: set them with the top-level key `rules`",
        ),
        (
            "version: 1\noverrides:\n- {match: {path: /a}, rules: {host-root: info}}\n",
            3,
            12,
            "missing key `namespace`",
        ),
        (
            "version: 1\noverrides:\n- {match: {path: /a}, rules: {host-path-persistent-volume: info, \"*\": info}}\n",
            3,
            12,
            "missing key `namespace`",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a, user: alice}, rules: {host-root: info}}\n",
            3,
            32,
            "overrides do not support `user`: `volcheck lint` does not know the user",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a, access: read}, rules: {writable-host-path: info}}\n",
            3,
            34,
            "never matches: findings of `writable-host-path` are about write access",
        ),
        (
            "version: 1\noverrides:\n- {match: {namespace: a, path: /var/run/x}, rules: {host-path: info}}\n",
            3,
            32,
            "`/var/run/x` never matches: the effective path is `/run/x`",
        ),
    ];
    for (text, line, column, message) in cases {
        let found = problems(&[("volcheck.yaml", text)]);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let (found_line, found_column, found) = &found[0];
        assert!(found.starts_with(message), "{text}\nactual:   {found}\nexpected: {message}");
        assert_eq!((found_line, found_column), (line, column), "{text}: {found}");
    }
}

#[test]
fn reports_all_errors_of_all_files() {
    let found = problems(&[
        ("volcheck.yaml", "version: 1\nextends: [base/a.yaml]\nrules: {nosuch: off, other: off}\n"),
        ("base/a.yaml", "version: 1\n\nrules: {third: off}\n"),
    ]);
    let lines: Vec<_> = found.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, [3, 3, 3], "{found:?}");
}

#[test]
fn rejects_binary_and_oversized_files() {
    let large = format!("version: 1\n{}", "# comment\n".repeat(200_000));
    assert_eq!(problems(&[("volcheck.yaml", &large)])[0].2, "could not be read: larger than 1 MiB");
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("volcheck.yaml"), b"version: 1 # \xE9\n").expect("written");
    assert!(
        matches!(load(directory.path()), Err(PolicyError::Problems(problems)) if problems[0].message.contains("UTF-8"))
    );
    assert_eq!(problems(&[])[0].2, "could not be read: no such file");
}

#[test]
fn rejects_cycles_and_loads_shared_files_once() {
    let found = problems(&[
        ("volcheck.yaml", "version: 1\nextends: [./a.yaml]\n"),
        ("a.yaml", "version: 1\nextends: [./b.yaml]\n"),
        ("b.yaml", "version: 1\nextends: [./a.yaml]\n"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].2, "cyclic `extends`: the named file extends this file, directly or indirectly");
    let diamond = temp_dir(&[
        ("volcheck.yaml", "version: 1\nextends: [./a.yaml, ./b.yaml]\n"),
        ("a.yaml", "version: 1\nextends: [./c.yaml]\n"),
        ("b.yaml", "version: 1\nextends: [./c.yaml]\n"),
        ("c.yaml", EXEMPTION),
    ]);
    assert_eq!(load(diamond.path()).expect("a policy").exemptions().len(), 1);
}

#[test]
fn later_documents_override_earlier_and_flags_override_both() {
    let directory = temp_dir(&[
        (
            "volcheck.yaml",
            "version: 1\nextends: [a.yaml, b.yaml]\nrules: {host-root: info}\nlint: {namespace: shop}\n",
        ),
        (
            "a.yaml",
            "version: 1\nprofile: baseline\nrules: {host-root: off, \"*\": warning, runtime-socket: info}\nhostPaths: {allowOnly: [{path: /a}]}\n",
        ),
        ("b.yaml", "version: 1\nrules: {runtime-socket: off}\nhostPaths: {allowOnly: []}\n"),
    ]);
    let policy = load(directory.path()).expect("a policy");
    assert_eq!(policy.profile, Profile::Baseline);
    assert_eq!(policy.level(RuleId::new("host-root"), TODAY), Level::As(Severity::Info));
    assert_eq!(policy.level(RuleId::new("runtime-socket"), TODAY), Level::Off);
    assert_eq!(policy.level(RuleId::new("untyped-host-path"), TODAY), Level::As(Severity::Warning));
    assert_eq!(origin(directory.path(), "host-root", &Overrides::default()), "volcheck.yaml:3");
    assert_eq!(origin(directory.path(), "untyped-host-path", &Overrides::default()), "a.yaml:3");
    assert_eq!(policy.options.allowed_host_paths.as_ref().map(Vec::len), Some(0));
    assert_eq!(policy.namespace, "shop");
    let flags = Overrides {
        profile: Some(Profile::None),
        select: Some(vec!["host-root".to_owned(), "host-path".to_owned()]),
        ignore: vec!["host-path".to_owned()],
        namespace: Some("other".to_owned()),
        ..Overrides::default()
    };
    let policy = Policy::load(&directory.path().join("volcheck.yaml"), &flags).expect("a policy");
    assert_eq!(policy.level(RuleId::new("host-root"), TODAY), Level::As(Severity::Info));
    assert_eq!(policy.level(RuleId::new("host-path"), TODAY), Level::Off);
    assert_eq!(origin(directory.path(), "host-path", &flags), "--ignore");
    assert_eq!(policy.namespace, "other");
}

#[test]
fn exact_name_then_longest_glob_decides_the_mode() {
    let policy = policy(
        "version: 1\nmodes: {kube-system: warn, \"team-*\": audit, \"team-a*\": off, \"*\": deny, /x+/: warn}\n",
    );
    assert_eq!(policy.mode("kube-system"), Mode::Warn);
    assert_eq!(policy.mode("team-b"), Mode::Audit);
    assert_eq!(policy.mode("team-ab"), Mode::Off);
    assert_eq!(policy.mode("xx"), Mode::Warn);
    assert_eq!(policy.mode("other"), Mode::Deny);
    assert_eq!(crate::support::policy("version: 1\n").mode("any"), Mode::Deny);
}

#[test]
fn only_the_pattern_for_all_decides_the_mode_of_objects_without_namespace() {
    let policy = policy("version: 1\nmodes: {'/.*/': off, '**': off, '*': warn}\n");
    assert_eq!(policy.mode(""), Mode::Warn);
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\nspec:\n  containers:\n  - name: c\n    image: i\n    volumeMounts:\n    - {name: v, mountPath: /v, readOnly: true}\n  volumes:\n  - name: v\n    hostPath: {path: /, type: Directory}\n";

#[test]
fn finds_the_nearest_policy_within_the_repository() {
    let directory = temp_dir(&[
        ("volcheck.yaml", "version: 1\nrules: {\"*\": off}\n"),
        ("deploy/pod.yaml", POD),
        ("repo/.git/HEAD", ""),
        ("repo/deploy/pod.yaml", POD),
    ]);
    let at = |name: &str| directory.path().join(name);
    assert_eq!(volcheck_in(&at("deploy"), &["lint"]).0, 0);
    assert_eq!(volcheck_in(&at("deploy"), &["lint", "--no-policy"]).0, 1);
    assert_eq!(volcheck_in(&at("repo/deploy"), &["lint"]).0, 1);
    assert_eq!(volcheck_in(&at("repo/deploy"), &["lint", "--policy", "../../volcheck.yaml"]).0, 0);
    assert_eq!(volcheck_in(&at("deploy"), &["lint", "--select", "host-root"]).0, 1);
    let (code, rules) = volcheck_in(&at("deploy"), &["rules"]);
    assert_eq!(code, 0);
    let enabled =
        rules.lines().skip(1).take_while(|line| !line.is_empty()).filter(|line| !line.contains(" off "));
    let always_enabled = ["unanalyzed-document", "invalid-field-value"];
    assert!(enabled.clone().all(|line| always_enabled.iter().any(|rule| line.starts_with(rule))), "{rules}");
    assert_eq!(volcheck_in(&at("deploy"), &["lint", "--no-policy", "--policy", "x"]).0, 2);
}

#[test]
fn finds_policies_with_other_names() {
    let off = "version: 1\nrules: {\"*\": off}\n";
    for name in ["volcheck.yaml", "volcheck.yml", ".volcheck.yaml", ".volcheck.yml"] {
        let directory = temp_dir(&[(name, off), ("deploy/pod.yaml", POD)]);
        let deploy = directory.path().join("deploy");
        assert_eq!(volcheck_in(&deploy, &["lint"]).0, 0, "{name}");
        let (_, text) = volcheck_in(&deploy, &["policy", "check"]);
        assert!(text.starts_with(&format!("../{name} is valid: ")), "{text}");
    }
    let names = [("volcheck.yml", off), (".volcheck.yaml", off), ("deploy/pod.yaml", POD)];
    let directory = temp_dir(&names);
    let deploy = directory.path().join("deploy");
    for command in [&["lint"][..], &["policy", "check"], &["policy", "show"], &["rules"]] {
        let (code, text) = volcheck_in(&deploy, command);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("--> ../.volcheck.yaml\n"), "{text}");
        assert!(text.contains("another policy file, `volcheck.yml`, is in the same directory"), "{text}");
    }
    assert_eq!(volcheck_in(&deploy, &["lint", "--policy", "../volcheck.yml"]).0, 0);
    assert_eq!(volcheck_in(&deploy, &["lint", "--no-policy"]).0, 1);
}

#[test]
fn init_names_the_input_of_later_runs() {
    let run = |directory: &Path, arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .arg("init")
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("volcheck");
        let _ = child.stdin.take().expect("a pipe").write_all(POD.as_bytes());
        String::from_utf8(child.wait_with_output().expect("an exit").stderr).expect("UTF-8")
    };
    let directory = temp_dir(&[("pod.yaml", POD)]);
    assert!(run(directory.path(), &[]).contains("To list them, run `volcheck lint`. "));
    let directory = temp_dir(&[]);
    let text = run(directory.path(), &["-"]);
    assert!(text.contains("run `volcheck lint` with the same arguments and input. "), "{text}");
    assert!(text.contains("run `volcheck baseline` with the same arguments and input.\n"), "{text}");
}

#[test]
fn invalid_policy_stops_the_run() {
    let directory = temp_dir(&[("volcheck.yaml", "version: 1\nrulez: {}\n"), ("pod.yaml", POD)]);
    let expected = "\
error[invalid-policy]: unknown key `rulez`; did you mean `rules`?
 --> volcheck.yaml:2:1
  |
2 | rulez: {}
  | ^^^^^
  |
  = docs: volcheck schema policy

The policy has 1 error; nothing was checked.
";
    for command in [&["lint"][..], &["baseline"], &["policy", "show"]] {
        assert_eq!(volcheck_in(directory.path(), command), (2, expected.to_owned()), "{command:?}");
    }
    assert_eq!(volcheck_in(directory.path(), &["lint", "--policy", "nosuch.yaml"]).0, 2);
}

#[test]
fn exclude_globs_are_relative_to_the_policy() {
    let directory = temp_dir(&[
        ("volcheck.yaml", "version: 1\nlint: {exclude: [\"charts/*/templates/**\"], namespace: shop}\n"),
        ("charts/a/templates/b.yaml", "{{ raw }}\n"),
        ("charts/a/ok.yaml", &POD.replace(", namespace: a", "")),
    ]);
    let (code, text) = volcheck_in(directory.path(), &["lint"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("Pod shop/p"), "{text}");
    assert_eq!(volcheck_in(&directory.path().join("charts"), &["lint", "a"]).0, 1);
    assert_eq!(volcheck_in(directory.path(), &["lint", "--no-policy"]).0, 2);
    assert_eq!(volcheck_in(directory.path(), &["lint", "charts/a/templates/b.yaml"]).0, 2);
    assert!(
        volcheck_in(directory.path(), &["lint", "charts/a/templates/b.yaml"])
            .1
            .contains("no Kubernetes object")
    );
}

#[test]
fn unused_exemptions_of_extended_policies_are_not_reported() {
    let exemption = |reason: &str| {
        format!("exemptions:\n- {{rules: host-root, match: {{namespace: shop}}, reason: {reason}}}\n")
    };
    let directory = temp_dir(&[
        ("base/volcheck.yaml", &format!("version: 1\n{}", exemption("of the base"))),
        ("volcheck.yaml", &format!("version: 1\nextends: [base/volcheck.yaml]\n{}", exemption("own"))),
        ("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n"),
    ]);
    let (_, text) = volcheck_in(directory.path(), &["lint", "--format", "concise"]);
    assert_eq!(text, "volcheck.yaml:4:4: warning[unused-exemption] unused exemption with reason `own`\n");
    // The base itself reports its exemption.
    let arguments = ["lint", "--format", "concise", "--allow-empty"];
    let (_, text) = volcheck_in(&directory.path().join("base"), &arguments);
    assert!(text.contains("`of the base`"), "{text}");
}

#[test]
fn reports_unused_exemptions_of_complete_runs_only() {
    let exempt = |rest: &str| {
        format!(
            "version: 1\nexemptions:\n- rules: [host-root, non-recursive-read-only]\n  match: {{namespace: a, {rest}}}\n  reason: the test\n"
        )
    };
    let run = |rest: &str, arguments: &[&str]| {
        let directory = temp_dir(&[("volcheck.yaml", exempt(rest).as_str()), ("deploy/pod.yaml", POD)]);
        volcheck_in(
            directory.path(),
            &[&["lint", "--min-severity", "info", "--format", "concise"], arguments].concat(),
        )
    };
    let (code, text) = run("kind: Pod, path: /", &[]);
    assert_eq!((code, text.contains("host-root"), text.contains("unused")), (0, false, false), "{text}");
    let (code, text) = run("kind: Deployment", &[]);
    assert_eq!(code, 1);
    assert!(
        text.contains("volcheck.yaml:3:3: warning[unused-exemption] unused exemption with reason `the test`"),
        "{text}"
    );
    assert!(!run("kind: Deployment", &["deploy"]).1.contains("unused-exemption"));
    // Lint does not know the user, so it neither applies nor reports an exemption for users.
    for scope in ["user: alice", "group: \"*\""] {
        let (code, text) = run(scope, &[]);
        assert_eq!((code, text.contains("host-root"), text.contains("unused")), (1, true, false), "{text}");
    }
    assert!(!run("kind: Deployment", &["--select", "host-root"]).1.contains("unused-exemption"));
}

#[test]
fn allow_list_entries_with_an_effect_are_valid() {
    for list in [
        "{path: /a}, {path: /a/b, readOnly: true}, {path: /a/b/c}",
        "{path: /a, readOnly: true}, {path: /a/b}",
        "{path: /a}, {path: /ab}, {path: /b/a}",
        "{path: /a/*}, {path: /a/b*, readOnly: true}, {path: /a/bc}",
        "{path: /*/b}, {path: /a/*, readOnly: true}, {path: /a/b}",
        "{path: /a}, {path: 'C:\\a'}",
    ] {
        let found =
            problems(&[("volcheck.yaml", &format!("version: 1\nhostPaths: {{allowOnly: [{list}]}}\n"))]);
        assert!(found.is_empty(), "{list}: {found:?}");
    }
}

#[test]
fn exemptions_with_a_severity_only_lower_it() {
    let severities = |exemptions: &str| -> Vec<Severity> {
        let policy = policy(&format!(
            "version: 1\nrules: {{\"*\": off, host-root: error, non-recursive-read-only: warning}}\nexemptions:\n{exemptions}"
        ));
        let findings = lint(&policy, "pod.yaml", POD).findings;
        findings.into_iter().map(|located| located.finding.severity).collect()
    };
    let exemption = |rule: &str, severity: &str| {
        format!("- {{rules: {rule}, match: {{namespace: a}}, reason: r{severity}}}\n")
    };
    let (recursive, info, warning) = ("non-recursive-read-only", ", severity: info", ", severity: warning");
    assert_eq!(severities(&exemption(recursive, warning)), [Severity::Warning, Severity::Error]);
    assert_eq!(severities(&exemption("'*'", info)), [Severity::Info, Severity::Info]);
    assert_eq!(severities(&exemption("'*'", warning)), [Severity::Warning, Severity::Warning]);
    // An exemption without a severity takes precedence, then the lowest severity.
    let lowered = exemption("host-root", warning) + &exemption("'*'", info);
    assert_eq!(severities(&lowered), [Severity::Info, Severity::Info]);
    assert_eq!(severities(&(lowered + &exemption("host-root", ""))), [Severity::Info]);
}

#[test]
fn packs_load_in_full_and_in_part() {
    assert!(policy("version: 1\nextends: [node-agents]\n").exemptions().len() > 200);
    let one = policy("version: 1\nextends: [node-agents/fluentd]\n").exemptions().len();
    assert!((1..10).contains(&one), "{one}");
    let upstream = policy("version: 1\nextends: [node-agents/upstream/fluentd]\n");
    assert!(upstream.exemptions().len() > one);
    for wrong in ["node-agents/upstream/calicoo", "node-agents/upstreams", "node-agents/"] {
        let found = problems(&[("volcheck.yaml", &format!("version: 1\nextends: [{wrong}]\n"))]);
        assert!(found[0].2.starts_with(&format!("unknown pack `{wrong}`; did you mean")), "{found:?}");
    }
}

#[test]
fn custom_entries_precede_built_in_ones() {
    let pod = |path: &str, mount: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    image: i\n    volumeMounts:\n    - {{name: v, mountPath: {mount}}}\n  volumes:\n  - name: v\n    hostPath: {{path: {path}, type: Directory}}\n"
        )
    };
    let found = |policy: &Policy, path: &str, mount: &str| -> Vec<&'static str> {
        let outcome = lint(policy, "pod.yaml", &pod(path, mount));
        outcome.findings.iter().map(|located| located.finding.rule.as_str()).collect()
    };
    let custom = policy(
        "version: 1\nrules: {\"*\": off, sensitive-host-path: error, app-data-host-path: error}\n\
         hostPaths: {catalog: [{path: /opt/vault, class: critical, reason: unseal keys}, {path: /etc, class: harmless, reason: ours}]}\n\
         dataDirectories: [{path: /ledger, reason: ours}]\n",
    );
    let built_in =
        policy("version: 1\nrules: {\"*\": off, sensitive-host-path: error, app-data-host-path: error}\n");
    assert_eq!(found(&custom, "/opt/vault", "/x, readOnly: true"), ["sensitive-host-path"]);
    assert_eq!(found(&built_in, "/opt/vault", "/x, readOnly: true"), [""; 0]);
    assert_eq!(found(&custom, "/etc", "/x, readOnly: true"), [""; 0]);
    assert_eq!(found(&built_in, "/etc", "/x, readOnly: true"), ["sensitive-host-path"]);
    let is_data_directory = |policy: &Policy| {
        let outcome = lint(policy, "pod.yaml", &pod("/srv/l", "/ledger/a"));
        outcome.findings.iter().any(|located| located.finding.message.contains("mounted at `/ledger/a`"))
    };
    assert!(is_data_directory(&custom) && !is_data_directory(&built_in));
}

#[test]
fn heuristic_can_be_disabled_or_replaced() {
    let text = "apiVersion: example.io/v1\nkind: Runner\nmetadata: {name: r}\nspec:\n  deep:\n    containers:\n    - {name: c, image: i}\n    volumes:\n    - {name: v, hostPath: {path: /}}\n";
    let heuristic = |policy: &Policy| -> Vec<bool> {
        let outcome = lint(policy, "r.yaml", text);
        let root = outcome.findings.into_iter().filter(|located| located.finding.rule == "host-root");
        root.map(|located| located.finding.is_heuristic).collect()
    };
    assert_eq!(heuristic(&policy("version: 1\n")), [true]);
    assert_eq!(heuristic(&policy("version: 1\nheuristic: false\n")), [false; 0]);
    let mapped = "version: 1\nheuristic: false\nworkloads: [{group: example.io, kind: Runner, podSpecs: [spec.deep]}]\n";
    assert_eq!(heuristic(&policy(mapped)), [false]);
}

#[test]
fn schema_accepts_only_valid_policies() {
    let read = |path: &Path| fs::read_to_string(path).expect("a policy");
    for name in ["none", "recommended", "baseline", "restricted"] {
        assert!(matches_schema(&read(&root().join("policies").join(format!("{name}.yaml")))), "{name}");
    }
    let packs: serde_json::Value =
        serde_yaml::from_str(&read(&root().join("policies/node-agents.yaml"))).expect("YAML");
    let agents = &packs["agents"];
    for (name, agent) in agents.as_object().expect("agents") {
        for exemptions in [Some(&agent["exemptions"]), agent.get("upstream")].into_iter().flatten() {
            let value = serde_json::json!({"version": 1, "exemptions": exemptions});
            assert!(matches_schema(&value.to_string()), "{name}");
        }
    }
    for wrong in [
        "version: 2",
        "version: 1\nrulez: {}",
        "version: 1\nrules: {writable-hostpath: error}",
        "version: 1\nmodes: {shop: enforce}",
        "version: 1\nkubernetesVersion: newest",
        "version: 1\nkubernetesVersion: 1.33",
        "version: 1\nvolumeTypes: {allowOnly: [emptydir]}",
        "version: 1\nexemptions: [{rules: a}]",
        "version: 1\nrules: {host-root: {severity: info, until: soon, then: error}}",
        "version: 1\nrules: {host-root: {severity: info, until: 2027-09-30}}",
        "version: 1\noverrides: [{match: {namespace: a}, rules: {host-root: off}}]",
        "version: 1\noverrides: [{match: {namespace: a}, rules: {stale-baseline: info}}]",
        "version: 1\noverrides: [{match: {namespace: a, user: u}, rules: {host-root: info}}]",
        "rules: {}",
    ] {
        assert!(!matches_schema(wrong), "{wrong}");
    }
}

/// Helm parses and writes YAML 1.1, where unquoted `off` and `no` are booleans.
#[test]
fn yaml_1_1_booleans_round_trip() {
    let policy = policy("version: 1\nrules: {host-root: false}\nmodes: {shop: false, \"no\": off}\n");
    assert_eq!(
        (policy.mode("shop"), policy.mode("no"), policy.mode("other")),
        (Mode::Off, Mode::Off, Mode::Deny)
    );
    let directory = temp_dir(&[(
        "volcheck.yaml",
        "version: 1\nrules: {host-root: false}\nmodes: {shop: false, \"no\": off}\n",
    )]);
    let merged = MergedPolicy::load(&directory.path().join("volcheck.yaml"), &Overrides::default());
    let text = merged.expect("a policy").text(false);
    assert!(text.contains("\nmodes:\n  \"no\": \"off\"\n  shop: \"off\"\n"), "{text}");
    let wrong = problems(&[("volcheck.yaml", "version: 1\nmodes: {shop: true}\n")]);
    assert_eq!(wrong, [(2, 15, "expected deny, warn, audit or off, found the boolean `true`".to_owned())]);
}

const RICH: &str = "version: 1
profile: baseline
extends: [node-agents/fluentd, base.yaml]
rules:
  host-root: off
  unbounded-empty-dir: {severity: warning, options: {defaultSize: 2Gi}}
  unbounded-memory-empty-dir: {options: {defaultSize: 64Mi}}
hostPaths:
  allowOnly: [{path: /var/log, readOnly: true}, {path: /srv}]
  catalog: [{path: /opt/vault, class: critical, reason: \"unseal: keys\"}]
dataDirectories: [{path: /ledger, reason: ours}]
scratchDirectories: [{path: /work, reason: ours}]
modes: {kube-system: warn, \"*\": deny, \"off-*\": off}
workloadMode: deny
ignores: warnings
heuristic: false
trustedControllers: [system:serviceaccount:argo:rollouts]
workloads: [{group: example.io, kind: Runner, podSpecs: [\"spec.pods[].spec\"]}]
exemptions:
- rules: [host-root]
  match: {namespace: [a, \"b*\"], name: /x+/, path: /var/log/**, access: write}
  reason: \"a reason: with a colon # and a hash\"
  expires: 2027-01-31
- {rules: [host-root], match: {namespace: c}, reason: r, severity: info}
lint: {namespace: shop, exclude: [\"x/**\"]}
kubernetesVersion: v1.30.2
volumeTypes: {allowOnly: [emptyDir, secret]}
claims: {requireClass: true}
";

#[test]
fn flat_policy_is_equivalent_and_shows_origins() {
    let directory = temp_dir(&[
        ("volcheck.yaml", RICH),
        (
            "base.yaml",
            "version: 1\nrules: {\"*\": warning}\nhostPaths: {catalog: [{path: /opt/x, class: sensitive, reason: r}]}\n",
        ),
    ]);
    let whole = load(directory.path()).expect("a policy");
    let (code, flat) = volcheck_in(directory.path(), &["policy", "show", "--flat"]);
    assert_eq!(code, 0, "{flat}");
    fs::write(directory.path().join("flat.yaml"), &flat).expect("written");
    let merged = MergedPolicy::load(&directory.path().join("flat.yaml"), &Overrides::default());
    let merged = merged.expect("a policy");
    assert_eq!(merged.text(false), flat);
    let again = merged.resolve();
    for rule in Registry::built_in().iter() {
        assert_eq!(again.level(rule.id, TODAY), whole.level(rule.id, TODAY), "{}", rule.id);
    }
    assert_eq!(again.exemptions().len(), whole.exemptions().len());
    assert_eq!(again.mode("off-x"), Mode::Off);
    assert_eq!(again.options.catalog.entries().len(), whole.options.catalog.entries().len());
    assert_eq!(again.options.default_size(RuleId::new("unbounded-memory-empty-dir")), "64Mi");
    assert_eq!(again.options.kubernetes_version.to_string(), "1.30");
    assert_eq!(again.options.allowed_volume_types.as_deref().map(<[_]>::len), Some(2));
    assert!(again.options.requires_claim_class);
    let (_, shown) = volcheck_in(directory.path(), &["policy", "show"]);
    assert!(
        shown.lines().any(|line| line.starts_with("  host-root: off") && line.ends_with("# volcheck.yaml:5")),
        "{shown}"
    );
    assert!(
        shown.lines().any(|line| line.starts_with("  host-path: warning") && line.ends_with("# base.yaml:2")),
        "{shown}"
    );
    assert!(shown.contains("# node-agents/fluentd\n") && shown.contains("# volcheck.yaml:20\n"), "{shown}");
    fs::write(directory.path().join("shown.yaml"), &shown).expect("written");
    assert_eq!(volcheck_in(directory.path(), &["policy", "check", "shown.yaml"]).0, 0);
}

#[test]
fn policy_check_summarizes_valid_and_rejects_invalid_policies() {
    let directory = temp_dir(&[("volcheck.yaml", EXEMPTION), ("bad.yaml", "version: 3\n")]);
    let (code, text) = volcheck_in(directory.path(), &["policy", "check"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("volcheck.yaml is valid: profile recommended, "), "{text}");
    assert!(text.ends_with(" enabled rules, 1 exemption.\n"), "{text}");
    assert_eq!(volcheck_in(directory.path(), &["policy", "check", "bad.yaml"]).0, 2);
    let empty = tempfile::tempdir().expect("a directory");
    fs::create_dir(empty.path().join(".git")).expect("a directory");
    assert_eq!(volcheck_in(empty.path(), &["policy", "check"]).0, 2);
    assert_eq!(volcheck_in(empty.path(), &["policy", "show"]).0, 0);
}

#[test]
fn init_writes_a_valid_policy_for_the_manifests() {
    let agent = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: fluentd, namespace: kube-system}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: i\n        volumeMounts:\n        - {name: v, mountPath: /v, readOnly: true}\n      volumes:\n      - name: v\n        hostPath: {path: /var/log, type: Directory}\n";
    let directory =
        temp_dir(&[("a.yaml", agent), ("charts/web/templates/x.yaml", "a: {{ raw }}\n"), ("pod.yaml", POD)]);
    fs::create_dir(directory.path().join(".git")).expect("a directory");
    let (code, text) = volcheck_in(directory.path(), &["init"]);
    assert_eq!(code, 0, "{text}");
    let written = fs::read_to_string(directory.path().join("volcheck.yaml")).expect("a policy");
    assert!(written.contains("\nextends:\n  - node-agents/fluentd\n"), "{written}");
    assert!(written.contains("\n    - \"/charts/web/templates/\"\n"), "{written}");
    assert_eq!(volcheck_in(directory.path(), &["policy", "check"]).0, 0);
    assert_eq!(volcheck_in(directory.path(), &["lint"]).0, 1);
    let (code, text) = volcheck_in(directory.path(), &["init"]);
    assert_eq!((code, text.as_str()), (2, "error: volcheck.yaml already exists\n"));
    fs::rename(directory.path().join("volcheck.yaml"), directory.path().join(".volcheck.yml"))
        .expect("renamed");
    assert_eq!(volcheck_in(directory.path(), &["init"]).1, "error: .volcheck.yml already exists\n");
    let empty = tempfile::tempdir().expect("a directory");
    assert_eq!(volcheck_in(empty.path(), &["init"]).0, 0);
    assert_eq!(volcheck_in(empty.path(), &["policy", "check"]).0, 0);
}

#[test]
fn does_not_report_undefined_volumes_in_fragments() {
    let kind = |fragment: bool| {
        policy(&format!(
            "version: 1\nworkloads:\n- group: example.io\n  kind: Farm\n  fragment: {fragment}\n  parts:\n  - each: \"spec.groups[]\"\n    volumes: [volumes]\n    containers: [main]\n"
        ))
    };
    let text = "apiVersion: example.io/v1\nkind: Farm\nmetadata: {name: f}\nspec:\n  groups:\n  - securityContext: {fsGroup: 1}\n    automountServiceAccountToken: false\n    volumes:\n    - {name: v, hostPath: {path: /srv/x, type: Directory}}\n    main:\n      name: c\n      image: i\n      volumeMounts:\n      - {name: v, mountPath: /v}\n      - {name: gone, mountPath: /w}\n";
    let found = |policy: &Policy| -> Vec<String> {
        let outcome = lint(policy, "f.yaml", text);
        assert!(outcome.unchecked.is_empty());
        let location =
            |finding: &volcheck::finding::Finding| format!("{} {}", finding.rule, finding.primary.path);
        outcome.findings.iter().map(|located| location(&located.finding)).collect()
    };
    let whole = found(&kind(false));
    assert!(
        whole.contains(&"undefined-volume spec.groups[0].main.volumeMounts[1].name".to_owned()),
        "{whole:?}"
    );
    assert!(
        whole.contains(&"ignored-fs-group spec.groups[0].securityContext.fsGroup".to_owned()),
        "{whole:?}"
    );
    assert!(!found(&kind(true)).iter().any(|found| found.starts_with("undefined-volume")));
}

#[test]
fn checks_shared_volumes_and_parts_without_volumes() {
    let policy = policy(
        "version: 1\nworkloads:\n- group: example.io\n  kind: Farm\n  parts:\n  - each: \"spec.groups[]\"\n    sharedVolumes: [spec.volumes]\n    containers: [main]\n",
    );
    let locations = |text: &str| -> Vec<String> {
        let outcome = lint(&policy, "f.yaml", text);
        outcome
            .findings
            .iter()
            .map(|located| format!("{} {}", located.finding.rule, located.finding.primary.path))
            .collect()
    };
    let alone = "apiVersion: example.io/v1\nkind: Farm\nmetadata: {name: f}\nspec:\n  groups:\n  - main: {name: c, volumeMounts: [{name: gone, mountPath: /w}]}\n  - {}\n";
    assert_eq!(locations(alone), ["undefined-volume spec.groups[0].main.volumeMounts[0].name"]);
    let shared = "apiVersion: example.io/v1\nkind: Farm\nmetadata: {name: f}\nspec:\n  volumes:\n  - {name: v, hostPath: {path: /, type: Directory}}\n  groups:\n  - main: {name: c, volumeMounts: [{name: v, mountPath: /w, readOnly: true}]}\n";
    assert!(
        locations(shared).contains(&"host-root spec.volumes[0].hostPath.path".to_owned()),
        "{:?}",
        locations(shared)
    );
}

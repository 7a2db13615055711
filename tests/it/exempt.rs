//! `volcheck exempt` suppresses exactly the selected findings, and keeps the format of files.

use std::fs;
use std::path::Path;

use crate::support::{temp_dir, volcheck_in};

const AGENT: &str = "\
# The log agent.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: log-agent
  namespace: logging
spec:
  selector: { matchLabels: { app: log-agent } }
  template:
    metadata: { labels: { app: log-agent } }
    spec:
      containers:
        - name: agent
          image: agent:1
          volumeMounts:
            - name: logs # the node's logs
              mountPath: /logs
        - name: shipper
          image: shipper:1
          volumeMounts:
            - { name: logs, mountPath: /logs }
            - { name: data, mountPath: /data }
      volumes:
        - name: logs
          hostPath:
            path: /var/log
        - name: data
          hostPath: { path: /srv/data, type: DirectoryOrCreate }
";

const REASON: [&str; 4] = ["--reason", "needed until version 3", "--expires", "2099-06-30"];

/// Returns the entry for the volume `logs`, indented by two spaces.
const LOGS_ENTRY: &str = "  - rules: [sensitive-host-path, untyped-host-path, writable-host-path]
    match: { namespace: logging, kind: DaemonSet, name: log-agent, path: /var/log }
    reason: needed until version 3
    expires: 2099-06-30
";

/// Creates a repository with these files.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    temp_dir(&[files, &[(".git/HEAD", "")]].concat())
}

fn exempt(directory: &Path, arguments: &[&str]) -> (i32, String) {
    volcheck_in(directory, &[&["exempt"], arguments, &REASON].concat())
}

fn lint(directory: &Path, arguments: &[&str]) -> (i32, String) {
    volcheck_in(directory, &[&["lint", "--format", "concise"], arguments].concat())
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).expect("a file")
}

/// Runs `exempt` for the path /var/log with this policy, and returns the new policy.
fn edited_policy(policy: &str) -> String {
    let repository = repository(&[("agent.yaml", AGENT), ("volcheck.yaml", policy)]);
    let directory = repository.path();
    let (code, text) = exempt(directory, &["--path", "/var/log"]);
    assert_eq!(code, 0, "{policy}: {text}");
    assert!(text.contains("findings in volcheck.yaml until 2099-06-30."), "{text}");
    let (_, text) = lint(directory, &[]);
    assert!(!text.contains("`/var/log`") && text.contains("`/srv/data`"), "{policy}: {text}");
    read(directory, "volcheck.yaml")
}

#[test]
fn creates_a_policy_that_exempts_the_findings() {
    let repository = repository(&[("agent.yaml", AGENT)]);
    let directory = repository.path();
    let (code, text) = exempt(directory, &["--path", "/var/log"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Exempted 4 findings in volcheck.yaml until 2099-06-30.\n"), "{text}");
    assert_eq!(read(directory, "volcheck.yaml"), format!("version: 1\n\nexemptions:\n{LOGS_ENTRY}"));
    let (code, text) = exempt(directory, &[]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = lint(directory, &[]);
    assert_eq!((code, text.as_str()), (0, ""));
    let (code, text) = exempt(directory, &[]);
    assert!(code == 0 && text == "No findings to exempt.\n", "{text}");
}

#[test]
fn adds_to_every_form_of_the_list() {
    let entry = "  - rules: [unused-volume]\n    match: { namespace: shop }\n    reason: r\n";
    let unindented = |text: &str| {
        text.lines()
            .map(|line| format!("{}\n", line.strip_prefix("  ").expect("indented")))
            .collect::<String>()
    };
    for (policy, expected) in [
        // No list, with and without a final newline.
        ("version: 1\n".to_owned(), format!("version: 1\n\nexemptions:\n{LOGS_ENTRY}")),
        ("version: 1".to_owned(), format!("version: 1\n\nexemptions:\n{}", LOGS_ENTRY.trim_end())),
        (
            "# P\nversion: 1\nlint:\n#  baseline: b\n...\n".to_owned(),
            format!("# P\nversion: 1\nlint:\n#  baseline: b\n\nexemptions:\n{LOGS_ENTRY}...\n"),
        ),
        // A list in block style, followed by comments and other keys.
        (
            format!("version: 1\nexemptions:\n{entry}    # of it\n# of modes\nmodes: {{}}\n"),
            format!("version: 1\nexemptions:\n{entry}    # of it\n{LOGS_ENTRY}# of modes\nmodes: {{}}\n"),
        ),
        (
            format!("version: 1\nexemptions:\n{}", unindented(entry)),
            format!("version: 1\nexemptions:\n{}{}", unindented(entry), unindented(LOGS_ENTRY)),
        ),
        // An empty list.
        (
            "version: 1\nexemptions: []   # none\nmodes: {}\n".to_owned(),
            format!("version: 1\nexemptions:   # none\n{LOGS_ENTRY}modes: {{}}\n"),
        ),
        ("version: 1\nexemptions:\n".to_owned(), format!("version: 1\nexemptions:\n{LOGS_ENTRY}")),
        (
            "version: 1\nexemptions: ~".to_owned(),
            format!("version: 1\nexemptions:\n{}", LOGS_ENTRY.trim_end()),
        ),
        // No document.
        (String::new(), format!("version: 1\n\nexemptions:\n{LOGS_ENTRY}")),
        ("# P".to_owned(), format!("# P\nversion: 1\n\nexemptions:\n{LOGS_ENTRY}")),
    ] {
        assert_eq!(edited_policy(&policy), expected, "{policy}");
        let (policy, expected) = (policy.replace('\n', "\r\n"), expected.replace('\n', "\r\n"));
        if policy.contains('\n') {
            assert_eq!(edited_policy(&policy), expected, "{policy}");
        }
    }
}

#[test]
fn adds_to_lists_in_flow_style() {
    let entry = "{ \"rules\": [\"sensitive-host-path\", \"untyped-host-path\", \"writable-host-path\"], \"match\": { \
                 \"namespace\": \"logging\", \"kind\": \"DaemonSet\", \"name\": \"log-agent\", \"path\": \"/var/log\" }, \
                 \"reason\": \"needed until version 3\", \"expires\": \"2099-06-30\" }";
    let own = "{rules: unused-volume, match: {namespace: a}, reason: r}";
    for (before, after) in [
        (format!("version: 1\nexemptions: [{own}]\n"), format!("version: 1\nexemptions: [{own}, {entry}]\n")),
        (
            format!("version: 1\nexemptions: [\n  {own}, # last\n]\n"),
            format!("version: 1\nexemptions: [\n  {own}, {entry}, # last\n]\n"),
        ),
        ("{\"version\": 1}".to_owned(), format!("{{\"version\": 1, \"exemptions\": [{entry}]}}")),
        (
            "{\"version\": 1, \"exemptions\": []}\n".to_owned(),
            format!("{{\"version\": 1, \"exemptions\": [{entry}]}}\n"),
        ),
    ] {
        assert_eq!(edited_policy(&before), after);
    }
}

#[test]
fn refuses_policies_whose_list_is_shared() {
    let policy = "version: 1\ntrustedControllers: &x []\nexemptions: *x\n";
    let repository = repository(&[("agent.yaml", AGENT), ("volcheck.yaml", policy)]);
    let (code, text) = exempt(repository.path(), &[]);
    assert!(code == 1 && text.contains("`exemptions` is an alias"), "{text}");
    assert_eq!(read(repository.path(), "volcheck.yaml"), policy);
}

#[test]
fn selects_by_rule_path_object_and_severity() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a}\nspec: {containers: [{name: c, image: i}], \
               volumes: [{name: v, hostPath: {path: /var/log/x}}]}\n";
    let repository =
        repository(&[("agent.yaml", AGENT), ("pod.yaml", pod), ("volcheck.yaml", "version: 1\n")]);
    let directory = repository.path();
    let count = |arguments: &[&str]| {
        let (code, text) = exempt(directory, &[arguments, &["--dry-run"]].concat());
        let count =
            text.split("Would exempt ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        (code, count.unwrap_or(text))
    };
    assert_eq!(count(&["--rule", "untyped-host-path"]), (0, "2".to_owned()));
    assert_eq!(
        count(&["--rule", "untyped-host-path", "--object", "daemonset/log-agent"]),
        (0, "1".to_owned())
    );
    assert_eq!(count(&["--rule", "untyped-host-path", "--object", "a/Pod/p"]), (0, "1".to_owned()));
    assert_eq!(count(&["--rule", "untyped-host-path", "--path", "/var/log/**"]), (0, "2".to_owned()));
    assert_eq!(count(&["--rule", "untyped-host-path", "pod.yaml"]), (0, "1".to_owned()));
    let (code, text) = count(&["--object", "b/Pod/p"]);
    assert!(code == 2 && text.contains("no finding matches"), "{text}");
    let (code, text) = count(&["--rule", "untyped-hostpath"]);
    assert!(code == 2 && text.contains("unknown rule"), "{text}");
    assert_eq!(read(directory, "volcheck.yaml"), "version: 1\n");
}

#[test]
fn dry_runs_print_a_diff() {
    let repository = repository(&[("agent.yaml", AGENT)]);
    let (code, text) = exempt(repository.path(), &["--path", "/var/log", "--dry-run"]);
    let added: String =
        format!("version: 1\n\nexemptions:\n{LOGS_ENTRY}").lines().map(|line| format!("+{line}\n")).collect();
    let expected = format!("--- /dev/null\n+++ b/volcheck.yaml\n@@ -0,0 +1,7 @@\n{added}Would exempt");
    assert!(code == 0 && text.starts_with(&expected), "{text}");
    assert!(!repository.path().join("volcheck.yaml").exists());
    let (code, text) = exempt(repository.path(), &["--as", "comment", "--dry-run"]);
    assert!(code == 2 && text.contains("--expires applies only to `--as policy`"), "{text}");
}

#[test]
fn exemptions_do_not_cover_other_findings_about_the_path() {
    // A comment already suppresses the finding about the container `shipper`.
    let ignored = AGENT.replace(
        "{ name: logs, mountPath: /logs }",
        "{ name: logs, mountPath: /logs } # volcheck: ignore[writable-host-path] -- r",
    );
    let repository = repository(&[("agent.yaml", &ignored)]);
    let directory = repository.path();
    let (code, text) = exempt(directory, &["--path", "/var/log"]);
    assert_eq!(code, 0, "{text}");
    let policy = read(directory, "volcheck.yaml");
    assert!(policy.contains("volume: logs, container: agent, path: /var/log"), "{policy}");
    assert!(!policy.contains("shipper"), "{policy}");
    let (_, text) = lint(directory, &["--no-ignores", "--select", "writable-host-path"]);
    assert!(text.contains("`/var/log` is mounted writable in container `shipper`"), "{text}");
}

#[test]
fn read_access_does_not_exempt_write_access() {
    let read_only = AGENT.replace("mountPath: /logs }", "mountPath: /logs, readOnly: true }").replace(
        "              mountPath: /logs\n",
        "              mountPath: /logs\n              readOnly: true\n",
    );
    let repository = repository(&[("agent.yaml", &read_only)]);
    let directory = repository.path();
    let arguments = ["--min-severity", "info", "--rule", "sensitive-host-path", "--path", "/var/log"];
    let (code, text) = exempt(directory, &arguments);
    assert_eq!(code, 0, "{text}");
    assert!(read(directory, "volcheck.yaml").contains("path: /var/log, access: read }"));
    fs::write(directory.join("agent.yaml"), AGENT).expect("written");
    assert!(lint(directory, &[]).1.contains("[sensitive-host-path]"));
}

#[test]
fn exempts_the_findings_that_an_exempted_finding_hides() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i, volumeMounts: \
               [{name: v, mountPath: /h, readOnly: true}]}]\n  volumes: [{name: v, hostPath: {path: /etc, type: Directory}}]\n";
    let policy = "version: 1\nprofile: baseline\n";
    let repository = repository(&[("pod.yaml", pod), ("volcheck.yaml", policy)]);
    let directory = repository.path();
    assert_eq!(lint(directory, &[]).0, 1);
    let (code, text) = exempt(directory, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(lint(directory, &[]), (0, String::new()));
    assert!(read(directory, "volcheck.yaml").contains("host-path, "), "{}", read(directory, "volcheck.yaml"));
}

#[test]
fn exempts_the_controller_of_pods() {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: logging, ownerReferences: [{{apiVersion: \
             apps/v1, kind: DaemonSet, name: agent, uid: u, controller: true}}]}}\nspec: {{containers: [{{name: c, \
             image: i}}], volumes: [{{name: v, hostPath: {{path: /root}}}}]}}\n---\n"
        )
    };
    let repository = repository(&[("pods.yaml", &[pod("agent-a"), pod("agent-b")].concat())]);
    let (code, text) = exempt(repository.path(), &["--rule", "untyped-host-path"]);
    assert!(code == 0 && text.contains("Exempted 2 findings"), "{text}");
    let policy = read(repository.path(), "volcheck.yaml");
    assert!(
        policy.contains("match: { namespace: logging, kind: DaemonSet, name: agent, path: /root }"),
        "{policy}"
    );
    assert_eq!(policy.matches("- rules:").count(), 1, "{policy}");
}

#[test]
fn escapes_names_and_paths_with_special_characters() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: 'p*', namespace: 'true'}\nspec: {containers: [{name: c, image: \
               i}], volumes: [{name: v, hostPath: {path: '/srv/[a]: *x*'}}]}\n";
    let repository = repository(&[("pod.yaml", pod)]);
    let directory = repository.path();
    let (code, text) = exempt(directory, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(lint(directory, &[]), (0, String::new()));
    fs::write(directory.join("pod.yaml"), pod.replace("p*", "pa").replace("*x*", "axa")).expect("written");
    assert_eq!(lint(directory, &[]).0, 1);
}

#[test]
fn names_findings_that_cannot_be_exempted() {
    let unnamed = "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: [{name: c, image: i}], volumes: [{name: v, \
                   hostPath: {path: /root}}]}\n# volcheck: ignore[nosuch-rule] -- r\n";
    let repository =
        repository(&[("agent.yaml", AGENT), ("unnamed.yaml", unnamed), ("bad.yaml", "kind: [\n")]);
    let directory = repository.path();
    let (code, text) = exempt(directory, &[]);
    assert_eq!(code, 1, "{text}");
    let only_objects = "\n  not exempted, because exemptions apply only to findings about objects\n";
    for (finding, reason) in [
        ("unnamed.yaml:4:74: untyped-host-path", "\n  not exempted, because the object has no name\n"),
        ("unnamed.yaml:5:1: malformed-ignore", only_objects),
        ("bad.yaml:2:1: unanalyzed-document", only_objects),
    ] {
        let (_, rest) = text.split_once(&format!("warning: {finding}: ")).expect("a warning");
        assert_eq!(rest.find("\n  not exempted"), rest.find(reason), "{finding}: {text}");
    }
    assert!(!lint(directory, &["agent.yaml"]).1.contains("agent.yaml"));
}

#[test]
fn comments_keep_the_format_of_manifests() {
    for line_break in ["\n", "\r\n"] {
        let agent = AGENT.replace('\n', line_break);
        let agent = agent.trim_end();
        let repository = repository(&[("agent.yaml", agent)]);
        let directory = repository.path();
        let arguments =
            ["exempt", "--as", "comment", "--reason", "needed until version 3", "--path", "/var/log"];
        let (code, text) = volcheck_in(directory, &arguments);
        assert_eq!(code, 0, "{text}");
        let edited = read(directory, "agent.yaml");
        let is_comment = |line: &&str| line.contains("# volcheck: ignore[");
        let kept: Vec<_> = edited.split(line_break).filter(|line| !is_comment(line)).collect();
        assert_eq!(kept.join(line_break), agent);
        let comments: Vec<_> = edited.split(line_break).filter(is_comment).collect();
        assert_eq!(
            comments,
            [
                "            # volcheck: ignore[writable-host-path] -- needed until version 3",
                "            # volcheck: ignore[writable-host-path] -- needed until version 3",
                "            # volcheck: ignore[sensitive-host-path, untyped-host-path] -- needed until version 3",
            ]
        );
        let (_, text) = lint(directory, &[]);
        assert!(!text.contains("`/var/log`") && text.contains("`/srv/data`"), "{text}");
        assert!(!directory.join("volcheck.yaml").exists());
    }
}

#[test]
fn annotations_keep_the_format_of_manifests() {
    let reason = ["exempt", "--as", "annotation", "--reason", "needed -- until=3", "--path", "/var/log"];
    let value = |scope: &str| format!("\"{scope}-- needed -- until=3\"");
    let block = format!(
        "  annotations:\n    ignore.volcheck.io/sensitive-host-path: {}\n    ignore.volcheck.io/untyped-host-path: {}\n    \
         ignore.volcheck.io/writable-host-path: {}\n",
        value("volume=logs "),
        value("volume=logs "),
        value("volume=logs ")
    );
    for (metadata, expected) in [
        (
            "metadata:\n  name: log-agent\n  namespace: logging\n",
            format!("metadata:\n  name: log-agent\n  namespace: logging\n{block}"),
        ),
        (
            "metadata:\n  annotations:\n    team: x # owner\n    # last\n  name: log-agent\n  namespace: logging\n",
            format!(
                "metadata:\n  annotations:\n    team: x # owner\n{}    # last\n  name: log-agent\n  namespace: logging\n",
                block.strip_prefix("  annotations:\n").expect("a key")
            ),
        ),
        (
            "metadata:\n  annotations: {}\n  name: log-agent\n  namespace: logging\n",
            format!("metadata:\n{block}  name: log-agent\n  namespace: logging\n"),
        ),
    ] {
        let agent = AGENT.replace("metadata:\n  name: log-agent\n  namespace: logging\n", metadata);
        let repository = repository(&[("agent.yaml", &agent)]);
        let (code, text) = volcheck_in(repository.path(), &reason);
        assert_eq!(code, 0, "{metadata}: {text}");
        assert_eq!(read(repository.path(), "agent.yaml"), agent.replace(metadata, &expected));
        let (_, text) = lint(repository.path(), &[]);
        assert!(!text.contains("`/var/log`") && text.contains("`/srv/data`"), "{text}");
        // The annotations already exist.
        let other = agent.replace(metadata, &expected).replace("volume=logs", "volume=other");
        fs::write(repository.path().join("agent.yaml"), &other).expect("written");
        let (code, text) = volcheck_in(repository.path(), &reason);
        assert!(code == 1 && text.contains("already has the annotation"), "{text}");
        assert_eq!(read(repository.path(), "agent.yaml"), other);
    }
}

#[test]
fn annotates_json_and_items_of_lists() {
    let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \
                \"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": [{\"name\": \"c\", \"image\": \"i\"}], \
                \"volumes\": [{\"name\": \"v\", \"hostPath\": {\"path\": \"/root\"}}]}}]}";
    let yaml = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: q\n  spec:\n    \
                containers: [{name: c, image: i}]\n    volumes: [{name: v, hostPath: {path: /root}}]\n";
    let repository = repository(&[("list.json", list), ("list.yaml", yaml)]);
    let directory = repository.path();
    let arguments = ["exempt", "--as", "comment", "--reason", "r", "list.json"];
    let (code, text) = volcheck_in(directory, &arguments);
    assert!(code == 1 && text.contains("JSON has no comments"), "{text}");
    let (code, text) = volcheck_in(directory, &["exempt", "--as", "annotation", "--reason", "r"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(lint(directory, &[]), (0, String::new()));
    assert!(serde_json::from_str::<serde_json::Value>(&read(directory, "list.json")).is_ok());
    assert!(
        read(directory, "list.yaml").contains("    name: q\n    annotations:\n      ignore.volcheck.io/")
    );
}

#[test]
fn comments_that_would_suppress_other_findings_are_refused() {
    // Both volumes are on one line, so that a comment covers both.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: i}]\n  volumes: \
               [{name: a, hostPath: {path: /srv/a}}, {name: b, hostPath: {path: /srv/b}}]\n";
    let repository = repository(&[("pod.yaml", pod)]);
    let arguments = ["exempt", "--as", "comment", "--reason", "r", "--path", "/srv/a"];
    let (code, text) = volcheck_in(repository.path(), &arguments);
    let refused = "not exempted, because this would also suppress another finding, at pod.yaml:6:";
    assert!(code == 1 && text.matches(refused).count() == 1, "{text}");
    assert_eq!(read(repository.path(), "pod.yaml"), pod);
}

#[test]
fn annotations_are_inserted_before_keys_with_special_characters() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n\u{e9}t\u{e9}: 1\nspec:\n  containers: [{name: c, \
               image: i}]\n  volumes: [{name: a, hostPath: {path: /srv/a}}]\n";
    let repository = repository(&[("pod.yaml", pod)]);
    let arguments = ["exempt", "--as", "annotation", "--reason", "r", "--path", "/srv/a"];
    let (code, text) = volcheck_in(repository.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    let edited = read(repository.path(), "pod.yaml");
    assert!(
        edited.contains("-- r\"\n\u{e9}t\u{e9}: 1\n") || edited.contains(" r\"\n\u{e9}t\u{e9}: 1\n"),
        "{edited}"
    );
}

#[test]
fn annotations_that_would_suppress_other_findings_are_refused() {
    // Only one annotation per rule is possible, and the writable mounts of the two volumes have the
    // same rule.
    let repository = repository(&[("agent.yaml", AGENT)]);
    let annotate = |arguments: &[&str]| {
        volcheck_in(
            repository.path(),
            &[&["exempt", "--as", "annotation", "--reason", "r"], arguments].concat(),
        )
    };
    let (code, text) = annotate(&["--path", "/srv/data"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        read(repository.path(), "agent.yaml")
            .contains("writable-host-path: \"volume=data container=shipper -- r\"")
    );
    let (code, text) = annotate(&["--path", "/var/log"]);
    assert!(
        code == 1 && text.contains("already has the annotation `ignore.volcheck.io/writable-host-path`"),
        "{text}"
    );
    let (_, text) = lint(repository.path(), &[]);
    assert!(text.contains("[writable-host-path]") && !text.contains("[sensitive-host-path]"), "{text}");
}

#[test]
fn findings_that_ignores_cannot_suppress_are_named() {
    let files = [("agent.yaml", AGENT), ("volcheck.yaml", "version: 1\nignores: warnings\n")];
    let repository = repository(&files);
    let arguments = ["exempt", "--as", "comment", "--reason", "r", "--path", "/var/log"];
    let (code, text) = volcheck_in(repository.path(), &arguments);
    assert!(code == 1 && text.contains("because the policy sets `ignores: warnings`\n"), "{text}");
    assert_eq!(read(repository.path(), "agent.yaml"), AGENT);
}

/// The same rule reports two volumes of the object, and one of the findings is only an info.
#[test]
fn an_annotation_for_all_volumes_does_not_cover_unselected_findings() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n    \
               volumeMounts: [{name: a, mountPath: /a}, {name: b, mountPath: /b}, {name: r, mountPath: /r, readOnly: \
               true}]\n  volumes:\n  - {name: a, hostPath: {path: /var/log/a, type: Directory}}\n  - {name: b, hostPath: \
               {path: /var/log/b, type: Directory}}\n  - {name: r, hostPath: {path: /var/log/r, type: Directory}}\n";
    let repository = repository(&[("pod.yaml", pod)]);
    let arguments = ["exempt", "--as", "annotation", "--reason", "r", "--rule", "sensitive-host-path"];
    let (code, text) = volcheck_in(repository.path(), &arguments);
    assert_eq!(code, 1, "{text}");
    assert_eq!(
        text.matches("this would also suppress another finding, at pod.yaml:12:").count(),
        2,
        "{text}"
    );
    assert_eq!(read(repository.path(), "pod.yaml"), pod);
}

/// A chart with names that differ in each rendering is rendered once.
#[cfg(unix)]
#[test]
fn findings_in_charts_are_exempted_in_the_policy() {
    let repository =
        repository(&[("chart/Chart.yaml", "name: shop\n"), ("chart/templates/agent.yaml", "{{ x }}\n")]);
    let directory = repository.path();
    let rendered = format!("---\n# Source: shop/templates/agent.yaml\n{AGENT}");
    fs::write(directory.join("rendered.txt"), rendered).expect("written");
    let script = "echo x >> calls; sed s/log-agent/log-agent-$(wc -l < calls)/ rendered.txt";
    crate::render::write_program(&directory.join("bin"), "helm", script);
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args([&["exempt", "--helm", "chart", "--reason", "r"], arguments].concat())
            .current_dir(directory)
            .env("PATH", format!("{}:/usr/bin:/bin", directory.join("bin").display()))
            .output()
            .expect("volcheck");
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8"))
    };
    let (code, text) = run(&["--as", "comment"]);
    assert!(code == Some(1) && text.contains("its text is rendered; use `--as policy`"), "{text}");
    let (code, text) = run(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(read(directory, "volcheck.yaml").contains("name: log-agent-2,"), "{text}");
    assert_eq!(read(directory, "calls").lines().count(), 2);
    assert!(!directory.join("chart/templates/volcheck.yaml").exists());
}

#[test]
fn rejects_invalid_reasons_and_dates() {
    let repository = repository(&[("agent.yaml", AGENT)]);
    for (arguments, message) in [
        (&["exempt"][..], "--reason <TEXT>"),
        (&["exempt", "--reason", " "], "empty reason"),
        (&["exempt", "--reason", "REASON"], "replace `REASON` with the reason"),
        (&["exempt", "--reason", "a\nb"], "single line"),
        (&["exempt", "--reason", "r", "--expires", "soon"], "expected YYYY-MM-DD"),
        (&["exempt", "--reason", "r", "--expires", "2020-01-01"], "is in the past"),
        (&["exempt", "--reason", "r", "--no-policy"], "--no-policy requires"),
    ] {
        let (code, text) = volcheck_in(repository.path(), arguments);
        assert!(code == 2 && text.contains(message), "{arguments:?}: {text}");
    }
    assert!(!repository.path().join("volcheck.yaml").exists());
}

#[test]
fn text_reports_end_with_the_command() {
    let repository = repository(&[("it's/agent.yaml", AGENT)]);
    let directory = repository.path();
    let last = |arguments: &[&str]| {
        let (_, text) = volcheck_in(directory, &[&["lint"], arguments].concat());
        text.lines().last().unwrap_or_default().to_owned()
    };
    let command = |words: &str| format!("To exempt findings: volcheck exempt {words}--reason 'REASON'");
    assert_eq!(last(&[]), command(""));
    assert_eq!(last(&["it's"]), command("\"it's\" "));
    assert_eq!(
        last(&[
            "--namespace",
            "a b",
            "--select",
            "untyped-host-path,host-root",
            "--no-gitignore",
            "--color",
            "never"
        ]),
        command("--no-gitignore --select untyped-host-path --select host-root --namespace 'a b' ")
    );
    assert_eq!(last(&["--min-severity", "error"]), command("--min-severity error "));
    assert_eq!(last(&["--fail-on", "info"]), command("--min-severity info "));
    assert_eq!(last(&["--no-policy"]), command("--no-policy --as comment "));
    for arguments in [
        &["--quiet"][..],
        &["--fail-on", "never"],
        &["--format", "concise"],
        &["--select", "host-root"],
        &["-", "--stdin-filename", "x.yaml", "--allow-empty"],
    ] {
        assert!(!last(arguments).contains("volcheck exempt"), "{arguments:?}");
    }
    // The command exempts what the report shows.
    let (code, text) = exempt(directory, &["it's", "--select", "untyped-host-path"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(lint(directory, &["--select", "untyped-host-path"]).0, 0);
}

//! The examples in the documentation work.

use std::fs;

use crate::architecture::sources;
use crate::support::{root, temp_dir, volcheck_in};

/// Returns the code blocks in `language` on the page `page`.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs").join(page)).expect("a page");
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn paths_with_sources_are_in_a_catalog() {
    let text = fs::read_to_string(root().join("docs/catalog-sources.md")).expect("the page");
    let options = volcheck::policy::options();
    let host = options.catalog.entries().iter().map(|entry| &entry.path);
    let data = options.data_directories.items().iter().map(|entry| &entry.directory.path);
    let known: Vec<_> = host.chain(data).collect();
    let rows: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    for (path, source) in rows {
        assert!(known.iter().any(|known| *known == path), "{path}");
        assert!(source.len() > 3, "{path}");
    }
}

#[test]
fn documented_policies_are_valid() {
    let directory = temp_dir(&[("platform/volcheck.yaml", "version: 1\n"), ("repo/.git/HEAD", "")]);
    for block in blocks("policy.md", "yaml") {
        // All blocks except the first one are parts of a policy.
        let version = if block.starts_with("version:") { "" } else { "version: 1\n" };
        fs::write(directory.path().join("repo/volcheck.yaml"), format!("{version}{block}")).expect("written");
        let (code, text) = volcheck_in(&directory.path().join("repo"), &["policy", "check"]);
        assert_eq!(code, 0, "{text}");
    }
}

#[test]
fn documented_ignores_suppress_their_rules() {
    let [comments, annotations, exemption] =
        blocks("suppression.md", "yaml").try_into().expect("three blocks");
    let pod = |name: &str, metadata: &str, volumes: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\n{metadata}\n  name: {name}\nspec:\n  containers:\n  - name: app\n    image: i\n    volumeMounts:\n    - {{name: logs, mountPath: /logs, readOnly: true}}\n    - {{name: data, mountPath: /data}}\n{}",
            volumes.lines().map(|line| format!("  {line}\n")).collect::<String>()
        )
    };
    let plain = "volumes:\n- {name: logs, hostPath: {path: /var/log, type: Directory}}\n- {name: data, hostPath: {path: /srv/data, type: Directory}}";
    let directory = temp_dir(&[
        ("comments.yaml", &pod("a", "metadata:", &comments)),
        ("annotations.yaml", &pod("b", annotations.trim_end(), plain)),
    ]);
    let select = "sensitive-host-path,writable-host-path,untyped-host-path,unpinned-host-path,unused-ignore,malformed-ignore,unknown-rule-in-ignore";
    let (code, text) =
        volcheck_in(directory.path(), &["lint", "--no-policy", "--min-severity", "info", "--select", select]);
    // One file ignores the writable mount, and the other ignores the unpinned volume.
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("Found 2 problems (1 error, 1 warning) in 2 of 2 files; 5 suppressed"), "{text}");
    fs::write(directory.path().join("volcheck.yaml"), exemption).expect("written");
    let (code, text) = volcheck_in(directory.path(), &["policy", "check"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn threat_model_names_existing_tests() {
    let page = fs::read_to_string(root().join("docs/threat-model.md")).expect("the page");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.split(" |").collect::<Vec<_>>())
        .filter(|cells| cells[0].trim_start_matches("| ").parse::<u8>().is_ok())
        .collect();
    assert_eq!(rows.len(), 18);
    let files = ["tests", "src"].map(|directory| sources(&root().join(directory)));
    let tests: String =
        files.iter().flatten().map(|path| fs::read_to_string(path).expect("a text")).collect();
    for row in &rows {
        for name in row[3].split('`').skip(1).step_by(2) {
            let exists = match name.rsplit_once('.') {
                Some(_) => root().join("tests").join(name).is_file(),
                None => tests.contains(&format!("fn {name}(")) || tests.contains(&format!("mod {name};")),
            };
            assert!(exists, "{}: `{name}` does not exist", row[0]);
        }
        assert!(row[3].contains('`') || row[2].contains("Out of scope"), "{row:?}");
    }
}

#[test]
fn readme_comment_suppresses_its_rule() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let comment = readme.lines().find(|line| line.contains("# volcheck: ignore[")).expect("a comment");
    let example = fs::read_to_string(root().join("examples/first/agent.yaml")).expect("the example");
    let directory = temp_dir(&[("agent.yaml", &example.replacen("- name: logs", comment, 1))]);
    let arguments = ["lint", "--no-policy", "--select", "writable-host-path,unused-ignore"];
    let (code, text) = volcheck_in(directory.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("1 suppressed"), "{text}");
}

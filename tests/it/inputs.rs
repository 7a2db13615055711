//! The formats in which host paths occur, one file each. `docs/inputs.md` is generated from the
//! comments at the start of these files.

use std::fs;

use crate::support::{lint, manifests, name, root, selecting};

/// Returns the value of a comment at the start of a file, such as `# Checked: yes`.
fn header<'t>(text: &'t str, key: &str) -> &'t str {
    let prefix = format!("# {key}: ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default()
}

#[test]
fn findings_match_the_documented_inputs() {
    let files = manifests(&root().join("tests/inputs"));
    assert!(files.len() > 10);
    for path in files {
        let (name, text) = (name(&path), fs::read_to_string(&path).expect("a file"));
        for key in ["Format", "Fields", "Checked", "Since"] {
            assert!(!header(&text, key).is_empty(), "{name}: no comment `# {key}: …`");
        }
        let marked: Vec<_> = (1..)
            .zip(text.lines())
            .filter(|(_, line)| line.ends_with("# finding"))
            .map(|(line, _)| line)
            .collect();
        let outcome = lint(&selecting(&["sensitive-host-path"]), &name, &text);
        let findings = || outcome.findings.iter();
        let mut found: Vec<_> =
            findings().map(|located| located.location.primary.expect("a location").start.line).collect();
        found.sort_unstable();
        assert_eq!(found, marked, "{name}");
        assert!(outcome.unchecked.is_empty(), "{name}: {:?}", outcome.unchecked);
        match header(&text, "Checked") {
            "yes" => assert!(!found.is_empty(), "{name}"),
            "yes, as warnings" => {
                let is_error = |severity| severity == volcheck::finding::Severity::Error;
                assert!(!found.is_empty() && !findings().any(|own| is_error(own.finding.severity)), "{name}");
            }
            "no, counted as not rendered" => assert_eq!(outcome.counts.unrendered.len(), 1, "{name}"),
            other => assert_eq!(other, "no", "{name}"),
        }
    }
}

//! Lint and admission on the corpus.

use std::fs;
use std::process::Command;

use volcheck::finding::Severity;
use volcheck::lint::{Manifest, Options, Role, check};
use volcheck::policy::is_skipped_kind;
use volcheck::report::{self, Format, Style};
use volcheck::source::{count_skippable, parse_fast, split_documents};

use crate::one_verdict::differences;
use crate::properties::assert_fast_reader_agrees;
use crate::support::{all_rules, options, report_of};
use crate::{manifests, shared};

fn volcheck(arguments: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_volcheck");
    let output = Command::new(program).args(arguments).output().expect("volcheck runs");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().expect("an exit code"), out)
}

#[test]
fn seed_manifests_have_no_findings() {
    let seed = shared().join("seed");
    let (code, out) = volcheck(&["lint", seed.to_str().expect("a path")]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("No problems in 2 files (2 objects, 2 with volumes)"), "{out}");
}

/// The files that volcheck reports as unchecked, with the line and the column: invalid YAML 1.1.
///
/// The corpus contains more files that kubectl rejects. `ipfamilies-policy.yml` has an invalid
/// NetworkAuthentication of Linkerd, which cannot contain a volume, so volcheck skips it. Three
/// files of Linkerd have invalid annotations in an object without volumes.
pub const REJECTED: &[(&str, usize, usize)] = &[
    (
        "kubernetes-sigs__secrets-store-csi-driver/test/bats/tests/conjur/conjur_v1_secretproviderclass.yaml",
        16,
        1,
    ),
    ("kubernetes-sigs__secrets-store-csi-driver/test/bats/tests/conjur/pod-conjur-rotation.yaml", 40, 1),
    ("linkerd__linkerd2/cli/cmd/testdata/inject_gettest_deployment.bad.input.yml", 36, 5),
    ("longhorn__longhorn/dev/scale-test/statefulset.yaml", 4, 9),
];

#[test]
fn reports_unchecked_input_with_its_location() {
    let directory = shared().join("corpus/manifests");
    let (code, out) = volcheck(&["lint", "--format", "json", directory.to_str().expect("a path")]);
    assert_eq!(code, 2);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let mut rejected: Vec<(String, u64, u64)> = Vec::new();
    for error in report["errors"].as_array().expect("errors") {
        let file = error["file"].as_str().expect("a file");
        let name = file.rsplit_once("corpus/manifests/").expect("a manifest").1;
        let start = &error["span"]["start"];
        rejected.push((
            name.to_owned(),
            start["line"].as_u64().expect("a line"),
            start["column"].as_u64().expect("a column"),
        ));
    }
    let expected: Vec<_> = REJECTED
        .iter()
        .map(|(name, line, column)| ((*name).to_owned(), *line as u64, *column as u64))
        .collect();
    assert_eq!(rejected, expected);
}

#[test]
fn skipping_documents_does_not_change_findings() {
    let policy = all_rules();
    let mut invalid = Vec::new();
    for (name, path) in manifests() {
        let bytes = fs::read(path).expect("a file");
        let outcomes = [false, true].map(|parse_all| {
            let manifest = Manifest { name: &name, bytes: bytes.clone(), role: Role::File };
            check(manifest, &Options { parse_all, ..options(&policy) })
        });
        // The syntax of skipped documents is not checked, so only valid files are compared.
        if outcomes[0].unchecked.len() != outcomes[1].unchecked.len() {
            invalid.push(name);
            continue;
        }
        let [skipping, parsing_all] = outcomes.map(|outcome| {
            let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
            report::render(&report_of(outcome), Format::Json, style)
        });
        assert_eq!(skipping, parsing_all, "{name}");
    }
    assert_eq!(invalid, ["linkerd__linkerd2/test/integration/deep/dualstack/testdata/ipfamilies-policy.yml"]);
}

#[test]
fn fast_reader_reads_most_of_the_corpus_correctly() {
    let (mut fast, mut all) = (0, 0);
    for (_, path) in manifests() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        assert_fast_reader_agrees(&text);
        for chunk in split_documents(&text) {
            if count_skippable(&text[chunk.range.clone()], is_skipped_kind).is_none() {
                let is_fast = parse_fast(&text, chunk.range.clone()).is_some();
                all += chunk.range.len();
                fast += if is_fast { chunk.range.len() } else { 0 };
            }
        }
    }
    assert!(fast * 10 > all * 8, "only {fast} of {all} bytes");
}

#[test]
fn lint_and_admission_agree_on_every_manifest() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for (name, path) in manifests() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        problems.extend(differences(&policy, &name, &text));
    }
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

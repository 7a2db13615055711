//! The corpus as a user's tree.

use std::fs;
use std::process::Command;

use volcheck::cli::manifest::{self, Lint, Role};
use volcheck::cli::properties::plain_holds;
use volcheck::finding::Severity;
use volcheck::policy::holds_no_volume;
use volcheck::report::{self, Format, Style};
use volcheck::source::{Tree, harmless_objects, split};

use crate::one_verdict::differences;
use crate::support::{TODAY, all_rules, report_of};
use crate::{manifests, shared};

fn volcheck(arguments: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_volcheck");
    let output = Command::new(program).args(arguments).output().expect("volcheck runs");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().expect("an exit code"), out)
}

#[test]
fn the_guidance_s_own_manifests_are_clean() {
    let seed = shared().join("seed");
    let (code, out) = volcheck(&["lint", seed.to_str().expect("a path")]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("No problems in 2 files (2 objects, 2 with volumes)"), "{out}");
}

/// The documents that no parser of YAML 1.1 reads, and the Pods whose annotations kubectl refuses, with line and
/// column. One refused file more is in the corpus (`ipfamilies-policy.yml`); its broken document is a NetworkAuthentication of
/// Linkerd, which can't hold a volume, so its syntax isn't judged.
pub const REFUSED: &[(&str, usize, usize)] = &[
    (
        "kubernetes-sigs__secrets-store-csi-driver/test/bats/tests/conjur/conjur_v1_secretproviderclass.yaml",
        16,
        1,
    ),
    ("kubernetes-sigs__secrets-store-csi-driver/test/bats/tests/conjur/pod-conjur-rotation.yaml", 40, 1),
    ("linkerd__linkerd2/cli/cmd/testdata/inject_gettest_deployment.bad.input.yml", 36, 5),
    ("linkerd__linkerd2/controller/proxy-injector/fake/data/pod-with-custom-debug-tag.yaml", 9, 45),
    ("linkerd__linkerd2/controller/proxy-injector/fake/data/pod-with-debug-disabled.yaml", 7, 45),
    ("linkerd__linkerd2/controller/proxy-injector/fake/data/pod-with-debug-enabled.yaml", 7, 45),
    ("longhorn__longhorn/dev/scale-test/statefulset.yaml", 4, 9),
];

#[test]
fn what_can_t_be_judged_is_named_with_its_place() {
    let folder = shared().join("corpus/manifests");
    let (code, out) = volcheck(&["lint", "--format", "json", folder.to_str().expect("a path")]);
    assert_eq!(code, 2);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let mut refused: Vec<(String, u64, u64)> = Vec::new();
    for error in report["errors"].as_array().expect("errors") {
        let file = error["file"].as_str().expect("a file");
        let name = file.rsplit_once("corpus/manifests/").expect("a manifest").1;
        let start = &error["span"]["start"];
        refused.push((
            name.to_owned(),
            start["line"].as_u64().expect("a line"),
            start["column"].as_u64().expect("a column"),
        ));
    }
    let expected: Vec<_> = REFUSED
        .iter()
        .map(|(name, line, column)| ((*name).to_owned(), *line as u64, *column as u64))
        .collect();
    assert_eq!(refused, expected);
}

#[test]
fn the_sniff_changes_nothing() {
    let policy = all_rules();
    let mut broken = Vec::new();
    for (name, path) in manifests() {
        let bytes = fs::read(path).expect("a file");
        let outcomes = [false, true].map(|parse_all| {
            manifest::lint(
                &Lint { policy: &policy, today: TODAY, with_ignores: true, parse_all },
                &name,
                bytes.clone(),
                &Role::File,
            )
        });
        // What is skipped isn't judged for syntax: the property is one of documents that parse.
        if outcomes[0].errors.len() != outcomes[1].errors.len() {
            broken.push(name);
            continue;
        }
        let [on, off] = outcomes.map(|outcome| {
            let style = Style { show_suppressed: true, ..Style::plain(Severity::Info) };
            report::render(&report_of(outcome), Format::Json, style)
        });
        assert_eq!(on, off, "{name}");
    }
    assert_eq!(broken, ["linkerd__linkerd2/test/integration/deep/dualstack/testdata/ipfamilies-policy.yml"]);
}

#[test]
fn plain_style_is_read_as_the_engine_reads_it() {
    let (mut plain, mut all) = (0, 0);
    for (_, path) in manifests() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        plain_holds(&text);
        for chunk in split(&text) {
            if harmless_objects(&text[chunk.range.clone()], holds_no_volume).is_none() {
                let is_plain = Tree::parse_plain(&text, chunk.range.clone()).is_some();
                all += chunk.range.len();
                plain += if is_plain { chunk.range.len() } else { 0 };
            }
        }
    }
    // Else it would be of no use.
    assert!(plain * 10 > all * 8, "only {plain} of {all} bytes");
}

#[test]
fn every_manifest_gets_one_verdict() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for (name, path) in manifests() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        problems.extend(differences(&policy, &name, &text));
    }
    assert!(problems.is_empty(), "{} of them:\n{}", problems.len(), problems.join("\n"));
}

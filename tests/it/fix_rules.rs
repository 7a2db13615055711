//! The fixes of each rule.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use volcheck::finding::{RuleId, Safety};
use volcheck::fix::{FileFixes, Selection, Task, fix_file};
use volcheck::lint::LocatedFinding;
use volcheck::policy::Policy;
use volcheck::rules::{FixClass, Registry, Rule};
use volcheck::source::File;

use crate::support::{all_rules, check_for_rule, golden, manifests, name, root, selecting};

/// Returns the findings of a manifest, with those that are suppressed.
fn findings(policy: &Policy, text: &str, rule: &str) -> (Vec<LocatedFinding>, usize) {
    let outcome = check_for_rule(policy, "f.yaml", text, rule);
    ([outcome.findings, outcome.suppressed].concat(), outcome.unchecked.len())
}

/// Applies the fixes of a rule to a text, with a policy.
fn fix(policy: &Policy, text: &str, rule: RuleId) -> FileFixes {
    let (findings, unchecked) = findings(policy, text, rule.as_str());
    let file = Arc::new(File::decode("f.yaml", text.into()).expect("text"));
    let known: Vec<_> = findings.iter().collect();
    let selection = Selection { with_unsafe: true, rules: vec![rule] };
    let check = |file: &Arc<File>| check_for_rule(policy, "f.yaml", file.text(), rule.as_str());
    let task = Task { file: &file, known: &known, unchecked, selection: &selection, check: &check };
    let wanted = findings.iter().filter(|own| own.suppressed.is_none() && selection.includes(&own.finding));
    fix_file(&task, wanted.cloned().collect())
}

fn fixable(rule: &Rule) -> bool {
    matches!(rule.fix, FixClass::Safe | FixClass::Unsafe)
}

/// The fixed fixtures are next to the output, such as `tests/fixtures/RULE/NAME.fixed.yaml`.
#[test]
fn fixed_fixtures_match_golden_files() {
    let mut problems = Vec::new();
    let mut expected = BTreeSet::new();
    for rule in Registry::built_in().iter() {
        let directory = root().join("tests/fixtures").join(rule.id.as_str());
        let mut count = 0;
        for path in manifests(&directory.join("bad")) {
            let text = fs::read_to_string(&path).expect("a fixture");
            let fixes = fix(&selecting(&[rule.id.as_str()]), &text, rule.id);
            if fixes.fixed.is_empty() {
                continue;
            }
            count += 1;
            let golden_file =
                directory.join(format!("{}.fixed.yaml", path.file_stem().expect("a name").display()));
            expected.insert(golden_file.clone());
            problems.extend(golden(&golden_file, fixes.file.text()).err());
            let (after, _) = findings(&selecting(&[rule.id.as_str()]), fixes.file.text(), rule.id.as_str());
            let (before, _) = findings(&selecting(&[rule.id.as_str()]), &text, rule.id.as_str());
            if after.len() + fixes.fixed.len() > before.len() {
                problems.push(format!("{}: {} findings remain", name(&path), after.len()));
            }
        }
        if (count > 0) != fixable(rule) {
            problems.push(format!("{}: class {:?}, but {count} fixtures are fixed", rule.id, rule.fix));
        }
    }
    for rule in Registry::built_in().iter() {
        let directory = root().join("tests/fixtures").join(rule.id.as_str());
        for path in manifests(&directory) {
            if path.to_string_lossy().ends_with(".fixed.yaml")
                && !expected.contains(&path)
                && path.parent() == Some(&directory)
            {
                problems.push(format!("{}: not the result of a fix", name(&path)));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// With all rules enabled, the fixes cause no other findings, or are refused.
#[test]
fn fixes_have_the_declared_safety() {
    let policy = all_rules();
    let mut problems = Vec::new();
    for rule in Registry::built_in().iter() {
        for path in manifests(&root().join("tests/fixtures").join(rule.id.as_str()).join("bad")) {
            let text = fs::read_to_string(&path).expect("a fixture");
            for located in findings(&policy, &text, rule.id.as_str()).0 {
                let own = Registry::built_in().find(located.finding.rule.as_str()).expect("a rule");
                let Some(fix) = &located.finding.fix else { continue };
                let is_declared = match own.fix {
                    FixClass::Safe => true,
                    FixClass::Unsafe => fix.safety == Safety::Unsafe,
                    _ => false,
                };
                if !is_declared {
                    problems.push(format!("{}: {} has a {:?} fix", name(&path), own.id, fix.safety));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

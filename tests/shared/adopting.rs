//! The adoption guide: runs its commands on the corpus and records their output in the page.

use std::fs;
use std::process::Command;

use crate::corpus::REJECTED;
use crate::{manifests, shared, support};

const GUIDE: &str = "docs/adopting.md";

/// A copy of the corpus, and the transcript of the commands that ran in it.
struct Tree {
    directory: tempfile::TempDir,
    transcript: String,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let from = shared().join("corpus/manifests");
        // `cp` also copies files that are not manifests, such as patches.
        let copied = Command::new("cp").arg("-R").arg(&from).arg(directory.path()).status().expect("cp");
        assert!(copied.success());
        // A policy above the root of a repository does not apply.
        fs::create_dir(directory.path().join(".git")).expect("a directory");
        Self { directory, transcript: String::new() }
    }

    /// Runs volcheck and adds the last lines of its output to the transcript. Returns the exit code
    /// and the output.
    fn run(&mut self, arguments: &str, last: usize) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_volcheck"))
            .args(arguments.split(' '))
            .current_dir(self.directory.path())
            .output()
            .expect("volcheck");
        let code = output.status.code().expect("an exit code");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        let lines: Vec<_> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(last)..].join("\n");
        self.transcript.push_str(&format!("$ volcheck {arguments}\n{shown}\nexit {code}\n\n"));
        (code, text)
    }

    fn comment(&mut self, text: &str) {
        self.transcript.push_str(&format!("# {text}\n"));
    }

    fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let path = self.directory.path().join(name);
        let text = fs::read_to_string(&path).expect("a text");
        let changed = change(text.clone());
        assert_ne!(changed, text, "{name} is unchanged");
        fs::write(path, changed).expect("written");
    }
}

/// Returns the number in front of `word` in the summary.
fn number(text: &str, word: &str) -> usize {
    let summary = text.lines().find(|line| line.starts_with("Found ")).expect("a summary");
    let words: Vec<_> =
        summary.split([' ', '(', ')', ';', ',', '.']).filter(|part| !part.is_empty()).collect();
    let at =
        words.iter().rposition(|part| *part == word).unwrap_or_else(|| panic!("no `{word}` in {summary}"));
    words[at - 1].parse().expect("a number")
}

#[test]
fn guide_shows_the_output_of_its_commands() {
    let mut tree = Tree::new();
    let (code, first) = tree.run("lint manifests", 4);
    assert_eq!((code, number(&first, "files")), (2, manifests().len()));
    let (code, _) = tree.run("init manifests", 2);
    assert_eq!(code, 0);

    tree.comment("In volcheck.yaml, lint.exclude lists the files that kubectl rejects, and lint.baseline is the path of the baseline.");
    let excluded: String = REJECTED.iter().map(|(name, ..)| format!("    - manifests/{name}\n")).collect();
    tree.edit("volcheck.yaml", |text| {
        let head = text.split("\n# lint:").next().expect("a policy");
        format!("{head}\nlint:\n  baseline: .volcheck-baseline.json\n  exclude:\n{excluded}")
    });
    let (code, out) = tree.run("baseline manifests", 1);
    assert_eq!(code, 0, "{out}");
    let (code, with_agents) = tree.run("lint --no-ignores manifests", 3);
    assert_eq!(code, 1);
    assert!(number(&with_agents, "errors") < number(&first, "errors"), "{with_agents}");
    // The parts of the pack that `init` selects exempt the same findings as the whole pack.
    let whole = tree.directory.path().join("whole.yaml");
    fs::write(&whole, format!("version: 1\nextends: [node-agents]\nlint:\n  exclude:\n{excluded}"))
        .expect("written");
    let before = tree.transcript.clone();
    let (_, of_whole) = tree.run("lint --no-ignores --policy whole.yaml manifests", 2);
    tree.transcript = before;
    fs::remove_file(whole).expect("removed");
    // The last line is a command with the flags of the run.
    let without_command = |text: &str| text.trim_end().rsplit_once('\n').map(|(head, _)| head.to_owned());
    assert_eq!(without_command(&of_whole), without_command(&with_agents));

    let (code, out) = tree.run("lint manifests", 2);
    assert_eq!(code, 0);
    assert!(out.starts_with("No problems in "), "{out}");

    let worse = "manifests/kubernetes-csi__csi-driver-host-path/deploy/kubernetes-1.34/hostpath/csi-hostpath-plugin.yaml";
    tree.comment(&format!("A commit removes a `type: DirectoryOrCreate` from {worse}."));
    tree.edit(worse, |text| {
        let at = text.find("            type: DirectoryOrCreate\n").expect("a type");
        let rest = &text[at..];
        format!("{}{}", &text[..at], &rest[rest.find('\n').expect("an end") + 1..])
    });
    let (code, out) = tree.run("lint --format concise manifests", 9);
    // Standard error contains the number of inputs that were not rendered.
    assert_eq!((code, out.lines().count()), (1, 2), "{out}");
    assert!(out.starts_with(worse) && out.contains(" error[untyped-host-path] "), "{out}");

    let guide = support::root().join(GUIDE);
    let text = fs::read_to_string(&guide).expect("the guide");
    let (head, rest) = text.split_once("<!-- corpus: generated -->\n").expect("a block");
    let (_, tail) = rest.split_once("<!-- corpus: end -->").expect("its end");
    let block = format!("```\n{}\n```\n", tree.transcript.trim_end());
    support::golden(&guide, &format!("{head}<!-- corpus: generated -->\n{block}<!-- corpus: end -->{tail}"))
        .unwrap_or_else(|error| panic!("{error}"));
}

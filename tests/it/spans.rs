//! Field paths and spans: what is found in the text is the text of the value, however it is written.

use volcheck::model::{FieldPath, Segment};
use volcheck::source::{File, NodeId, Tree, View, locate, locate_key, split};

/// Every scalar of a tree, by path; aliases not followed.
fn scalars(tree: &Tree<'_>, node: NodeId, path: &FieldPath, found: &mut Vec<(FieldPath, String)>) {
    if tree.target(node) != node {
        return;
    }
    match tree.view(node) {
        View::Scalar(value) => found.push((path.clone(), value.to_owned())),
        View::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                scalars(tree, *item, &path.index(index), found);
            }
        }
        View::Mapping => {
            for (key, value) in tree.written_pairs(node) {
                scalars(tree, *value, &path.with(Segment::Key(tree.key(*key).into_owned().into())), found);
            }
        }
    }
}

/// Checks that each scalar's span is its text, and that a value in one plain line is that line's part.
fn check(bytes: &[u8]) -> usize {
    let file = File::decode("f.yaml", bytes.to_vec()).expect("text");
    let mut count = 0;
    for chunk in split(file.text()) {
        let Ok(Some(tree)) = Tree::parse(file.text(), chunk.range) else { continue };
        let mut found = Vec::new();
        scalars(&tree, tree.root(), &FieldPath::root(), &mut found);
        for (path, value) in found {
            let span = locate(&file, &tree, tree.root(), &path);
            assert_eq!(span.start.line, span.end.line, "{path} is in one line");
            let text = &file.text()[span.start.offset..span.end.offset];
            let line = &file.text()[file.line_range(span.start.line)];
            let mark = usize::from(span.start.line == 1 && file.text().starts_with('\u{FEFF}'));
            let skipped: usize = line.chars().take(span.start.column - 1 + mark).map(char::len_utf8).sum();
            assert!(line[skipped..].starts_with(text), "{path}: column {} of {line:?}", span.start.column);
            if !value.is_empty() && !text.starts_with(['"', '\'', '|', '>']) && !value.contains(' ') {
                assert_eq!(text, value, "{path}");
            }
            count += 1;
        }
    }
    count
}

const BLOCK: &str = "# comment\nspec:\n  volumes:\n  - name: logs # é\n    hostPath:\n      path: /var/log\n      type: Directory\n  -   name: \"x\"\n      emptyDir: {}\nlast: true";

#[test]
fn spans_are_the_text_of_their_value() {
    let crlf = BLOCK.replace('\n', "\r\n");
    let marked = format!("\u{FEFF}{BLOCK}");
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(BLOCK.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for text in [BLOCK.as_bytes(), crlf.as_bytes(), marked.as_bytes(), &wide] {
        assert_eq!(check(text), 5);
    }
    let flow = "{spec: {volumes: [{name: logs, hostPath: {path: /var/log, type: 'Directory'}}]}}";
    assert_eq!(check(flow.as_bytes()), 3);
    let json =
        "{\n\t\"spec\": {\"volumes\": [ {\"name\":\"logs\", \"hostPath\" : {\"path\": \"/var/log\"}} ]}}";
    assert_eq!(check(json.as_bytes()), 2);
    let anchors = "a: &a\n  name: x\nb: *a\nc:\n  <<: *a\n  other: y\n--- # next\né: ü\nd: |\n  block\n  text\ne: >-\n  folded\nf: 'it''s'\n";
    assert_eq!(check(anchors.as_bytes()), 6);
}

#[test]
fn absence_has_the_nearest_place_around_it() {
    let file = File::decode(
        "f.yaml",
        b"spec:\n  volumes:\n  - name: v\n    emptyDir:\n  - {name: w, hostPath: {}}\n".to_vec(),
    )
    .expect("text");
    let tree = Tree::parse(file.text(), 0..file.text().len()).expect("YAML").expect("a document");
    let at = |path: &FieldPath| {
        let span = locate(&file, &tree, tree.root(), path);
        (span.start.line, &file.text()[span.start.offset..span.end.offset])
    };
    let volumes = FieldPath::from_keys(&["spec", "volumes"]);
    assert_eq!(at(&volumes), (3, "name: v"));
    assert_eq!(at(&volumes.index(0)), (3, "name: v"));
    assert_eq!(at(&volumes.index(0).key("emptyDir")), (4, "emptyDir"));
    assert_eq!(at(&volumes.index(0).key("emptyDir").key("sizeLimit")), (4, "emptyDir"));
    assert_eq!(at(&volumes.index(1).key("hostPath")), (5, "{}"));
    assert_eq!(at(&volumes.index(1).key("hostPath").key("path")), (5, "{}"));
    assert_eq!(at(&volumes.index(7)), (3, "name: v"));
    let key = locate_key(&file, &tree, tree.root(), &volumes.index(1).key("hostPath"));
    assert_eq!(&file.text()[key.start.offset..key.end.offset], "hostPath");
}

#[test]
fn a_value_by_alias_or_merge_is_found_where_it_is_written() {
    let text = "base: &base\n  hostPath: {path: /etc}\npath: &path /var/log\nvolume:\n  <<: *base\n  name: v\nother:\n  path: *path\n";
    let file = File::decode("f.yaml", text.as_bytes().to_vec()).expect("text");
    let tree = Tree::parse(text, 0..text.len()).expect("YAML").expect("a document");
    let at = |path: &[&'static str]| {
        let span = locate(&file, &tree, tree.root(), &FieldPath::from_keys(path));
        (span.start.line, &text[span.start.offset..span.end.offset])
    };
    assert_eq!(at(&["volume", "hostPath", "path"]), (2, "/etc"));
    assert_eq!(at(&["other", "path"]), (8, "*path"));
}

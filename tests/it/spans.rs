//! The spans of field paths.

use volcheck::model::{FieldPath, Segment};
use volcheck::source::{File, NodeId, Tree, View, locate, locate_key, parse, split_documents};

/// Collects the path and the text of every scalar in a tree. Aliases are not followed.
fn collect_scalars(tree: &Tree<'_>, node: NodeId, path: &FieldPath, scalars: &mut Vec<(FieldPath, String)>) {
    if tree.target(node) != node {
        return;
    }
    match tree.view(node) {
        View::Scalar(value) => scalars.push((path.clone(), value.to_owned())),
        View::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_scalars(tree, *item, &path.index(index), scalars);
            }
        }
        View::Mapping => {
            for entry in tree.written_entries(node) {
                let key = Segment::Key(tree.key(entry.key).into_owned().into());
                collect_scalars(tree, entry.value, &path.with(key), scalars);
            }
        }
    }
}

/// Asserts that the offsets and the column of each scalar's span point to the text of the scalar.
/// Returns the number of scalars.
fn assert_spans(bytes: &[u8]) -> usize {
    let file = File::decode("f.yaml", bytes.to_vec()).expect("text");
    let mut count = 0;
    for chunk in split_documents(file.text()) {
        let Ok(Some(tree)) = parse(file.text(), chunk.range) else { continue };
        let mut scalars = Vec::new();
        collect_scalars(&tree, tree.root(), &FieldPath::root(), &mut scalars);
        for (path, value) in scalars {
            let span = locate(&file, &tree, tree.root(), &path);
            assert_eq!(span.start.line, span.end.line, "{path} is on one line");
            let text = &file.text()[span.start.offset..span.end.offset];
            let line = &file.text()[file.line_range(span.start.line)];
            let mark = usize::from(span.start.line == 1 && file.text().starts_with('\u{FEFF}'));
            let before: usize = line.chars().take(span.start.column - 1 + mark).map(char::len_utf8).sum();
            assert!(line[before..].starts_with(text), "{path}: column {} of {line:?}", span.start.column);
            let is_verbatim = !text.starts_with(['"', '\'', '|', '>']) && !value.contains(' ');
            if !value.is_empty() && is_verbatim {
                assert_eq!(text, value, "{path}");
            }
            count += 1;
        }
    }
    count
}

const BLOCK: &str = "# comment\nspec:\n  volumes:\n  - name: logs # é\n    hostPath:\n      path: /var/log\n      type: Directory\n  -   name: \"x\"\n      emptyDir: {}\nlast: true";

#[test]
fn spans_contain_the_text_of_their_value() {
    let crlf = BLOCK.replace('\n', "\r\n");
    let with_mark = format!("\u{FEFF}{BLOCK}");
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(BLOCK.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for text in [BLOCK.as_bytes(), crlf.as_bytes(), with_mark.as_bytes(), &utf16] {
        assert_eq!(assert_spans(text), 5);
    }
    let flow = "{spec: {volumes: [{name: logs, hostPath: {path: /var/log, type: 'Directory'}}]}}";
    assert_eq!(assert_spans(flow.as_bytes()), 3);
    let json =
        "{\n\t\"spec\": {\"volumes\": [ {\"name\":\"logs\", \"hostPath\" : {\"path\": \"/var/log\"}} ]}}";
    assert_eq!(assert_spans(json.as_bytes()), 2);
    let anchors = "a: &a\n  name: x\nb: *a\nc:\n  <<: *a\n  other: y\n--- # next\né: ü\nd: |\n  block\n  text\ne: >-\n  folded\nf: 'it''s'\n";
    assert_eq!(assert_spans(anchors.as_bytes()), 6);
}

#[test]
fn absent_fields_have_the_span_of_their_parent() {
    let file = File::decode(
        "f.yaml",
        b"spec:\n  volumes:\n  - name: v\n    emptyDir:\n  - {name: w, hostPath: {}}\n".to_vec(),
    )
    .expect("text");
    let tree = parse(file.text(), 0..file.text().len()).expect("YAML").expect("a document");
    let located = |path: &FieldPath| {
        let span = locate(&file, &tree, tree.root(), path);
        (span.start.line, &file.text()[span.start.offset..span.end.offset])
    };
    let volumes = FieldPath::from_keys(&["spec", "volumes"]);
    assert_eq!(located(&volumes), (3, "name: v"));
    assert_eq!(located(&volumes.index(0)), (3, "name: v"));
    assert_eq!(located(&volumes.index(0).key("emptyDir")), (4, "emptyDir"));
    assert_eq!(located(&volumes.index(0).key("emptyDir").key("sizeLimit")), (4, "emptyDir"));
    assert_eq!(located(&volumes.index(1).key("hostPath")), (5, "{}"));
    assert_eq!(located(&volumes.index(1).key("hostPath").key("path")), (5, "{}"));
    assert_eq!(located(&volumes.index(7)), (3, "name: v"));
    let key = locate_key(&file, &tree, tree.root(), &volumes.index(1).key("hostPath"));
    assert_eq!(&file.text()[key.start.offset..key.end.offset], "hostPath");
}

#[test]
fn merged_values_have_the_span_of_their_definition() {
    let text = "base: &base\n  hostPath: {path: /etc}\npath: &path /var/log\nvolume:\n  <<: *base\n  name: v\nother:\n  path: *path\n";
    let file = File::decode("f.yaml", text.as_bytes().to_vec()).expect("text");
    let tree = parse(text, 0..text.len()).expect("YAML").expect("a document");
    let located = |path: &[&'static str]| {
        let span = locate(&file, &tree, tree.root(), &FieldPath::from_keys(path));
        (span.start.line, &text[span.start.offset..span.end.offset])
    };
    assert_eq!(located(&["volume", "hostPath", "path"]), (2, "/etc"));
    // A value that is an alias has the span of the alias.
    assert_eq!(located(&["other", "path"]), (8, "*path"));
}

//! Code blocks in the documentation, which tests run.

use std::fs;
use std::path::Path;

use crate::harness::root;

/// The code blocks of a page.
pub struct Page(Vec<String>);

impl Page {
    /// Reads a page. Replaces the documented directories with subdirectories of `directory`.
    pub fn read(path: &str, directory: &Path) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut text = text.replace("/usr/local/bin", &directory.join("bin").display().to_string());
        for (documented, name) in [("/etc/volcheck", "node"), ("/etc/kubernetes/admission", "admission")] {
            text = text.replace(documented, &directory.join(name).display().to_string());
        }
        let mut blocks = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.trim_start().starts_with("```") {
                let indent = line.len() - line.trim_start().len();
                let block = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
                blocks.push(
                    block.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect(),
                );
            }
        }
        Self(blocks)
    }

    /// Returns the blocks that contain this text.
    pub fn blocks(&self, text: &str) -> Vec<&str> {
        self.0.iter().map(String::as_str).filter(|block| block.contains(text)).collect()
    }

    /// Returns the only block that contains this text.
    pub fn block(&self, text: &str) -> &str {
        let [block] = self.blocks(text).try_into().unwrap_or_else(|found| panic!("{text:?}: {found:#?}"));
        block
    }
}

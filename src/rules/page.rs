use crate::finding::RuleId;

/// The documentation page of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The page in Markdown, including its title.
    pub markdown: String,
}

impl Page {
    /// Extracts the page from the source of a rule. The page is the text of the leading `//!`
    /// lines.
    pub(super) fn from_source(id: RuleId, source: &str) -> Self {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let text: String = lines.flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"]).collect();
        Self { markdown: format!("# {id}\n\n{text}") }
    }

    /// Returns the sentence at the top of the page, which states what the rule reports.
    pub fn intro(&self) -> &str {
        self.markdown.split("\n\n").nth(1).unwrap_or_default().trim()
    }

    /// Returns the text of the section with the heading `title`; `None` if it is absent.
    pub fn section(&self, title: &str) -> Option<&str> {
        let heading = format!("\n## {title}\n");
        let start = self.markdown.find(&heading)? + heading.len();
        let rest = &self.markdown[start..];
        Some(rest[..rest.find("\n## ").unwrap_or(rest.len())].trim())
    }

    /// Returns the fenced YAML examples, each with its label: `bad` or `good`.
    pub fn examples(&self) -> Vec<(&str, &str)> {
        let mut examples = Vec::new();
        let mut rest = self.markdown.as_str();
        while let Some(start) = rest.find("```yaml,") {
            rest = &rest[start + "```yaml,".len()..];
            let Some((label, body)) = rest.split_once('\n') else { break };
            let end = body.find("```").unwrap_or(body.len());
            examples.push((label.trim(), &body[..end]));
            rest = &body[end..];
            rest = rest.strip_prefix("```").unwrap_or(rest);
        }
        examples
    }
}

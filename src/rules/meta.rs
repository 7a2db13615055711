//! What a rule says of itself.

use crate::finding::{Family, Severity};

/// Which part of the catalogue a rule belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Paths of the node.
    HostPaths,
    /// Sockets of the node.
    Sockets,
    /// emptyDir.
    EmptyDir,
    /// Mounts, and the structure of pods.
    Mounts,
    /// The run itself.
    Run,
}

impl Group {
    /// All groups, in the order of the catalogue.
    pub const ALL: [Self; 5] = [Self::HostPaths, Self::Sockets, Self::EmptyDir, Self::Mounts, Self::Run];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::HostPaths => "Host paths",
            Self::Sockets => "Sockets",
            Self::EmptyDir => "emptyDir",
            Self::Mounts => "Mounts and structure",
            Self::Run => "About the run itself",
        }
    }
}

/// What kind of fix a rule has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixClass {
    /// None.
    None,
    /// Words alone.
    Hint,
    /// One that may change behaviour.
    Unsafe,
    /// One that doesn't, in some cases at least.
    Safe,
}

impl FixClass {
    /// Its word, in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "–",
            Self::Hint => "hint",
            Self::Unsafe => "unsafe",
            Self::Safe => "safe",
        }
    }
}

/// One option of a rule.
#[derive(Clone, Copy, Debug)]
pub struct OptionMeta {
    /// Its key in a policy.
    pub name: &'static str,
    /// What it does.
    pub summary: &'static str,
}

/// What a rule is; its page is the doc comment of its source.
#[derive(Debug)]
pub struct Meta {
    /// Its id: final, since policies and ignores name it.
    pub id: &'static str,
    /// What it reports, in one clause.
    pub summary: &'static str,
    /// The highest severity that its findings have by themselves.
    pub severity: Severity,
    /// The version that had it first.
    pub since: &'static str,
    /// Its family.
    pub family: Option<Family>,
    /// Its fix.
    pub fix: FixClass,
    /// Its options.
    pub options: &'static [OptionMeta],
    /// Why the webhook can't report it, where it can't: the API server has dropped or refused what it is about.
    pub lint_only: Option<&'static str>,
    /// The text of its file.
    pub source: &'static str,
}

/// A rule's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The page in Markdown, its title included.
    pub markdown: String,
}

impl Meta {
    /// The rule's page: the doc comment at the head of its file.
    pub fn page(&self) -> Page {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        let text: String = lines.flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"]).collect();
        Page { markdown: format!("# {}\n\n{}", self.id, text) }
    }
}

impl Page {
    /// The text under the heading `title`, without it.
    pub fn section(&self, title: &str) -> Option<&str> {
        let heading = format!("\n## {title}\n");
        let start = self.markdown.find(&heading)? + heading.len();
        let rest = &self.markdown[start..];
        Some(rest[..rest.find("\n## ").unwrap_or(rest.len())].trim())
    }

    /// The fenced examples and what each is marked as: `bad` or `good`.
    pub fn examples(&self) -> Vec<(&str, &str)> {
        let mut examples = Vec::new();
        let mut rest = self.markdown.as_str();
        while let Some(start) = rest.find("```yaml,") {
            rest = &rest[start + "```yaml,".len()..];
            let Some((mark, body)) = rest.split_once('\n') else { break };
            let end = body.find("```").unwrap_or(body.len());
            examples.push((mark.trim(), &body[..end]));
            rest = &body[end..];
            rest = rest.strip_prefix("```").unwrap_or(rest);
        }
        examples
    }
}

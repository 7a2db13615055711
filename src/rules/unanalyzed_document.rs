//! A file or a document that can't be read, decoded or parsed, and so isn't judged.
//!
//! ## What it does
//!
//! Reports a file that can't be read or isn't text; a document that isn't YAML or JSON as kubectl reads it; and
//! what was left out of a run on purpose, such as a device. Of the raw templates of a chart the first stands for
//! all. The run goes on with everything else, and ends in exit code 2.
//!
//! ## Why is this bad?
//!
//! Nothing is known about what wasn't read: it may hold anything. A run that passes over it in silence looks like
//! a run without findings.
//!
//! ## Example
//!
//! ```yaml,bad
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: {{ .Values.name }} # finding
//!     image: nginx
//! ```
//!
//! Use instead, for a template, what comes of rendering it:
//!
//! ```yaml,good
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: web
//! spec:
//!   containers:
//!   - name: web
//!     image: nginx
//! ```
//!
//! ## When to allow it
//!
//! It can't be silenced by a comment, only left out by its path: `--exclude 'chart/templates/**'`. Render charts
//! instead (`volcheck lint --helm CHART`).
//!
//! ## References
//!
//! - [YAML 1.1](https://yaml.org/spec/1.1/)

use super::{FixClass, Meta, Rule};
use crate::finding::Severity;

const META: Meta = Meta {
    id: "unanalyzed-document",
    summary: "a file or a document that can't be read, decoded or parsed, and so isn't judged",
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("what isn't an object never reaches a webhook"),
    source: include_str!("unanalyzed_document.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }
}

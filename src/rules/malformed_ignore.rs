//! A comment or an annotation for volcheck can't be read.
//!
//! ## What it does
//!
//! Reports a comment that begins with `volcheck:`, and isn't `ignore[RULE, RULE] -- reason`, or `ignore-file[RULE] --
//! reason` before the first document; and an annotation `ignore.volcheck.io/RULE` whose value is no reason and no
//! `volume=NAME container=NAME -- reason`. It silences nothing.
//!
//! ## Why is this bad?
//!
//! A mistake in it must not silence more, or less, than somebody meant.
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
//!   - name: web
//!     image: nginx
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   # volcheck: ignore -- it shows the logs of the node # finding
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
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
//!     volumeMounts:
//!     - name: logs
//!       mountPath: /logs
//!       readOnly: true
//!   volumes:
//!   # volcheck: ignore[sensitive-host-path] -- it shows the logs of the node
//!   - name: logs
//!     hostPath:
//!       path: /var/log
//!       type: Directory
//! ```
//!
//! ## When to allow it
//!
//! Never.

use super::{FixClass, Meta, Rule};
use crate::finding::Severity;

const META: Meta = Meta {
    id: "malformed-ignore",
    summary: "a comment or an annotation for volcheck can't be read",
    severity: Severity::Warning,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("comments and annotations count in lint alone"),
    source: include_str!("malformed_ignore.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }
}

//! A field of an object has a value of the wrong type.
//!
//! ## What it does
//!
//! Reports the first field of an object that volcheck knows whose value isn't of its type, such as a number where
//! the API server reads a string. The object isn't judged any further, all others are; the run ends in exit code 2.
//!
//! ## Why is this bad?
//!
//! The API server refuses the object. YAML makes it easy: kubectl reads an unquoted `y`, `n`, `on`, `no` or `yes` as
//! a boolean, and `010` as a number, also where a name or a path belongs. The other way round, `"true"` in quotes
//! is a string, and no boolean.
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!       readOnly: 1 # finding
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//! ```
//!
//! Use instead:
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
//!     - name: cache
//!       mountPath: /var/cache/nginx
//!       readOnly: true
//!   volumes:
//!   - name: cache
//!     emptyDir: {}
//! ```
//!
//! ## When to allow it
//!
//! Never. It can't be silenced by a comment, only left out by its path (`--exclude`).
//!
//! ## References
//!
//! - [YAML 1.1: Boolean](https://yaml.org/type/bool.html)

use super::{FixClass, Meta, Rule};
use crate::finding::Severity;

const META: Meta = Meta {
    id: "invalid-field-value",
    summary: "a field of an object has a value of the wrong type",
    severity: Severity::Error,
    since: "0.1.0",
    family: None,
    fix: FixClass::None,
    options: &[],
    lint_only: Some("the API server refuses such an object before any webhook sees it"),
    source: include_str!("invalid_field_value.rs"),
};

pub(crate) struct Check;

impl Rule for Check {
    fn meta(&self) -> &'static Meta {
        &META
    }
}

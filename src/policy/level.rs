use crate::finding::Severity;

/// The level of a rule in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The rule is disabled.
    Off,
    /// The rule is enabled, and each finding has the severity that the rule assigns.
    Default,
    /// The rule is enabled, and all of its findings have this severity.
    As(Severity),
}

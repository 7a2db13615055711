use crate::finding::Severity;

/// The level of a rule in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The rule is disabled.
    Off,
    /// Each finding has the severity that the rule gives it.
    Default,
    /// Each finding has this severity.
    As(Severity),
}

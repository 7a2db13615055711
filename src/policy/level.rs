use jiff::civil::Date;

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

impl Level {
    /// Returns the name used in policies, or `None` for [`Level::Default`], which has no name.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Off => Some("off"),
            Self::Default => None,
            Self::As(severity) => Some(severity.name()),
        }
    }
}

/// A level that may change on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelSchedule {
    pub(super) level: Level,
    /// The last day (UTC) on which `level` applies, and the level after this day.
    pub(super) change: Option<(Date, Level)>,
}

impl From<Level> for LevelSchedule {
    fn from(level: Level) -> Self {
        Self { level, change: None }
    }
}

impl LevelSchedule {
    /// Returns the level on a day.
    pub(super) fn on(self, day: Date) -> Level {
        match self.change {
            Some((last_day, then)) if day > last_day => then,
            _ => self.level,
        }
    }

    /// Checks whether the rule is disabled on every day.
    pub(super) fn is_off(self) -> bool {
        self.level == Level::Off && self.change.is_none_or(|(_, then)| then == Level::Off)
    }

    /// Returns the schedule or, if the rule is disabled on some day, [`Level::Default`] on all
    /// days.
    pub(super) fn enabled(self) -> Self {
        let is_off = self.level == Level::Off || self.change.is_some_and(|(_, then)| then == Level::Off);
        if is_off { Level::Default.into() } else { self }
    }
}

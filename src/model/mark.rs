use std::ops::Range;

/// A byte range in the text of a file or, for a manifest in a string that is parsed separately, in
/// the value of that string. `lint` and `suppress` create marks, and `lint` converts them to spans.
/// Rules only copy them from their input, such as `TextFacts`, to findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    start: usize,
    end: usize,
}

impl Mark {
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl From<Range<usize>> for Mark {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

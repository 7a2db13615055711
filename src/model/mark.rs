use std::ops::Range;

/// A range of bytes in the text of a file. Only `source` and `suppress` create marks, and only
/// `source` resolves them; rules pass them on without looking at the text.
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

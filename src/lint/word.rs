//! Fast searches for words. If a text does not contain a certain word, some checks of the text can
//! be skipped.

use std::sync::LazyLock;

use memchr::memmem::{FindIter, Finder};

/// A word to search texts for. Its searcher is built only once, because building it takes longer
/// than most searches.
pub(super) struct Word(LazyLock<Finder<'static>>);

/// Defines words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {$(
        $(#[$doc])*
        pub(super) static $name: Word = Word(LazyLock::new(|| Finder::new($text)));
    )*};
}

words! {
    API_VERSION = "apiVersion";
    HOST_PATH = "hostPath";
    KIND = "kind";
    /// The key of the node paths in the configuration of the local-path-provisioner.
    NODE_PATHS = super::embedded::NODE_PATHS;
    OPERATION = "op";
    PATCH = super::embedded::PATCH;
    /// A directive of a strategic merge patch.
    PATCH_DIRECTIVE = "$patch";
    PATH = "path";
    /// A part of every comment and of every annotation key that suppresses findings.
    VOLCHECK = "volcheck";
    /// The start of every ytt directive.
    YTT_DIRECTIVE = "#@";
}

impl Word {
    /// Checks whether the word occurs in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.find(text.as_bytes()).is_some()
    }

    /// Iterates over the offsets of the word in a text.
    pub(super) fn find_iter<'t>(&'static self, text: &'t str) -> FindIter<'t, 'static> {
        self.0.find_iter(text.as_bytes())
    }
}

//! The YAML engine, behind an interface without `unsafe`.
//!
//! libyaml is the parser that go-yaml was ported from, so it accepts and refuses what kubectl does.
//! Nothing outside of this file knows which engine it is.
#![allow(unsafe_code, reason = "the engine's interface is C's; this file is the only one that calls it")]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::slice;

use libyaml_rs as sys;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be a boolean, a number or null.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A block scalar, `|` or `>`.
    Block,
}

/// What the parser saw; `start` and `end` count bytes from the start of the text.
#[derive(Debug)]
pub(super) struct Event<'p> {
    /// What it is.
    pub kind: EventKind<'p>,
    /// The first byte, counted from 0.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
}

/// The kinds of event that carry content.
#[derive(Debug)]
pub(super) enum EventKind<'p> {
    /// Begins a document, under the version of YAML that a directive names.
    DocumentStart { version: Option<(i32, i32)> },
    /// Ends a document.
    DocumentEnd,
    /// The end of the text.
    StreamEnd,
    /// Another appearance of an anchored value.
    Alias(&'p str),
    /// A scalar.
    Scalar { anchor: Option<&'p str>, tag: Option<&'p str>, value: &'p str, style: Style },
    /// Begins a list.
    SequenceStart { anchor: Option<&'p str> },
    /// Begins a mapping.
    MappingStart { anchor: Option<&'p str> },
    /// Ends the innermost list or mapping.
    End,
}

/// A refusal of the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// What the parser says, in its own words.
    pub problem: String,
    /// The byte where the trouble is, counted from 0.
    pub at: u64,
}

/// A parser over one text.
pub(super) struct Parser<'t> {
    raw: Pin<Box<MaybeUninit<sys::yaml_parser_t>>>,
    event: MaybeUninit<sys::yaml_event_t>,
    holds_event: bool,
    text: PhantomData<&'t str>,
}

impl<'t> Parser<'t> {
    /// A parser at the start of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        let mut raw = Box::pin(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: the parser is initialised before its first use and stays where it is: it is boxed,
        // and the library keeps pointers into it. `text` outlives it by `'t`.
        unsafe {
            let parser = raw.as_mut().get_unchecked_mut().as_mut_ptr();
            assert!(sys::yaml_parser_initialize(parser).ok, "the YAML parser could not be initialised");
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Self { raw, event: MaybeUninit::uninit(), holds_event: false, text: PhantomData }
    }

    /// The next event. After `StreamEnd` or an error there is none worth asking for.
    pub(super) fn next(&mut self) -> Result<Event<'_>, ParseError> {
        self.release();
        // SAFETY: both structures are initialised as the library demands; the event's strings live until
        // `yaml_event_delete`, which the borrow of `self` keeps from happening while they are in use.
        unsafe {
            let parser = self.raw.as_mut().get_unchecked_mut().as_mut_ptr();
            if sys::yaml_parser_parse(parser, self.event.as_mut_ptr()).fail {
                return Err(problem(&*parser));
            }
            self.holds_event = true;
            let event = &*self.event.as_ptr();
            if event.type_ == sys::YAML_STREAM_START_EVENT {
                return self.next();
            }
            Ok(Event { kind: convert(event), start: event.start_mark.index, end: event.end_mark.index })
        }
    }

    fn release(&mut self) {
        if self.holds_event {
            // SAFETY: `holds_event` says that the event was filled and not deleted yet.
            unsafe { sys::yaml_event_delete(self.event.as_mut_ptr()) };
            self.holds_event = false;
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        self.release();
        // SAFETY: the parser was initialised in `new` and is not used after this.
        unsafe { sys::yaml_parser_delete(self.raw.as_mut().get_unchecked_mut().as_mut_ptr()) };
    }
}

/// How many events a text has up to its end or its first mistake: what parsing costs, and nothing else.
pub fn count_events(text: &str) -> usize {
    let mut parser = Parser::new(text);
    let mut count = 0;
    while let Ok(Event { kind, .. }) = parser.next() {
        count += 1;
        if matches!(kind, EventKind::StreamEnd) {
            break;
        }
    }
    count
}

/// # Safety
/// `event` is one that the library has filled.
unsafe fn convert(event: &sys::yaml_event_t) -> EventKind<'_> {
    // SAFETY: the event's type says which member of the union is set; strings are valid UTF-8, because the
    // text is, and end in NUL, or come with a length.
    unsafe {
        match event.type_ {
            sys::YAML_DOCUMENT_START_EVENT => {
                let directive = event.data.document_start.version_directive.as_ref();
                EventKind::DocumentStart { version: directive.map(|version| (version.major, version.minor)) }
            }
            sys::YAML_DOCUMENT_END_EVENT => EventKind::DocumentEnd,
            sys::YAML_ALIAS_EVENT => EventKind::Alias(string(event.data.alias.anchor).unwrap_or_default()),
            sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let bytes = slice::from_raw_parts(scalar.value, scalar.length as usize);
                EventKind::Scalar {
                    anchor: string(scalar.anchor),
                    tag: string(scalar.tag),
                    value: std::str::from_utf8(bytes).unwrap_or_default(),
                    style: match scalar.style {
                        sys::YAML_PLAIN_SCALAR_STYLE => Style::Plain,
                        sys::YAML_LITERAL_SCALAR_STYLE | sys::YAML_FOLDED_SCALAR_STYLE => Style::Block,
                        _ => Style::Quoted,
                    },
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                EventKind::SequenceStart { anchor: string(event.data.sequence_start.anchor) }
            }
            sys::YAML_MAPPING_START_EVENT => {
                EventKind::MappingStart { anchor: string(event.data.mapping_start.anchor) }
            }
            sys::YAML_SEQUENCE_END_EVENT | sys::YAML_MAPPING_END_EVENT => EventKind::End,
            _ => EventKind::StreamEnd,
        }
    }
}

/// # Safety
/// `pointer` is null or points to a string of the library that ends in NUL and lives for `'p`.
unsafe fn string<'p>(pointer: *const u8) -> Option<&'p str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by the contract above.
    unsafe { CStr::from_ptr(pointer.cast()) }.to_str().ok()
}

/// # Safety
/// `parser` is one that has just refused its text.
unsafe fn problem(parser: &sys::yaml_parser_t) -> ParseError {
    // SAFETY: both strings are static ones of the library, or null.
    let (problem, context) = unsafe { (string(parser.problem.cast()), string(parser.context.cast())) };
    let problem = problem.unwrap_or("the text is not YAML");
    let problem = match context {
        Some(context) => format!("{problem} {context}"),
        None => problem.to_owned(),
    };
    let at = match context {
        // The reader's errors come before there is a mark.
        _ if parser.error == sys::YAML_READER_ERROR => parser.problem_offset,
        // That the colon lacks is seen lines later, where something else begins.
        Some("while scanning a simple key") => parser.context_mark.index,
        _ => parser.problem_mark.index,
    };
    ParseError { problem, at }
}

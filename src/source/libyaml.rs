//! A safe interface to libyaml.
//!
//! kubectl uses go-yaml, which is a port of libyaml, so both accept almost exactly the same text.
//! Only this file calls libyaml.
#![allow(unsafe_code, reason = "libyaml has a C interface, and only this file calls it")]

use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::slice;

use libyaml_rs as sys;

use super::scalar::ScalarStyle;

/// A parser event. Offsets are in bytes from the start of the text.
#[derive(Debug)]
pub(super) struct Event<'e> {
    pub(super) kind: EventKind<'e>,
    /// The offset of the first byte.
    pub(super) start: u64,
    /// The offset after the last byte.
    pub(super) end: u64,
}

#[derive(Debug)]
pub(super) enum EventKind<'e> {
    DocumentStart {
        /// The version in the `%YAML` directive; `None` if there is no such directive.
        version: Option<(i32, i32)>,
    },
    DocumentEnd,
    StreamEnd,
    /// An alias, with the name of its anchor.
    Alias(&'e str),
    Scalar {
        anchor: Option<&'e str>,
        tag: Option<&'e str>,
        value: &'e str,
        style: ScalarStyle,
    },
    SequenceStart {
        anchor: Option<&'e str>,
    },
    MappingStart {
        anchor: Option<&'e str>,
    },
    /// The end of the innermost sequence or mapping.
    CollectionEnd,
}

/// A syntax error.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// The error message of libyaml.
    pub(super) message: String,
    /// The offset in bytes from the start of the text.
    pub(super) offset: u64,
}

/// A parser for one text.
pub(super) struct EventParser<'t> {
    parser: Pin<Box<MaybeUninit<sys::yaml_parser_t>>>,
    event: MaybeUninit<sys::yaml_event_t>,
    /// Whether `event` contains an event of libyaml that must be deleted.
    has_event: bool,
    text: PhantomData<&'t str>,
}

impl<'t> EventParser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut parser = Box::pin(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: `parser` is initialized before any other use. libyaml keeps pointers into it, and
        // it never moves because it is boxed and pinned. `text` outlives it because of the lifetime
        // `'t`.
        unsafe {
            let parser = parser.as_mut().get_unchecked_mut().as_mut_ptr();
            assert!(sys::yaml_parser_initialize(parser).ok, "out of memory for the YAML parser");
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Self { parser, event: MaybeUninit::uninit(), has_event: false, text: PhantomData }
    }

    /// Returns the next event. After an error or the end of the stream, returns `StreamEnd`.
    pub(super) fn next_event(&mut self) -> Result<Event<'_>, SyntaxError> {
        self.advance()?;
        // SAFETY: `advance` filled the event.
        if unsafe { self.event.assume_init_ref() }.type_ == sys::YAML_STREAM_START_EVENT {
            self.advance()?;
        }
        // SAFETY: `advance` filled the event. Its strings live until the event is deleted. Deleting
        // it requires `&mut self`, which the returned borrow of `self` prevents.
        let (event, kind) = unsafe {
            let event = self.event.assume_init_ref();
            (event, event_kind(event))
        };
        Ok(Event { kind, start: event.start_mark.index, end: event.end_mark.index })
    }

    /// Replaces the current event with the next one.
    fn advance(&mut self) -> Result<(), SyntaxError> {
        self.delete_event();
        // SAFETY: `new` initialized the parser, and libyaml zeroes the event before it fills it. If
        // parsing failed, libyaml has reported an error for the parser.
        unsafe {
            let parser = self.parser.as_mut().get_unchecked_mut().as_mut_ptr();
            if sys::yaml_parser_parse(parser, self.event.as_mut_ptr()).fail {
                return Err(syntax_error(&*parser));
            }
        }
        self.has_event = true;
        Ok(())
    }

    fn delete_event(&mut self) {
        if self.has_event {
            // SAFETY: `has_event` means that the event was filled and not deleted yet.
            unsafe { sys::yaml_event_delete(self.event.as_mut_ptr()) };
            self.has_event = false;
        }
    }
}

impl Drop for EventParser<'_> {
    fn drop(&mut self) {
        self.delete_event();
        // SAFETY: `new` initialized the parser, and it is not used after this call.
        unsafe { sys::yaml_parser_delete(self.parser.as_mut().get_unchecked_mut().as_mut_ptr()) };
    }
}

/// Returns the number of events in a text, up to its end or its first syntax error. The benchmarks
/// call this function to measure the cost of libyaml alone.
pub fn count_events(text: &str) -> usize {
    let mut parser = EventParser::new(text);
    let mut count = 0;
    while let Ok(Event { kind, .. }) = parser.next_event() {
        count += 1;
        if matches!(kind, EventKind::StreamEnd) {
            break;
        }
    }
    count
}

/// Converts an event of libyaml.
///
/// # Safety
///
/// libyaml must have filled `event`.
unsafe fn event_kind(event: &sys::yaml_event_t) -> EventKind<'_> {
    // SAFETY: the type of the event determines the field of the union that is set. Strings in the
    // event live as long as the event. The value of a scalar has a length. All other strings are
    // null or end in NUL.
    unsafe {
        match event.type_ {
            sys::YAML_DOCUMENT_START_EVENT => {
                let directive = event.data.document_start.version_directive.as_ref();
                EventKind::DocumentStart { version: directive.map(|version| (version.major, version.minor)) }
            }
            sys::YAML_DOCUMENT_END_EVENT => EventKind::DocumentEnd,
            sys::YAML_ALIAS_EVENT => {
                EventKind::Alias(c_str(event, event.data.alias.anchor).unwrap_or_default())
            }
            sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                let value = bytes(event, scalar.value, scalar.length as usize);
                EventKind::Scalar {
                    anchor: c_str(event, scalar.anchor),
                    tag: c_str(event, scalar.tag),
                    value: std::str::from_utf8(value).unwrap_or_default(),
                    style: match scalar.style {
                        sys::YAML_PLAIN_SCALAR_STYLE => ScalarStyle::Plain,
                        sys::YAML_LITERAL_SCALAR_STYLE | sys::YAML_FOLDED_SCALAR_STYLE => ScalarStyle::Block,
                        _ => ScalarStyle::Quoted,
                    },
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => {
                EventKind::SequenceStart { anchor: c_str(event, event.data.sequence_start.anchor) }
            }
            sys::YAML_MAPPING_START_EVENT => {
                EventKind::MappingStart { anchor: c_str(event, event.data.mapping_start.anchor) }
            }
            sys::YAML_SEQUENCE_END_EVENT | sys::YAML_MAPPING_END_EVENT => EventKind::CollectionEnd,
            _ => EventKind::StreamEnd,
        }
    }
}

/// Returns a string of libyaml, or `None` if it is null or not UTF-8.
///
/// # Safety
///
/// `pointer` must be null or point to a string that ends in NUL and lives as long as `owner`.
unsafe fn c_str<T>(_owner: &T, pointer: *const u8) -> Option<&str> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the pointer is not null, and the caller guarantees the rest.
    unsafe { CStr::from_ptr(pointer.cast()) }.to_str().ok()
}

/// Returns a byte string of libyaml, or an empty one if `pointer` is null.
///
/// # Safety
///
/// `pointer` must be null or point to `length` bytes that live as long as `owner`.
unsafe fn bytes<T>(_owner: &T, pointer: *const u8, length: usize) -> &[u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: the pointer is not null, and the caller guarantees the rest.
    unsafe { slice::from_raw_parts(pointer, length) }
}

/// Returns the error of a failed parser.
///
/// # Safety
///
/// libyaml must have reported an error for `parser`.
unsafe fn syntax_error(parser: &sys::yaml_parser_t) -> SyntaxError {
    // SAFETY: both strings are null or string literals of libyaml.
    let (problem, context) =
        unsafe { (c_str(parser, parser.problem.cast()), c_str(parser, parser.context.cast())) };
    let problem = problem.unwrap_or("invalid YAML");
    let message = match context {
        Some(context) => format!("{problem} {context}"),
        None => problem.to_owned(),
    };
    let offset = match context {
        // Encoding errors have an offset, but no mark.
        _ if parser.error == sys::YAML_READER_ERROR => parser.problem_offset,
        // libyaml detects a missing colon only at the next token, which may be several lines later.
        // The context mark is at the key.
        Some("while scanning a simple key") => parser.context_mark.index,
        _ => parser.problem_mark.index,
    };
    SyntaxError { message, offset }
}

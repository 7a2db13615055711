//! The tests of the whole, in one program.

mod admission;
mod bad_input;
mod house;
mod rules;
mod support;

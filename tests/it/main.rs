//! The tests of the whole, in one program.

mod admission;
mod allow_list;
mod evasions;
mod house;
mod rules;
mod support;

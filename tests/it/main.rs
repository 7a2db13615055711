//! The tests of the whole, in one program.

mod admission;
mod house;
mod rules;
mod support;
mod yaml;

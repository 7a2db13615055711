//! The tests of the whole, in one program.

mod admission;
mod apiserver;
mod house;
mod rules;
mod support;
mod yaml;

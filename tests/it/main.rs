//! The tests of the whole, in one program.

mod admission;
mod apiserver;
mod house;
mod paths;
mod rules;
mod spans;
mod support;
mod yaml;

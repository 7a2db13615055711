//! The tests of the whole, in one program.

mod admission;
mod apiserver;
mod cli;
mod house;
mod paths;
mod properties;
mod reports;
mod rules;
mod spans;
mod support;
mod yaml;

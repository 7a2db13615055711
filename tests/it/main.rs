//! The integration tests, as one test program.
#![allow(unreachable_pub, reason = "a test program has no public API")]

mod admission;
mod allow_list;
mod apiserver;
mod architecture;
mod as_admission;
mod bad_input;
mod baseline;
mod binding_cases;
mod ca;
mod changed;
mod cli;
mod docs;
mod embedded;
mod evasions;
mod excludes;
mod exempt;
mod fix;
mod fix_properties;
mod fix_rules;
mod formats;
mod grouping;
mod hidden_host_path;
mod inputs;
#[cfg(feature = "server")]
mod install;
#[cfg(unix)]
mod links;
#[cfg(all(unix, feature = "server"))]
mod monitoring;
#[cfg(all(unix, feature = "server"))]
mod monitoring_files;
mod named_claims;
mod near_exemptions;
mod near_manifests;
mod node_agents;
mod one_verdict;
mod outputs;
mod paths;
mod policy;
mod policy_keys;
mod policy_test;
mod policy_warnings;
#[cfg(all(unix, feature = "server"))]
mod promql;
mod properties;
#[cfg(unix)]
mod render;
#[cfg(unix)]
mod render_searched;
mod reports;
mod rules;
#[cfg(all(unix, feature = "server"))]
mod serve;
mod severity;
mod spans;
mod structure;
#[cfg(unix)]
mod summary;
mod support;
mod suppression;
mod usage;
mod volume_types;
mod volumes;
#[cfg(all(unix, feature = "server"))]
mod webhook_server;
mod yaml;

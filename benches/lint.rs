//! Benchmarks of linting, compared with reading and parsing the same manifests.
//!
//! `VOLCHECK_BENCH_TREE=DIR cargo bench` uses the manifests in a directory, by default those of
//! this repository. divan sorts the benchmarks by name, so the first letter of each name determines
//! its position.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::BytesCount;
use rayon::prelude::*;
use volcheck::input::{DiscoveryOptions, discover};
use volcheck::lint::{Manifest, Options, Role, check};
use volcheck::policy::{Date, Overrides, Policy, Profile};
use volcheck::source::{File, count_events, count_skippable, split_documents};

fn main() {
    divan::main();
}

fn paths() -> Vec<PathBuf> {
    let root = env!("CARGO_MANIFEST_DIR");
    let tree = env::var("VOLCHECK_BENCH_TREE").unwrap_or_else(|_| root.to_owned());
    let tree = Path::new(root).join(tree).to_string_lossy().into_owned();
    let extensions = ["yaml", "yml", "json"].map(str::to_owned).to_vec();
    let options = DiscoveryOptions { extensions, ..DiscoveryOptions::default() };
    let inputs = discover(&[tree], &options).inputs;
    inputs.into_iter().map(|input| PathBuf::from(input.name)).collect()
}

fn manifests() -> Vec<Vec<u8>> {
    paths().iter().map(|path| fs::read(path).expect("a manifest")).collect()
}

fn decode(manifests: &[Vec<u8>]) -> Vec<File> {
    manifests.iter().filter_map(|bytes| File::decode("", bytes.clone()).ok()).collect()
}

fn policy() -> Policy {
    Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile")
}

fn size(manifests: &[Vec<u8>]) -> BytesCount {
    BytesCount::new(manifests.iter().map(Vec::len).sum::<usize>())
}

/// Reads the files.
#[divan::bench]
fn a_read(bencher: Bencher<'_, '_>) {
    let paths = paths();
    bencher
        .counter(size(&manifests()))
        .bench(|| paths.iter().map(|path| fs::read(path).map_or(0, |bytes| bytes.len())).sum::<usize>());
}

/// Splits the files into documents and counts those that can be skipped.
#[divan::bench]
fn b_sniff(bencher: Bencher<'_, '_>) {
    let manifests = manifests();
    let files = decode(&manifests);
    bencher.counter(size(&manifests)).bench(|| {
        let can_skip = |text: &str| count_skippable(text, volcheck::policy::is_skipped_kind).is_some();
        let count_skipped = |file: &File| {
            let documents = split_documents(file.text());
            documents.into_iter().filter(|document| can_skip(&file.text()[document.range.clone()])).count()
        };
        files.iter().map(count_skipped).sum::<usize>()
    });
}

/// Parses all documents with libyaml and discards the events.
#[divan::bench]
fn c_events(bencher: Bencher<'_, '_>) {
    let manifests = manifests();
    let files = decode(&manifests);
    bencher.counter(size(&manifests)).bench(|| {
        let count = |file: &File| {
            let documents = split_documents(file.text());
            documents.into_iter().map(|document| count_events(&file.text()[document.range])).sum::<usize>()
        };
        files.iter().map(count).sum::<usize>()
    });
}

/// Lints the files on one core, excluding reading and reporting.
#[divan::bench]
fn d_lint(bencher: Bencher<'_, '_>) {
    let (manifests, policy) = (manifests(), policy());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread pool");
    bencher
        .counter(size(&manifests))
        .with_inputs(|| manifests.clone())
        .bench_values(|manifests| pool.install(|| lint_all(manifests, &policy)));
}

/// Lints the files on all cores, excluding reading and reporting.
#[divan::bench]
fn e_lint_on_all_cores(bencher: Bencher<'_, '_>) {
    let (manifests, policy) = (manifests(), policy());
    bencher
        .counter(size(&manifests))
        .with_inputs(|| manifests.clone())
        .bench_values(|manifests| lint_all(manifests, &policy));
}

fn lint_all(manifests: Vec<Vec<u8>>, policy: &Policy) -> usize {
    let options =
        Options { policy, today: Date::MIN, with_ignores: true, parse_all: false, with_volumes: false };
    let manifest = |bytes| Manifest { name: "f.yaml", bytes, role: Role::File };
    manifests.into_par_iter().map(|bytes| check(manifest(bytes), &options).findings.len()).sum()
}

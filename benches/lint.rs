//! What linting costs beside what it can't do without: reading the bytes, and parsing them.
//!
//! `VOLCHECK_BENCH_TREE=DIR cargo bench` takes the manifests of a tree; without it, those of the project.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::BytesCount;
use rayon::prelude::*;
use volcheck::input::{Settings, discover};
use volcheck::lint::{Manifest, Options, Role, check};
use volcheck::policy::{Date, Overrides, Policy, Profile};
use volcheck::source::{File, count_events, harmless_objects, split};

fn main() {
    divan::main();
}

fn paths() -> Vec<PathBuf> {
    let tree = env::var("VOLCHECK_BENCH_TREE").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join(tree);
    let extensions = ["yaml", "yml", "json"].map(str::to_owned).to_vec();
    let found =
        discover(&[tree.to_string_lossy().into_owned()], &Settings { extensions, ..Settings::default() });
    found.inputs.into_iter().map(|input| PathBuf::from(input.name)).collect()
}

fn texts() -> Vec<Vec<u8>> {
    paths().iter().map(|path| fs::read(path).expect("a manifest")).collect()
}

fn policy() -> Policy {
    Policy::from_profile(Profile::Recommended, &Overrides::default()).expect("a profile")
}

fn size(texts: &[Vec<u8>]) -> BytesCount {
    BytesCount::new(texts.iter().map(Vec::len).sum::<usize>())
}

/// Reads every file.
#[divan::bench]
fn a_read(bencher: Bencher<'_, '_>) {
    let paths = paths();
    bencher
        .counter(size(&texts()))
        .bench(|| paths.iter().map(|path| fs::read(path).map_or(0, |b| b.len())).sum::<usize>());
}

/// Splits the texts and looks at each document's first lines.
#[divan::bench]
fn b_sniff(bencher: Bencher<'_, '_>) {
    let texts = texts();
    let files: Vec<File> = texts.iter().filter_map(|text| File::decode("", text.clone()).ok()).collect();
    bencher.counter(size(&texts)).bench(|| {
        let skipped = |file: &File| {
            let chunks = split(file.text());
            let skip =
                |range| harmless_objects(&file.text()[range], volcheck::policy::holds_no_volume).is_some();
            chunks.into_iter().filter(|chunk| skip(chunk.range.clone())).count()
        };
        files.iter().map(skipped).sum::<usize>()
    });
}

/// The same bytes through the YAML engine, its events counted and dropped.
#[divan::bench]
fn c_events(bencher: Bencher<'_, '_>) {
    let texts = texts();
    let files: Vec<File> = texts.iter().filter_map(|text| File::decode("", text.clone()).ok()).collect();
    bencher.counter(size(&texts)).bench(|| {
        let events = |file: &File| {
            split(file.text()).into_iter().map(|c| count_events(&file.text()[c.range])).sum::<usize>()
        };
        files.iter().map(events).sum::<usize>()
    });
}

/// Everything but the reading and the report, on one core.
#[divan::bench]
fn d_lint(bencher: Bencher<'_, '_>) {
    let (texts, policy) = (texts(), policy());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    bencher
        .counter(size(&texts))
        .with_inputs(|| texts.clone())
        .bench_values(|texts| pool.install(|| lint_all(texts, &policy)));
}

/// The same with as many threads as there are cores.
#[divan::bench]
fn e_lint_on_all_cores(bencher: Bencher<'_, '_>) {
    let (texts, policy) = (texts(), policy());
    bencher
        .counter(size(&texts))
        .with_inputs(|| texts.clone())
        .bench_values(|texts| lint_all(texts, &policy));
}

fn lint_all(texts: Vec<Vec<u8>>, policy: &Policy) -> usize {
    let options = Options { policy, today: Date::MIN, with_ignores: true, parse_all: false };
    let manifest = |bytes| Manifest { name: "f.yaml", bytes, role: Role::File };
    texts.into_par_iter().map(|bytes| check(manifest(bytes), &options).findings.len()).sum()
}

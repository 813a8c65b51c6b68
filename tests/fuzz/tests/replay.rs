//! Replays the committed corpus and seeded mutations of it through every parser.

use fuzz::mutate::Mutator;
use fuzz::{TARGETS, Target};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations per corpus: together a few seconds.
const MUTATIONS_PER_TARGET: usize = 4_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// The entries of a target's folder, sorted by name.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder(target.name)).unwrap_or_else(|error| panic!("{}: {error}", target.name));
    let mut corpus: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("readable")))
        .collect();
    corpus.sort();
    corpus
}

/// Prints the input if a check fails, so that it can join the corpus.
fn run(target: &Target, what: &str, bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(bytes)));
    assert!(outcome.is_ok(), "{}: {what} breaks a promise: {}", target.name, bytes.escape_ascii());
}

#[test]
fn every_target_has_a_corpus_and_keeps_its_promises_on_it() {
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(corpus.len() >= 4, "{} has a corpus of {}", target.name, corpus.len());
        for (path, bytes) in corpus {
            run(target, &path, &bytes);
        }
    }
}

#[test]
fn every_target_keeps_its_promises_on_mutations() {
    for target in TARGETS {
        let corpus = corpus(target);
        let mut mutator = Mutator::seeded(1);
        for round in 0..MUTATIONS_PER_TARGET {
            let (path, input) = &corpus[round % corpus.len()];
            let (_, other) = &corpus[(round / corpus.len()) % corpus.len()];
            run(target, &format!("mutation {round} (of {path})"), &mutator.mutate(input, other));
        }
    }
}

#[test]
fn every_corpus_belongs_to_a_target() {
    for entry in fs::read_dir(folder("")).expect("corpus") {
        let name = entry.expect("readable").file_name();
        assert!(TARGETS.iter().any(|target| *target.name == *name), "{} has no target", name.display());
    }
}

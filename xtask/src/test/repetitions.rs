//! The tests of a run that failed once and ran again.

use super::tally::Tally;

/// More tests than these in one run are a defect, not a busy machine: they fail the run.
const REPETITIONS_MAX: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Repetitions {
    count: usize,
    passed: Vec<String>,
}

impl Repetitions {
    /// Counts failed tests that are to run again; false, and nothing is counted, if the run has too many of them.
    pub(crate) fn allow(&mut self, failed: usize) -> bool {
        let allowed = failed > 0 && self.count + failed <= REPETITIONS_MAX;
        self.count += if allowed { failed } else { 0 };
        allowed
    }

    pub(crate) fn have_passed(&mut self, step: &str, tests: &[&str]) {
        self.passed.extend(tests.iter().map(|test| format!("{step}: {test}")));
    }

    /// The end of the summary: each test that passed when it ran again, and the line that CI reads.
    pub(crate) fn summary(&self, tally: Tally) -> String {
        let Tally { passed, failed } = tally;
        let each = self.passed.iter().map(|test| format!("  ? failed, and passed when it ran again: {test}\n"));
        format!("{}\n{passed} passed, {failed} failed, {} repeated", each.collect::<String>(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tests_of_a_run_may_run_again() {
        let mut repetitions = Repetitions::default();
        assert_eq!([1, 2, 1, 1].map(|failed| repetitions.allow(failed)), [true, false, true, false]);
        let mut repetitions = Repetitions::default();
        assert!(!repetitions.allow(3) && repetitions.allow(2) && !repetitions.allow(1));
        assert!(!repetitions.allow(0), "a program that failed without naming a test");
    }

    #[test]
    fn the_last_line_says_how_many_ran_again() {
        let mut repetitions = Repetitions::default();
        assert_eq!(repetitions.summary(Tally { passed: 5, failed: 0 }), "\n5 passed, 0 failed, 0 repeated");
        assert!(repetitions.allow(2));
        repetitions.have_passed("turn", &["a stream"]);
        let summary = repetitions.summary(Tally { passed: 7, failed: 1 });
        assert_eq!(
            summary,
            "  ? failed, and passed when it ran again: turn: a stream\n\n7 passed, 1 failed, 2 repeated"
        );
    }
}

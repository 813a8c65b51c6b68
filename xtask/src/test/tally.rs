//! Parses the number of tests and the compile time from a test runner's output.

use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// The result of one command: the tests counted in its log, or the command itself if there are none.
    pub(crate) fn of(log: &str, succeeded: bool) -> Self {
        let mut tally = log.lines().filter_map(read_line).fold(Self::default(), Self::plus);
        match (succeeded, tally.failed) {
            (true, _) if tally == Self::default() => tally.passed = 1,
            // A runner that failed before or after counting.
            (false, 0) => tally.failed = 1,
            (true | false, _) => {}
        }
        tally
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }

    /// The last column of a step, for runners that count.
    pub(crate) fn note(log: &str) -> String {
        match log.lines().filter_map(read_line).fold(Self::default(), Self::plus).passed {
            0 => String::new(),
            1 => "1 test".to_owned(),
            passed => format!("{passed} tests"),
        }
    }
}

/// The failed tests that cargo or node list at the end; none if a program of cargo ended without its list, because others
/// could have failed there.
pub(crate) fn failed_tests(log: &str) -> Vec<String> {
    let lines = |is: fn(&str) -> bool| log.lines().filter(|line| is(line)).count();
    let started = lines(|line| line.trim_start().starts_with("Running ") && line.ends_with(')'));
    if started > lines(|line| line.starts_with("test result: ")) {
        return Vec::new();
    }
    let mut names = Vec::new();
    let mut of_cargo = false;
    let mut of_node = false;
    for line in log.lines() {
        of_cargo = line == "failures:" || (of_cargo && line.starts_with("    "));
        of_node |= line == "✖ failing tests:";
        if let Some(name) = line.strip_prefix("    ").filter(|_| of_cargo) {
            names.push(name.to_owned());
        } else if let Some((name, _)) =
            line.strip_prefix("✖ ").filter(|_| of_node).and_then(|line| line.rsplit_once(" ("))
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Cargo's compile time before the first run.
pub(crate) fn compiled(log: &str) -> Duration {
    log.lines().filter_map(read_finished).sum()
}

/// "Finished `test` profile [unoptimized + debuginfo] target(s) in 1m 20s", or in 3.20s.
fn read_finished(line: &str) -> Option<Duration> {
    let (_, time) = line.trim_start().strip_prefix("Finished ")?.rsplit_once("target(s) in ")?;
    let (minutes, seconds) = time.split_once("m ").unwrap_or(("0", time));
    let minutes = Duration::from_secs(60 * minutes.parse::<u64>().ok()?);
    Some(minutes + Duration::try_from_secs_f64(seconds.strip_suffix('s')?.parse().ok()?).ok()?)
}

/// The closing lines of cargo, node, vitest, Terraform and Python's unittest.
fn read_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("Success! ").or_else(|| line.strip_prefix("Failure! ")) {
        return Some(Tally { passed: number_before(rest, " passed")?, failed: number_before(rest, " failed")? });
    }
    if let Some(rest) = line.strip_prefix("Ran ").filter(|rest| rest.contains(" test") && rest.contains(" in ")) {
        // It counts failures on another line, and then ends with an error.
        return Some(Tally { passed: number_before(rest, " test")?, failed: 0 });
    }
    if let Some(rest) = line.strip_prefix("test result: ") {
        let rest = rest.split_once(". ")?.1;
        return Some(Tally { passed: number_before(rest, " passed")?, failed: number_before(rest, " failed")? });
    }
    if let Some(rest) = line.strip_prefix("Tests ") {
        let (passed, failed) = (number_before(rest, " passed"), number_before(rest, " failed"));
        return (passed.is_some() || failed.is_some())
            .then_some(Tally { passed: passed.unwrap_or_default(), failed: failed.unwrap_or_default() });
    }
    let rest = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?;
    match rest.split_once(' ')? {
        ("pass", count) => Some(Tally { passed: count.parse().ok()?, failed: 0 }),
        ("fail", count) => Some(Tally { passed: 0, failed: count.parse().ok()? }),
        _ => None,
    }
}

fn number_before(text: &str, word: &str) -> Option<u64> {
    text.split_once(word)?.0.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, succeeded: bool, passed: u64, failed: u64) {
        assert_eq!(Tally::of(log, succeeded), Tally { passed, failed }, "{log}");
    }

    #[test]
    fn sums_what_cargo_says() {
        let log = "test a ... ok\ntest result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured\n";
        check(log, false, 15, 2);
    }

    #[test]
    fn reads_what_node_and_vitest_say() {
        check("ℹ tests 5\nℹ pass 4\nℹ fail 1\n", false, 4, 1);
        check("# tests 5\n# pass 5\n# fail 0\n", true, 5, 0);
        check(" Test Files  2 passed (2)\n      Tests  9 passed (9)\n", true, 9, 0);
        check("      Tests  1 failed | 8 passed (9)\n", false, 8, 1);
    }

    #[test]
    fn reads_what_terraform_and_python_say() {
        check("Success! The configuration is valid.\n", true, 1, 0);
        check("tests/a.tftest.hcl... pass\n\nSuccess! 10 passed, 0 failed.\n", true, 10, 0);
        check("Failure! 9 passed, 2 failed.\n", false, 9, 2);
        check("...\nRan 15 tests in 0.036s\n\nOK\n", true, 15, 0);
        check("..F\nRan 3 tests in 0.036s\n\nFAILED (failures=1)\n", false, 3, 1);
    }

    #[test]
    fn failed_tests_are_named() {
        let cargo = "test a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n    left: 1\n\nfailures:\n    a::b\n    c\n\n\
            test result: FAILED. 3 passed; 2 failed\n    Running tests/d.rs\n\nfailures:\n    d\n\ntest result: FAILED.\n";
        assert_eq!(failed_tests(cargo), ["a::b", "c", "d"]);
        let node = "▶ outer\n  ✖ inner (5.0ms)\n✖ outer (12.9ms)\nℹ fail 1\n\n✖ failing tests:\n\ntest at a.mjs:3:97\n\
            ✖ a call (in a tunnel) (5.0ms)\n  AssertionError\n";
        assert_eq!(failed_tests(node), ["a call (in a tunnel)"]);
        assert!(failed_tests("error: expected `;`\n    --> a.rs").is_empty());
        let crashed = format!("     Running tests/a.rs (target/a)\n{cargo}     Running tests/e.rs (target/e)\n");
        assert_eq!(failed_tests(&crashed), ["a::b", "c", "d"], "each has a result");
        let crashed = format!("{crashed}     Running tests/f.rs (target/f)\nerror: signal: 11\n");
        assert!(failed_tests(&crashed).is_empty());
    }

    #[test]
    fn cargo_says_how_long_it_compiled() {
        let log = "    Finished `test` profile [unoptimized + debuginfo] target(s) in 1m 20s\n  Running unittests\n\
            \x20   Finished `dev` profile [unoptimized] target(s) in 0.25s\nfinished in 3.00s\n";
        assert_eq!(compiled(log), Duration::from_millis(80_250));
    }

    #[test]
    fn what_counts_nothing_counts_itself() {
        check("", true, 1, 0);
        check("error: expected `;`", false, 0, 1);
        check("test result: ok. 3 passed; 0 failed; 0 ignored", false, 3, 1);
    }
}

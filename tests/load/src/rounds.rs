//! Rounds of a benchmark: cases take turns, void rounds are repeated, and medians count.

use anyhow::{Result, bail};
use serde_json::Value;

/// Attempts per valid round.
const ATTEMPTS_PER_ROUND: u32 = 3;
/// Valid rounds per case.
const ROUNDS: u32 = 7;

#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Print results as lines of JSON, and nothing else.
    #[arg(long)]
    json: bool,
    /// Run one short round to see that it works.
    #[arg(long)]
    pub smoke: bool,
    /// Measure only the case of this name.
    #[arg(long)]
    pub case: Option<String>,
}

pub trait Case: Copy {
    /// Its name in every output.
    fn name(&self) -> &'static str;
}

#[derive(Debug)]
pub struct Results<C, R> {
    cases: Vec<(C, Vec<R>)>,
    /// Required valid rounds per case.
    rounds: usize,
}

impl Options {
    /// Measures the wanted cases in turn. `round` gets the round's number; `line` describes a result to a person.
    pub fn measure<C: Case, R>(
        &self,
        cases: impl IntoIterator<Item = C>,
        mut round: impl FnMut(C, u32) -> Result<R>,
        line: impl Fn(&R) -> String,
    ) -> Results<C, R> {
        let rounds = if self.smoke { 1 } else { ROUNDS };
        let wanted = |case: &C| self.case.as_deref().is_none_or(|name| name == case.name());
        let cases = cases.into_iter().filter(wanted).map(|case| (case, Vec::new())).collect();
        let mut results = Results { cases, rounds: rounds as usize };
        // Void rounds are repeated, but a machine that stays too busy is unsuitable.
        for number in 0..rounds * ATTEMPTS_PER_ROUND {
            for (case, done) in results.cases.iter_mut().filter(|(_, done)| done.len() < results.rounds) {
                match round(*case, number) {
                    Ok(result) => {
                        if !self.json {
                            println!("{number:2} {:<18} {}", case.name(), line(&result));
                        }
                        done.push(result);
                    }
                    Err(error) => eprintln!("{number} {}: void: {error:#}", case.name()),
                }
            }
        }
        results
    }
}

impl<C: Case, R> Results<C, R> {
    /// The valid rounds of a case.
    pub fn of(&self, name: &str) -> Option<&[R]> {
        self.cases.iter().find(|(case, _)| case.name() == name).map(|(_, rounds)| rounds.as_slice())
    }

    /// Prints a line of JSON from `value` for each case that has all its rounds; fails if a case lacks some.
    pub fn print(&self, bench: &str, value: impl Fn(&C, &[R]) -> Value) -> Result<()> {
        for (case, done) in self.cases.iter().filter(|(_, done)| done.len() == self.rounds) {
            let mut value = value(case, done);
            value["case"] = case.name().into();
            value["rounds"] = done.len().into();
            print(bench, &value);
        }
        if let Some((case, _)) = self.cases.iter().find(|(_, done)| done.len() < self.rounds) {
            bail!("{}: too many rounds are void", case.name());
        }
        Ok(())
    }
}

/// Prints a line of JSON. It begins with the benchmark's name, however the library sorts keys.
pub fn print(bench: &str, value: &Value) {
    println!("{{\"bench\":\"{bench}\",{}", value.to_string().trim_start_matches('{'));
}

/// The median of `of` over the rounds.
pub fn median<R>(rounds: &[R], of: impl Fn(&R) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Rounds to this many decimal places.
#[must_use]
pub fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[derive(Clone, Copy)]
    struct Named(&'static str);

    impl Case for Named {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    fn options(smoke: bool, case: Option<&str>) -> Options {
        Options { json: true, smoke, case: case.map(str::to_owned) }
    }

    #[test]
    fn void_rounds_are_made_up_for() {
        let results = options(false, None).measure(
            [Named("good"), Named("bad"), Named("hopeless")],
            |case, number| match case.0 {
                "hopeless" => bail!("void"),
                "bad" if number < 2 * ROUNDS => bail!("void"),
                _ => Ok(number),
            },
            u32::to_string,
        );
        let done: Vec<usize> = results.cases.iter().map(|(_, done)| done.len()).collect();
        assert_eq!(done, [7, 7, 0]);
        let printed = Cell::new(0);
        let value = |_: &Named, _: &[u32]| {
            printed.set(printed.get() + 1);
            serde_json::json!({})
        };
        assert!(results.print("test", value).is_err());
        assert_eq!(printed.get(), 2);
    }

    #[test]
    fn measures_the_wanted_case_only() {
        let results = options(true, Some("b")).measure([Named("a"), Named("b")], |_, _| Ok(()), |()| String::new());
        let names: Vec<_> = results.cases.iter().map(|(case, done)| (case.0, done.len())).collect();
        assert_eq!(names, [("b", 1)]);
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(median(&[3, 100, 1], |value| f64::from(*value)), 3.0);
        assert!(median::<f64>(&[], |value| *value).is_nan());
        assert_eq!(rounded(0.954_6, 3), 0.955);
    }
}

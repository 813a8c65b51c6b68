//! `cargo xtask test`: the only definition of green, here and in CI.

mod delivery;
mod repetitions;
mod steps;
mod tally;
mod terraform;

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::build::{self, EVERYTHING_NATIVE, Flavour, Part};
use crate::progress::{self, Line};
use crate::setup::{self, Tools};
use crate::signals::Interrupted;
use crate::workspace::Workspace;
use repetitions::Repetitions;
use steps::{STEPS, Step};
use tally::Tally;

/// A command that takes longer counts as hung.
const COMMAND_LIMIT: Duration = Duration::from_secs(30 * 60);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only these steps, in their usual order
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// List the steps, and run none
    #[arg(long)]
    list: bool,
}

/// A run of the steps, and its results so far.
pub(crate) struct Run<'a> {
    workspace: &'a Workspace,
    tools: &'a Tools,
    tally: Tally,
    /// Compile time of all steps so far.
    built: Duration,
    repetitions: Repetitions,
}

struct Outcome {
    name: &'static str,
    took: Option<Took>,
    failed: bool,
}

/// A step's time by activity.
struct Took {
    all: Duration,
    building: Duration,
}

/// Runs the steps until one fails; ends with the line that CI reads.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let chosen = choose(&options.only)?;
    if options.list {
        for step in chosen {
            println!("  {:<10} {}", step.name, step.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!("setup");
    let tools = setup::for_build(workspace)?;
    let mut run = Run {
        workspace,
        tools: &tools,
        tally: Tally::default(),
        built: Duration::ZERO,
        repetitions: Repetitions::default(),
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for step in chosen {
        let broken = outcomes.iter().any(|outcome| outcome.failed);
        outcomes.push(if broken { Outcome::not_run(step) } else { run.step(step)? });
    }
    summarise(&outcomes, &run);
    Ok(if run.tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Outcome {
    fn not_run(step: &Step) -> Self {
        Self { name: step.name, took: None, failed: false }
    }
}

impl Run<'_> {
    /// Runs one step. A failure is counted and printed; only Ctrl-C is an error.
    fn step(&mut self, step: &Step) -> Result<Outcome> {
        println!("{}", step.name);
        let (started, built_before) = (Instant::now(), self.built);
        let failed_before = self.tally.failed;
        let mut failed = false;
        if let Err(error) = (step.run)(self) {
            if error.is::<Interrupted>() {
                return Err(error);
            }
            failed = true;
            println!("    {error:#}");
            // A build that failed before its tests is a failure too.
            self.tally.failed = self.tally.failed.max(failed_before + 1);
        }
        Ok(Outcome {
            name: step.name,
            took: Some(Took { all: started.elapsed(), building: self.built - built_before }),
            failed,
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.tools.cargo();
        command.args(arguments);
        command
    }

    /// Tests of the workspace, selected by these filters.
    fn tests(&self, filters: &[&str]) -> Command {
        self.cargo(&[&["test"], EVERYTHING_NATIVE, filters].concat())
    }

    /// Builds everything that runs on a developer's machine.
    fn stack(&mut self) -> Result<()> {
        self.building(|run| build::stack(run.workspace, run.tools))
    }

    fn part(&mut self, part: Part, flavour: Flavour) -> Result<()> {
        self.building(|run| build::build(run.workspace, run.tools, part, flavour))
    }

    fn building(&mut self, build: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let started = Instant::now();
        let outcome = build(self);
        self.built += started.elapsed();
        outcome
    }

    fn npm(&self, arguments: &[&str]) -> Command {
        let mut command = self.tools.command("npm");
        command.args(arguments).env("NO_COLOR", "1");
        command
    }

    /// Runs a command and counts its tests.
    fn command(&mut self, name: &str, command: Command) -> Result<()> {
        let (outcome, log) = self.logged(name, command)?;
        self.tally = self.tally.plus(Tally::of(&log, outcome.is_ok()));
        outcome
    }

    /// Runs tests of real programs on real time, by cargo. Those that fail run once more if they are few, because a
    /// machine that is busy for a moment is no defect; the summary names those that pass then.
    fn real_tests(&mut self, name: &str, filters: &[&str], options: &[&str]) -> Result<()> {
        let command = |run: &Self, options: &[&str]| run.tests(&[filters, &["--no-fail-fast", "--"], options].concat());
        let (outcome, log) = self.logged(name, command(self, options))?;
        let failed = tally::failed_tests(&log);
        let first = Tally::of(&log, outcome.is_ok());
        if !self.repetitions.allow(failed.len()) {
            self.tally = self.tally.plus(first);
            return outcome;
        }
        self.tally.passed += first.passed;
        let names: Vec<&str> = failed.iter().map(String::as_str).collect();
        self.once_more(name, &names, command(self, &[options, &["--exact"], &names].concat()))
    }

    /// Like [`Self::real_tests`], by node: `script` is one of `package.json`, which takes the file of passed tests from `PASSED_TESTS`.
    fn real_script(&mut self, name: &str, script: impl Fn(&Self) -> Command) -> Result<()> {
        let passed = progress::log_path(self.workspace, name)?.with_extension("passed.json");
        if passed.exists() {
            fs::remove_file(&passed)?;
        }
        let command = |run: &Self| {
            let mut command = script(run);
            command.env("PASSED_TESTS", &passed);
            command
        };
        let (outcome, log) = self.logged(name, command(self))?;
        let failed = tally::failed_tests(&log);
        if !self.repetitions.allow(failed.len()) {
            self.tally = self.tally.plus(Tally::of(&log, outcome.is_ok()));
            return outcome;
        }
        // It counts the tests that passed before, too.
        let names: Vec<&str> = failed.iter().map(String::as_str).collect();
        self.once_more(name, &names, command(self))
    }

    /// Like [`Self::real_tests`], for a program that is one test.
    fn real_program(&mut self, name: &str, program: impl Fn(&Self) -> Command) -> Result<()> {
        let (outcome, log) = self.logged(name, program(self))?;
        if outcome.is_ok() || !self.repetitions.allow(1) {
            self.tally = self.tally.plus(Tally::of(&log, outcome.is_ok()));
            return outcome;
        }
        self.once_more(name, &[name], program(self))
    }

    fn once_more(&mut self, name: &str, failed: &[&str], command: Command) -> Result<()> {
        self.command(&format!("{name}, once more"), command)?;
        self.repetitions.have_passed(name, failed);
        Ok(())
    }

    /// Runs a command; an error of the outer result ends the whole run.
    fn logged(&mut self, name: &str, mut command: Command) -> Result<(Result<()>, String)> {
        let outcome = progress::run_within(self.workspace, name, &mut command, COMMAND_LIMIT, Tally::note);
        if outcome.as_ref().is_err_and(|error| error.is::<Interrupted>()) {
            return outcome.map(|()| (Ok(()), String::new()));
        }
        let log = fs::read(progress::log_path(self.workspace, name)?).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        self.built += tally::compiled(&log);
        Ok((outcome, log))
    }

    /// Runs an internal check, which prints its findings.
    fn check(&mut self, name: &str, check: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let line = Line::start(name);
        let outcome = check(self);
        if outcome.is_ok() {
            line.done("");
        } else {
            line.failed();
        }
        self.tally = self.tally.plus(Tally::of("", outcome.is_ok()));
        outcome
    }
}

fn choose(only: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = only.iter().find(|name| !STEPS.iter().any(|step| step.name == name.as_str())) {
        bail!("there is no step {unknown}; `cargo xtask test --list` lists them");
    }
    Ok(STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)).collect())
}

fn summarise(outcomes: &[Outcome], run: &Run<'_>) {
    println!("\nsummary");
    for Outcome { name, took, failed } in outcomes {
        match took {
            Some(Took { all, building }) => {
                let mark = if *failed { '✗' } else { '✓' };
                let (all, building) = (all.as_secs_f64(), building.as_secs_f64());
                println!("  {mark} {name:<10} {all:>7.1} s, {building:>7.1} s of it compiling");
            }
            None => println!("  - {name:<10} not run"),
        }
    }
    println!("{}", run.repetitions.summary(run.tally));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_choice(only: &[&str], expected: &[&str]) {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let names: Vec<_> = choose(&only).expect("known steps").iter().map(|step| step.name).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn steps_run_in_their_usual_order() {
        check_choice(&["world", "tidy"], &["tidy", "world"]);
        check_choice(&[], &STEPS.iter().map(|step| step.name).collect::<Vec<_>>());
    }

    #[test]
    fn an_unknown_step_is_told() {
        let error = choose(&["wrold".to_owned()]).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("wrold"), "{error}");
    }
}

//! Parallel tasks: each task is a few commands, started when its dependencies are done. One line at the bottom of the
//! screen shows the current and remaining work, and a time estimate.

mod forecast;

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::lock::Lock;
use crate::process::{POLL, Running};
use crate::progress::{self, Status};
use crate::signals;
use crate::workspace::Workspace;
use forecast::{Forecast, Share};

/// Something to build or install.
pub(crate) struct Task<'a> {
    /// On the screen, and in the name of its log.
    pub(crate) name: &'static str,
    /// Names of its dependencies; one that is not in the same list counts as done.
    pub(crate) after: &'static [&'static str],
    /// CPU seconds if nothing of it exists yet.
    pub(crate) cost_s: u32,
    /// Called once the dependencies are done.
    pub(crate) prepare: Box<dyn FnOnce() -> Result<Work<'a>> + 'a>,
}

pub(crate) enum Work<'a> {
    /// Its inputs are unchanged since the last time.
    Unchanged,
    /// These commands in order, followed by `finish`.
    Commands(VecDeque<Command>, Finish<'a>),
}

/// The last part of a task, which starts no program.
pub(crate) type Finish<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

impl<'a> Work<'a> {
    /// One command without a final part.
    pub(crate) fn command(command: Command) -> Self {
        Self::Commands(VecDeque::from([command]), Box::new(|| Ok(())))
    }
}

pub(crate) struct Tasks<'a> {
    workspace: &'a Workspace,
    states: Vec<(Share, State<'a>)>,
    forecast: Forecast,
    status: Status,
}

enum State<'a> {
    Waiting(Task<'a>),
    Running(Job<'a>),
    Done,
}

struct Job<'a> {
    name: &'static str,
    started: Instant,
    running: Running,
    log: PathBuf,
    rest: VecDeque<Command>,
    finish: Finish<'a>,
    /// Held to the end, so that two xtasks do not do the same work at once.
    _lock: Lock,
}

impl<'a> Tasks<'a> {
    /// Starts nothing yet.
    pub(crate) fn new(workspace: &'a Workspace, tasks: Vec<Task<'a>>) -> Self {
        let states = tasks.into_iter().map(|task| (Share::waiting(task.name, task.cost_s), State::Waiting(task)));
        Self { workspace, states: states.collect(), forecast: Forecast::start(), status: Status::default() }
    }

    pub(crate) fn run(mut self) -> Result<()> {
        while !self.poll()? {
            signals::check()?;
            sleep(POLL);
        }
        Ok(())
    }

    /// Starts tasks whose dependencies are done, and completes ended ones. True once everything is done.
    pub(crate) fn poll(&mut self) -> Result<bool> {
        for index in 0..self.states.len() {
            let outcome = self.advance(index);
            if outcome.is_err() {
                self.status.clear();
            }
            outcome?;
        }
        let is_done = self.states.iter().all(|(_, state)| matches!(state, State::Done));
        if is_done {
            self.status.clear();
        } else {
            let (forecast, shares) = (&self.forecast, self.states.iter().map(|(share, _)| share));
            self.status.show(|| forecast.line(shares));
        }
        Ok(is_done)
    }

    fn advance(&mut self, index: usize) -> Result<()> {
        let Some((_, state)) = self.states.get_mut(index) else { return Ok(()) };
        match std::mem::replace(state, State::Done) {
            State::Waiting(task) => {
                let next = self.begin(task)?;
                self.set(index, next);
            }
            State::Running(job) => {
                let next = self.follow(job, index)?;
                self.set(index, next);
            }
            State::Done => {}
        }
        Ok(())
    }

    fn set(&mut self, index: usize, next: State<'a>) {
        if let Some((share, state)) = self.states.get_mut(index) {
            match next {
                State::Running(_) => share.begin(),
                State::Done => share.end(),
                State::Waiting(_) => {}
            }
            *state = next;
        }
    }

    fn begin(&mut self, task: Task<'a>) -> Result<State<'a>> {
        let is_open =
            |(share, state): &(Share, State<'_>)| task.after.contains(&share.name()) && !matches!(state, State::Done);
        if self.states.iter().any(is_open) {
            return Ok(State::Waiting(task));
        }
        let Some(lock) = Lock::try_take(self.workspace, task.name)? else { return Ok(State::Waiting(task)) };
        let name = task.name;
        match (task.prepare)().with_context(|| format!("preparing {name}"))? {
            Work::Unchanged => {
                self.status.clear();
                progress::skip(name, "unchanged");
                Ok(State::Done)
            }
            Work::Commands(mut rest, finish) => {
                let log = progress::log_path(self.workspace, name)?;
                let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
                let mut first = rest.pop_front().with_context(|| format!("{name} has nothing to run"))?;
                let running = Running::start(&mut first, file)?;
                self.status.announce(name);
                Ok(State::Running(Job { name, started: Instant::now(), running, log, rest, finish, _lock: lock }))
            }
        }
    }

    fn follow(&mut self, mut job: Job<'a>, index: usize) -> Result<State<'a>> {
        let Some(status) = job.running.poll()? else {
            if let Some((share, _)) = self.states.get_mut(index)
                && self.status.is_due()
            {
                share.read(&job.log);
            }
            return Ok(State::Running(job));
        };
        if !status.success() {
            self.status.clear();
            progress::report('✗', job.name, job.started.elapsed(), "");
            progress::print_tail(&job.log);
            bail!("{} failed ({status}); its output is in {}", job.name, self.workspace.relative(&job.log));
        }
        if let Some(mut next) = job.rest.pop_front() {
            let log = File::options().append(true).open(&job.log).context("continuing a log")?;
            job.running = Running::start(&mut next, log)?;
            return Ok(State::Running(job));
        }
        let Job { name, started, log, finish, .. } = job;
        finish().with_context(|| format!("finishing {name}"))?;
        progress::strip_redraws(&log)?;
        self.status.clear();
        progress::report('✓', name, started.elapsed(), "");
        Ok(State::Done)
    }
}

impl Drop for Tasks<'_> {
    /// Later output starts on a new line.
    fn drop(&mut self) {
        self.status.clear();
    }
}

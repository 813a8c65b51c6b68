//! One line per step: what runs, for how long, and the last thing it said; on failure, the end of its log.

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Running;
use crate::signals::Interrupted;
use crate::workspace::Workspace;

/// How much of a log a failure shows.
const TAIL_LINES: usize = 40;

/// How often a step that writes to a file or a pipe says that it is alive.
const REMINDER: Duration = Duration::from_secs(30);

/// How often a step redraws its line on a terminal.
const REDRAW: Duration = Duration::from_millis(200);

/// Nothing that is installed or built takes longer, even on a slow machine.
const STEP_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs `command` as the step `name`; a quiet success leaves one line and a log.
pub(crate) fn run(workspace: &Workspace, name: &str, command: &mut Command) -> Result<()> {
    run_within(workspace, name, command, STEP_LIMIT, |_| String::new())
}

/// The same, with a bound of its own; `note` reads what the command said and puts it short.
pub(crate) fn run_within(
    workspace: &Workspace,
    name: &str,
    command: &mut Command,
    limit: Duration,
    note: impl FnOnce(&str) -> String,
) -> Result<()> {
    let mut line = Line::start(name);
    let log = log_path(workspace, name)?;
    let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let status = Running::start(command, file).and_then(|mut running| running.wait(limit, || line.tick(&log)));
    match status {
        Ok(Some(status)) if status.success() => {
            line.done(&note(&String::from_utf8_lossy(&fs::read(&log).unwrap_or_default())));
            Ok(())
        }
        Ok(ended) => {
            line.failed();
            print_tail(&log);
            let how = ended.map_or_else(|| format!("still ran after {limit:?}"), |status| status.to_string());
            bail!("{name} failed ({how}); all it said is in {}", workspace.relative(&log))
        }
        Err(error) => {
            if error.is::<Interrupted>() {
                line.stopped();
            } else {
                line.failed();
            }
            Err(error)
        }
    }
}

/// Says that `name` needed nothing.
pub(crate) fn skip(name: &str, why: &str) {
    println!("  · {name:<28} {why}");
}

/// Where the step `name` writes.
pub(crate) fn log_path(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let folder = workspace.logs();
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder.join(format!("{}.log", file_name(name))))
}

/// A step's name as the name of a file.
pub(crate) fn file_name(step: &str) -> String {
    let words = step.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

/// Prints the end of a log, indented.
pub(crate) fn print_tail(log: &Path) {
    let text = read_end(log, 64 * 1024);
    let lines: Vec<&str> = text.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)) {
        println!("    | {line}");
    }
}

/// One step's line on the screen.
pub(crate) struct Line {
    name: String,
    started: Instant,
    shown: Instant,
    live: bool,
}

impl Line {
    /// Shows that `name` has begun.
    pub(crate) fn start(name: &str) -> Self {
        let now = Instant::now();
        let line = Self { name: name.to_owned(), started: now, shown: now, live: std::io::stdout().is_terminal() };
        if line.live {
            line.draw("…", "");
        } else {
            println!("  … {name}");
        }
        line
    }

    /// Shows the time passed, and the last line of `log`.
    pub(crate) fn tick(&mut self, log: &Path) {
        if self.shown.elapsed() < if self.live { REDRAW } else { REMINDER } {
            return;
        }
        self.shown = Instant::now();
        let text = read_end(log, 2048);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let last: String = last.chars().filter(|c| !c.is_control()).take(60).collect();
        if self.live {
            self.draw("…", &last);
        } else {
            println!("{}", self.text("…", &last));
        }
    }

    /// The step succeeded.
    pub(crate) fn done(self, note: &str) {
        self.end("✓", note);
    }

    /// The step failed.
    pub(crate) fn failed(self) {
        self.end("✗", "");
    }

    /// The developer ended it.
    pub(crate) fn stopped(self) {
        self.end("■", "");
    }

    fn end(&self, mark: &str, note: &str) {
        if self.live {
            self.draw(mark, note);
            println!();
        } else {
            println!("{}", self.text(mark, note));
        }
    }

    /// Redraws the line in place, which only works while it is one line.
    fn draw(&self, mark: &str, note: &str) {
        let text: String = self.text(mark, note).chars().take(terminal_columns().saturating_sub(1)).collect();
        print!("\r\x1b[2K{text}");
        let _ = std::io::stdout().flush();
    }

    fn text(&self, mark: &str, note: &str) -> String {
        let line = format!("  {mark} {:<28} {:>6.1} s  {note}", self.name, self.started.elapsed().as_secs_f64());
        line.trim_end().to_owned()
    }
}

fn terminal_columns() -> usize {
    const USUAL: usize = 80;
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `size` is a valid place for what TIOCGWINSZ writes (ioctl_tty(2)).
    let told = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0;
    if told && size.ws_col > 0 { usize::from(size.ws_col) } else { USUAL }
}

/// The last `bytes` of a file, as text.
fn read_end(path: &Path, bytes: i64) -> String {
    let mut end = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file.seek(SeekFrom::End(-bytes)); // A shorter file fails here and is read from its start.
        let _ = file.read_to_end(&mut end);
    }
    String::from_utf8_lossy(&end).into_owned()
}

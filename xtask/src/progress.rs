//! Progress output: one line per step with its duration and latest output; on failure, the end of its log. Parallel
//! work shares one line at the bottom.

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::Running;
use crate::signals::Interrupted;
use crate::workspace::Workspace;

/// Lines of the log shown after a failure.
const TAIL_LINES: usize = 40;

/// Interval at which a step without a terminal reports that it is alive.
const REMINDER: Duration = Duration::from_secs(30);

/// Interval at which a step redraws its line on a terminal.
const REDRAW: Duration = Duration::from_millis(200);

/// No installation or build takes longer, even on a slow machine.
const STEP_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Runs `command` as the step `name`; a quiet success leaves one line and a log.
pub(crate) fn run(workspace: &Workspace, name: &str, command: &mut Command) -> Result<()> {
    run_within(workspace, name, command, STEP_LIMIT, |_| String::new())
}

/// Like [`run`], with a separate limit; `note` summarises the command's output.
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
            let how = ended.map_or_else(|| format!("still running after {limit:?}"), |status| status.to_string());
            bail!("{name} failed ({how}); its output is in {}", workspace.relative(&log))
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

/// Reports that `name` had nothing to do.
pub(crate) fn skip(name: &str, why: &str) {
    println!("  · {name:<28} {why}");
}

/// Reports the result of `name`.
pub(crate) fn report(mark: char, name: &str, took: Duration, note: &str) {
    println!("{}", step_text(mark, name, took, note));
}

fn step_text(mark: char, name: &str, took: Duration, note: &str) -> String {
    let line = format!("  {mark} {name:<28} {:>6.1} s  {note}", took.as_secs_f64());
    line.trim_end().to_owned()
}

/// The log of the step `name`.
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
    let lines: Vec<&str> = text.lines().map(last_drawn).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)) {
        println!("    | {line}");
    }
}

/// Removes overdrawn progress lines of cargo from a log.
pub(crate) fn strip_redraws(log: &Path) -> Result<()> {
    let text = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(last_drawn).collect();
    fs::write(log, lines.join("\n") + "\n").with_context(|| format!("writing {}", log.display()))
}

/// The visible rest of a line on a terminal: text before a carriage return is overwritten.
fn last_drawn(line: &str) -> &str {
    let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    last.trim_start_matches("\x1b[K")
}

/// The line at the bottom of the screen that shows all work in progress.
#[derive(Default)]
pub(crate) struct Status {
    shown: Option<Instant>,
    drawn: bool,
}

impl Status {
    /// True if it is time for the next update.
    pub(crate) fn is_due(&self) -> bool {
        let every = if std::io::stdout().is_terminal() { REDRAW } else { REMINDER };
        self.shown.is_none_or(|shown| shown.elapsed() >= every)
    }

    /// Shows the result of `line` at intervals.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.is_due() {
            return;
        }
        self.shown = Some(Instant::now());
        let line = format!("  … {}", line());
        if std::io::stdout().is_terminal() {
            draw_over(&line);
            self.drawn = true;
        } else {
            println!("{line}");
        }
    }

    /// Reports the start of a task if lines cannot be redrawn.
    pub(crate) fn announce(&self, name: &str) {
        if !std::io::stdout().is_terminal() {
            println!("  … {name}");
        }
    }

    /// Makes room for a permanent line.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            draw_over("");
            self.shown = None;
        }
    }
}

/// Overwrites the last line, which works only while it is a single line.
fn draw_over(text: &str) {
    let text: String = text.chars().take(terminal_columns().saturating_sub(1)).collect();
    print!("\r\x1b[2K{text}");
    let _ = std::io::stdout().flush();
}

/// One step's line on the screen.
pub(crate) struct Line {
    name: String,
    started: Instant,
    shown: Instant,
    live: bool,
}

impl Line {
    /// Shows that `name` has started.
    pub(crate) fn start(name: &str) -> Self {
        let now = Instant::now();
        let line = Self { name: name.to_owned(), started: now, shown: now, live: std::io::stdout().is_terminal() };
        if line.live {
            draw_over(&line.text('…', ""));
        } else {
            println!("  … {name}");
        }
        line
    }

    /// Shows the elapsed time, and the last line of `log`.
    pub(crate) fn tick(&mut self, log: &Path) {
        if self.shown.elapsed() < if self.live { REDRAW } else { REMINDER } {
            return;
        }
        self.shown = Instant::now();
        let text = read_end(log, 2048);
        let last = text.lines().rev().map(last_drawn).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let last: String = last.chars().filter(|c| !c.is_control()).take(60).collect();
        if self.live {
            draw_over(&self.text('…', &last));
        } else {
            println!("{}", self.text('…', &last));
        }
    }

    pub(crate) fn done(self, note: &str) {
        self.end('✓', note);
    }

    pub(crate) fn failed(self) {
        self.end('✗', "");
    }

    /// The developer ended the step.
    pub(crate) fn stopped(self) {
        self.end('■', "");
    }

    fn end(&self, mark: char, note: &str) {
        if self.live {
            draw_over(&self.text(mark, note));
            println!();
        } else {
            println!("{}", self.text(mark, note));
        }
    }

    fn text(&self, mark: char, note: &str) -> String {
        step_text(mark, &self.name, self.started.elapsed(), note)
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
pub(crate) fn read_end(path: &Path, bytes: i64) -> String {
    let mut end = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file.seek(SeekFrom::End(-bytes)); // A shorter file fails here and is read from its start.
        let _ = file.read_to_end(&mut end);
    }
    String::from_utf8_lossy(&end).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_over_is_gone_from_a_log() {
        let log = std::env::temp_dir().join(format!("rotunda-redraws-{}", std::process::id()));
        let drawn =
            "    Building [=>  ] 1/3: a\r\x1b[K   Compiling a\n    Building [==> ] 2/3: b\r\x1b[K    Finished\n";
        fs::write(&log, drawn).expect("a file");
        strip_redraws(&log).expect("to read and write it");
        assert_eq!(fs::read_to_string(&log).expect("the file"), "   Compiling a\n    Finished\n");
        fs::remove_file(&log).expect("the file to go");
    }
}

//! The running parts of `dev`: starts and watches them, and prints them as a table.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::health;
use super::recipe::Recipe;
use crate::process::Running;
use crate::progress::{self, Line};
use crate::signals;

/// Time for a part to become healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// Interval of health checks.
const ASK_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Stack {
    parts: Vec<Part>,
    /// Name and note of the parts that are still being built.
    coming: Vec<(String, String)>,
    logs: PathBuf,
    api: ApiKey,
}

pub(crate) struct ApiKey {
    /// `id:secret`.
    pub(crate) key: String,
    /// The file that contains it.
    pub(crate) file: PathBuf,
}

struct Part {
    name: String,
    running: Running,
    log: PathBuf,
    http_port: u16,
    ready: (&'static str, u16),
    note: String,
}

impl Stack {
    /// Starts the parts in the order of their recipes; `coming` are for [`Self::add`].
    pub(crate) fn start(recipes: Vec<Recipe>, coming: &[Recipe], state: &Path, api: ApiKey) -> Result<Self> {
        let logs = state.join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let parts = recipes.into_iter().map(|recipe| Part::start(recipe, &logs)).collect::<Result<_>>()?;
        let coming = coming.iter().map(|recipe| (recipe.name.clone(), recipe.note.clone())).collect();
        Ok(Self { parts, coming, logs, api })
    }

    /// Starts later parts, waits until they are healthy, and returns their rows of the table.
    pub(crate) fn add(&mut self, recipes: Vec<Recipe>) -> Result<String> {
        let before = self.parts.len();
        for recipe in recipes {
            self.parts.push(Part::start(recipe, &self.logs)?);
        }
        self.coming.clear();
        self.wait_until_healthy(before)?;
        Ok(format_rows(&self.rows(before)))
    }

    /// Waits until every part from `first` on is healthy.
    pub(crate) fn wait_until_healthy(&mut self, first: usize) -> Result<()> {
        let asked = self.parts.iter().skip(first);
        let asked: Vec<_> = asked.map(|part| (part.name.clone(), part.http_port, part.ready)).collect();
        for (name, port, ready) in asked {
            let line = Line::start(&format!("start {name}"));
            match self.wait_for(&name, port, ready) {
                Ok(()) => line.done(""),
                Err(error) => {
                    line.failed();
                    self.show_log(&name);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, name: &str, port: u16, (path, status): (&str, u16)) -> Result<()> {
        let deadline = Instant::now() + HEALTHY_WITHIN;
        while health::status(port, path) != Some(status) {
            signals::check()?;
            self.check()?;
            if Instant::now() > deadline {
                bail!("{name} did not become healthy");
            }
            sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Fails if one of the parts has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for part in &mut self.parts {
            if let Some(status) = part.running.poll()? {
                println!("\n  ✗ {} exited ({status}); its last lines:", part.name);
                progress::print_tail(&part.log);
                bail!("{} exited unexpectedly; its output is in {}", part.name, part.log.display());
            }
        }
        Ok(())
    }

    fn show_log(&self, name: &str) {
        if let Some(part) = self.parts.iter().find(|part| part.name == name) {
            progress::print_tail(&part.log);
        }
    }

    /// The table for a developer.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![("meet", self.url(), "open it in two windows".to_owned())];
        rows.extend(self.rows(0));
        let here = std::env::current_dir().unwrap_or_default();
        let near = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
        // The key itself would stay in the terminal's history.
        let key = format!("the key is API_KEYS of {}", near(&self.api.file));
        rows.push(("api", format!("{}/v1/openapi.json", self.url()), key));
        rows.push(("logs", format!("{}/dev-*.log", near(&self.logs)), String::new()));
        let coming =
            self.coming.iter().map(|(name, note)| (name.as_str(), "still being built".to_owned(), note.clone()));
        rows.extend(coming);
        format!("\n{}\n\n  Ctrl-C ends everything\n", format_rows(&rows))
    }

    fn rows(&self, first: usize) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for part in self.parts.iter().skip(first) {
            rows.push((part.name.as_str(), part.url(part.ready.0), part.note.clone()));
            if part.ready.0 == "/readyz" {
                rows.push(("", part.url("/metrics"), String::new()));
            }
        }
        rows
    }

    /// The table for a program that started this one.
    pub(crate) fn json(&self) -> Value {
        let part = |part: &Part| json!({ "name": part.name, "pid": part.running.pid(), "url": part.url("") });
        json!({ "url": self.url(), "api_key": self.api.key, "parts": self.parts.iter().map(part).collect::<Vec<_>>() })
    }

    /// The meet app's address: the Worker serves it.
    fn url(&self) -> String {
        self.parts.first().map(|part| part.url("")).unwrap_or_default()
    }
}

impl Part {
    fn start(mut recipe: Recipe, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("dev-{}.log", recipe.name));
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let running = Running::start(&mut recipe.command, file)?;
        let Recipe { name, http_port, ready_path, ready_status, note, .. } = recipe;
        Ok(Self { name, running, log, http_port, ready: (ready_path, ready_status), note })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }
}

type Row<'a> = (&'a str, String, String);

fn format_rows(rows: &[Row<'_>]) -> String {
    let names = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    let urls = rows.iter().map(|row| row.1.len()).max().unwrap_or_default();
    let line = |(name, url, note): &Row<'_>| format!("  {name:<names$}  {url:<urls$}  {note}").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::format_rows;

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let row = |name, url: &str, note: &str| (name, url.to_owned(), note.to_owned());
        let rows = [row("meet", "http://a", ""), row("", "http://abc", "udp")];
        assert_eq!(format_rows(&rows), "  meet  http://a\n        http://abc  udp");
    }
}

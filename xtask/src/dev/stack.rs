//! Everything that `dev` runs: started together, watched, told about in one table.

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

/// How long a part may take to become healthy.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// How often a part is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Everything that runs.
pub(crate) struct Stack {
    parts: Vec<Part>,
    logs: PathBuf,
    api: ApiKey,
}

/// What the HTTP API is called with.
pub(crate) struct ApiKey {
    /// `id:secret`.
    pub(crate) key: String,
    /// The file in which it is.
    pub(crate) file: PathBuf,
}

/// One program of the stack.
struct Part {
    name: String,
    running: Running,
    log: PathBuf,
    http_port: u16,
    ready: (&'static str, u16),
    note: String,
}

impl Stack {
    /// Starts the parts in the order of their recipes.
    pub(crate) fn start(recipes: Vec<Recipe>, state: &Path, api: ApiKey) -> Result<Self> {
        let logs = state.join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let parts = recipes.into_iter().map(|recipe| Part::start(recipe, &logs)).collect::<Result<_>>()?;
        Ok(Self { parts, logs, api })
    }

    /// Waits until every part says that it can serve.
    pub(crate) fn wait_until_healthy(&mut self) -> Result<()> {
        let asked: Vec<_> = self.parts.iter().map(|part| (part.name.clone(), part.http_port, part.ready)).collect();
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
                bail!("{name} does not become healthy");
            }
            sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Fails as soon as one of the parts has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for part in &mut self.parts {
            if let Some(status) = part.running.poll()? {
                println!("\n  ✗ {} has ended ({status}); its last lines:", part.name);
                progress::print_tail(&part.log);
                bail!("{} has ended by itself; all it said is in {}", part.name, part.log.display());
            }
        }
        Ok(())
    }

    fn show_log(&self, name: &str) {
        if let Some(part) = self.parts.iter().find(|part| part.name == name) {
            progress::print_tail(&part.log);
        }
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![("meet", self.url(), "open it in two windows")];
        for part in &self.parts {
            rows.push((&part.name, part.url(part.ready.0), &part.note));
            if part.ready.0 == "/readyz" {
                rows.push(("", part.url("/metrics"), ""));
            }
        }
        let here = std::env::current_dir().unwrap_or_default();
        let near = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
        // The key itself would stay in the terminal's history.
        let key = format!("the key is API_KEYS of {}", near(&self.api.file));
        rows.push(("api", format!("{}/v1/openapi.json", self.url()), &key));
        rows.push(("logs", format!("{}/dev-*.log", near(&self.logs)), ""));
        format_table(&rows)
    }

    /// For programs.
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

fn format_table(rows: &[(&str, String, &str)]) -> String {
    let names = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    let urls = rows.iter().map(|row| row.1.len()).max().unwrap_or_default();
    let line = |(name, url, note): &(&str, String, &str)| {
        format!("  {name:<names$}  {url:<urls$}  {note}").trim_end().to_owned()
    };
    format!("\n{}\n\n  Ctrl-C ends everything\n", rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::format_table;

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let rows = [("meet", "http://a".to_owned(), ""), ("", "http://abc".to_owned(), "udp")];
        assert_eq!(format_table(&rows), "\n  meet  http://a\n        http://abc  udp\n\n  Ctrl-C ends everything\n");
    }
}

//! Counters in Prometheus's text format.

use std::fmt::Write;

/// One metric: its name, help text and type, and how to read its value from a shard's report.
#[derive(Debug)]
pub struct Metric<R> {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&R) -> u64,
}

/// A metric that only grows.
pub const fn counter<R>(name: &'static str, help: &'static str, value: fn(&R) -> u64) -> Metric<R> {
    Metric { name, help, kind: "counter", value }
}

/// A metric that can fall.
pub const fn gauge<R>(name: &'static str, help: &'static str, value: fn(&R) -> u64) -> Metric<R> {
    Metric { name, help, kind: "gauge", value }
}

/// The text of the page, under construction.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Adds metrics, one line for each of the numbered shards.
    pub fn shards<R>(&mut self, metrics: &[Metric<R>], reports: &[(u16, R)]) {
        for metric in metrics {
            self.head(metric.name, metric.help, metric.kind);
            for (shard, report) in reports {
                self.line(metric.name, &format!("shard=\"{shard}\""), (metric.value)(report));
            }
        }
    }

    /// Begins a metric.
    pub fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Adds one of its values.
    pub fn line(&mut self, name: &str, labels: &str, value: u64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Adds a metric of the whole node.
    pub fn single(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.line(name, "", value);
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

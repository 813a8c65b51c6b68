//! Counters in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// One metric: its name, help text and type, and how to read its value from a shard's report.
#[derive(Debug)]
pub struct Metric<R> {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    value: fn(&R) -> u64,
}

pub const fn counter<R>(name: &'static str, help: &'static str, value: fn(&R) -> u64) -> Metric<R> {
    Metric { name, help, kind: "counter", value }
}

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

    /// Adds a counter with a line for each value of a label. Counts of the same value, of several shards, are added up:
    /// a line for each shard and value would be more series than a metric may have.
    pub fn labelled<L: Display + PartialEq>(
        &mut self,
        (name, help): (&str, &str),
        label: &str,
        counts: impl Iterator<Item = (L, u64)>,
    ) {
        self.head(name, help, "counter");
        let mut sums: Vec<(L, u64)> = Vec::new();
        for (value, count) in counts {
            match sums.iter_mut().find(|(known, _)| *known == value) {
                Some((_, sum)) => *sum += count,
                None => sums.push((value, count)),
            }
        }
        for (value, sum) in sums {
            self.line(name, &format!("{label}=\"{value}\""), sum);
        }
    }

    pub fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub fn line(&mut self, name: &str, labels: &str, value: u64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// Adds a metric with a single value for the whole node.
    pub fn single(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.line(name, "", value);
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// The number of series of the metric with the most, in a page's text. A histogram's lines are one metric.
#[must_use]
pub fn most_series(text: &str) -> usize {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        *counts.entry(name).or_default() += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_label_are_added_up_over_all_shards() {
        let mut text = Text::default();
        let counts = [("a", 1), ("b", 2), ("a", 10), ("b", 20)];
        text.labelled(("x_total", "X."), "reason", counts.into_iter());
        let text = text.finish();
        assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), ["x_total{reason=\"a\"} 11", "x_total{reason=\"b\"} 22"]);
        assert_eq!(most_series(&text), 2);
    }
}

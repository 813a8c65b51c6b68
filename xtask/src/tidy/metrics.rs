//! Checks that dashboards and docs name only metrics that the nodes have, and that each panel says what it shows.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Offence;

pub(super) const SOURCES: [&str; 2] = ["media-node/src/pages/metrics.rs", "turn-node/src/pages.rs"];

const DASHBOARDS: &str = "docs/dashboards/";
const PREFIXES: [&str; 2] = ["media_", "turn_"];
/// The series of a histogram.
const OF_HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Ends of names in prose that can only be metrics.
const IN_PROSE: [&str; 3] = ["_total", "_permille", "_bps"];

/// The metrics that a source defines.
pub(super) fn names(source: &str) -> BTreeSet<String> {
    source.split('"').skip(1).step_by(2).filter(|text| is_name(text)).map(str::to_owned).collect()
}

pub(super) fn check(file: &str, text: &str, known: &BTreeSet<String>) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut offend = |line, what| offences.push(Offence { file: file.to_owned(), line, what });
    let is_dashboard = file.starts_with(DASHBOARDS);
    if !is_dashboard && !file.ends_with(".md") {
        return offences;
    }
    for (index, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| is_name(word));
        let is_metric = |word: &&str| match is_dashboard {
            true => line.trim_start().starts_with("\"expr\"") || line.contains("label_values("),
            false => IN_PROSE.iter().any(|end| word.ends_with(end)),
        };
        for word in words.filter(is_metric).filter(|word| !exists(word, known)) {
            offend(index + 1, format!("no node has the metric {word}"));
        }
    }
    if is_dashboard {
        undescribed(text).into_iter().for_each(|what| offend(1, what));
    }
    offences
}

fn is_name(word: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    PREFIXES.iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix)) && word.chars().all(is_letter)
}

fn exists(word: &str, known: &BTreeSet<String>) -> bool {
    let of_histogram = || OF_HISTOGRAM.iter().filter_map(|end| word.strip_suffix(end));
    known.contains(word) || of_histogram().any(|name| known.contains(name))
}

fn undescribed(text: &str) -> Vec<String> {
    let dashboard: Value = match serde_json::from_str(text) {
        Ok(dashboard) => dashboard,
        Err(error) => return vec![format!("not JSON: {error}")],
    };
    let panels = dashboard.get("panels").and_then(Value::as_array).cloned().unwrap_or_default();
    if panels.is_empty() {
        return vec!["a dashboard without panels".to_owned()];
    }
    let is_missing =
        |panel: &Value, pointer: &str| panel.pointer(pointer).and_then(Value::as_str).is_none_or(str::is_empty);
    let lacking = |panel: &Value| {
        let wanted = ["/title", "/description", "/fieldConfig/defaults/unit", "/targets/0/expr"];
        let missing: Vec<&str> = wanted.into_iter().filter(|pointer| is_missing(panel, pointer)).collect();
        let id = panel.get("id").and_then(Value::as_u64).unwrap_or_default();
        (!missing.is_empty()).then(|| format!("panel {id} lacks {}", missing.join(", ")))
    };
    panels.iter().filter_map(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences(file: &str, text: &str) -> Vec<String> {
        let known = names(
            "gauge(\"media_sessions\", \"Open.\", …); \"turn_drops_total\" const NAME: &str = \"media_round_trip_ms\"",
        );
        check(file, text, &known).into_iter().map(|Offence { line, what, .. }| format!("{line}: {what}")).collect()
    }

    #[test]
    fn a_metric_that_no_node_has_is_an_offence() {
        let panel = |expr: &str| {
            format!(
                "{{ \"panels\": [{{ \"id\": 1, \"title\": \"t\", \"description\": \"d\",\n\"fieldConfig\": {{ \"defaults\": {{ \"unit\": \"s\" }} }},\n\"targets\": [{{\n\"expr\": \"{expr}\" }}] }}] }}"
            )
        };
        let file = "docs/dashboards/nodes.json";
        assert!(offences(file, &panel("sum(media_sessions) / rate(media_round_trip_ms_count[1m])")).is_empty());
        assert_eq!(offences(file, &panel("media_sesions")), ["4: no node has the metric media_sesions"]);
        assert_eq!(offences(file, &panel("media_sessions_bucket_sum")).len(), 1);
        assert_eq!(offences("docs/operations.md", "`turn_drops_total` and `media_drops_total{reason}`").len(), 1);
        assert!(offences("docs/operations.md", "`media_node_lost`").is_empty());
    }

    #[test]
    fn a_panel_says_what_it_shows_and_in_which_unit() {
        let file = "docs/dashboards/nodes.json";
        assert_eq!(
            offences(file, "{ \"panels\": [{ \"id\": 7, \"title\": \"t\" }] }"),
            ["1: panel 7 lacks /description, /fieldConfig/defaults/unit, /targets/0/expr"]
        );
        assert_eq!(offences(file, "{}"), ["1: a dashboard without panels"]);
        assert_eq!(offences(file, "{").len(), 1);
    }
}

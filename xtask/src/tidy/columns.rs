//! Checks that Markdown is wrapped, which keeps diffs small.

use super::Offence;

/// Widest line of prose; tables, code and lines with one unbreakable word, such as a link, may be wider.
const COLUMNS_MAX: usize = 100;

pub(crate) fn check(file: &str, text: &str) -> Vec<Offence> {
    if !file.ends_with(".md") {
        return Vec::new();
    }
    let mut offences = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        let columns = line.chars().count();
        if columns > COLUMNS_MAX && !in_code && !is_table(line) && can_break(line) {
            let what = format!("{columns} columns; at most {COLUMNS_MAX}");
            offences.push(Offence { file: file.to_owned(), line: index + 1, what });
        }
    }
    offences
}

fn is_table(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

/// True if the line has a second word; list and heading marks do not count.
fn can_break(line: &str) -> bool {
    let is_mark = |word: &&str| word.chars().all(|c| !c.is_alphanumeric());
    line.split_whitespace().skip_while(is_mark).nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_count(text: &str, expected: usize) {
        assert_eq!(check("docs/a.md", text).len(), expected, "{text}");
    }

    #[test]
    fn prose_is_wrapped() {
        check_count(&"word ".repeat(20), 0);
        check_count(&"word ".repeat(21), 1);
        check_count(&"ж ".repeat(50), 0);
        assert!(check("src/a.rs", &"word ".repeat(21)).is_empty());
    }

    #[test]
    fn tables_code_and_single_links_may_be_wide() {
        let wide = "word ".repeat(30);
        check_count(&format!("| {wide} |"), 0);
        check_count(&format!("```sh\n{wide}\n```\n{wide}"), 1);
        check_count(&format!("- [link](https://{})", "a".repeat(120)), 0);
    }
}

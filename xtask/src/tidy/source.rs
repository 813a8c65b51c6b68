//! Just enough of Rust's and TypeScript's lexers to find the beginning and end of functions.

/// The two families of languages that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// `.rs`
    Rust,
    /// `.ts`, `.tsx`, `.mjs`
    TypeScript,
}

/// A function and its lines, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) line: usize,
    /// Includes the signature and the closing brace.
    pub(crate) lines: usize,
}

impl Language {
    /// Determined by the file's extension.
    pub(crate) fn of(file: &str) -> Option<Self> {
        match file.rsplit_once('.')?.1 {
            "rs" => Some(Self::Rust),
            "ts" | "tsx" | "mjs" => Some(Self::TypeScript),
            _ => None,
        }
    }
}

/// `text` with comments and literals turned into spaces, so that all remaining braces are real.
pub(crate) fn blank(text: &str, language: Language) -> Vec<char> {
    blank_unless(text, language, |_| false)
}

/// `text` with literals turned into spaces; names and comments remain.
pub(crate) fn blank_literals(text: &str, language: Language) -> String {
    blank_unless(text, language, |literal| literal.starts_with(&['/', '/']) || literal.starts_with(&['/', '*']))
        .iter()
        .collect()
}

fn blank_unless(text: &str, language: Language, keeps: impl Fn(&[char]) -> bool) -> Vec<char> {
    let source: Vec<char> = text.chars().collect();
    let mut blanked = source.clone();
    let mut at = 0;
    while at < source.len() {
        let end = literal_end(&source, at, language);
        if keeps(&source[at..]) {
            at = end.max(at + 1);
            continue;
        }
        for place in blanked.iter_mut().take(end).skip(at).filter(|place| **place != '\n') {
            *place = ' ';
        }
        at = end.max(at + 1);
    }
    blanked
}

/// The end of the comment or literal that begins at `at`; `at` itself if there is none.
fn literal_end(source: &[char], at: usize, language: Language) -> usize {
    let next = source.get(at + 1).copied().unwrap_or('\n');
    match (source.get(at).copied().unwrap_or('\n'), language) {
        ('/', _) if next == '/' => find(source, at, |rest| rest.first() == Some(&'\n')),
        ('/', _) if next == '*' => find(source, at + 2, |rest| rest.starts_with(&['*', '/'])) + 2,
        ('"', Language::Rust) => quoted_end(source, at, '"', true),
        ('r', Language::Rust) if next == '"' || next == '#' => raw_end(source, at),
        ('\'', Language::Rust) => character_end(source, at),
        ('`', Language::TypeScript) => quoted_end(source, at, '`', true),
        // Text between JSX tags may contain an apostrophe; no such literal continues on the next line.
        (quote @ ('"' | '\''), Language::TypeScript) => quoted_end(source, at, quote, false),
        ('/', Language::TypeScript) if begins_regex(source, at) => regex_end(source, at),
        (_, Language::Rust | Language::TypeScript) => at,
    }
}

fn find(source: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..source.len()).find(|&at| source.get(at..).is_some_and(&found)).unwrap_or(source.len())
}

fn quoted_end(source: &[char], start: usize, quote: char, multiline: bool) -> usize {
    let mut at = start + 1;
    while let Some(&here) = source.get(at) {
        match here {
            '\\' => at += 1,
            '\n' if !multiline => return at,
            here if here == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// `r"…"` and `r#"…"#`; `r#name` is an identifier.
fn raw_end(source: &[char], start: usize) -> usize {
    let inside_word = start > 0 && source.get(start - 1).is_some_and(|&c| c.is_alphanumeric() && c != 'b' || c == '_');
    let hashes = source.iter().skip(start + 1).take_while(|&&c| c == '#').count();
    if inside_word || source.get(start + 1 + hashes) != Some(&'"') {
        return start;
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    find(source, start + hashes + 2, |rest| rest.starts_with(&closing)) + closing.len()
}

/// `'x'` and `'\n'`; `'a` is a lifetime.
fn character_end(source: &[char], start: usize) -> usize {
    if source.get(start + 1) == Some(&'\\') {
        return quoted_end(source, start, '\'', false);
    }
    if source.get(start + 2) == Some(&'\'') { start + 3 } else { start }
}

/// A slash begins a regular expression if a value may begin there, and divides otherwise.
fn begins_regex(source: &[char], at: usize) -> bool {
    let before = source.iter().take(at).rev().find(|c| !c.is_whitespace());
    source.get(at + 1) != Some(&'>') && before.is_none_or(|c| "(,=:[!&|?{};+".contains(*c))
}

fn regex_end(source: &[char], start: usize) -> usize {
    let (mut at, mut in_class) = (start + 1, false);
    while let Some(&here) = source.get(at) {
        match here {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => return at + 1,
            '\n' => return at,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// The position of the brace that closes the one at `open`.
pub(crate) fn closing(blanked: &[char], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in blanked.iter().enumerate().skip(open) {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    blanked.len().saturating_sub(1)
}

/// The line that contains `at`, counted from 1.
pub(crate) fn line_of(blanked: &[char], at: usize) -> usize {
    1 + blanked.iter().take(at).filter(|c| **c == '\n').count()
}

/// Every function with a body.
pub(crate) fn functions(blanked: &[char], language: Language) -> Vec<Function> {
    let bodies = match language {
        Language::Rust => rust_bodies(blanked),
        Language::TypeScript => typescript_bodies(blanked),
    };
    let function = |(start, open)| {
        let line = line_of(blanked, start);
        Function { line, lines: line_of(blanked, closing(blanked, open)) - line + 1 }
    };
    bodies.into_iter().map(function).collect()
}

/// The start of each `fn`, and the brace that opens its body.
fn rust_bodies(blanked: &[char]) -> Vec<(usize, usize)> {
    let is_word = |at: usize| blanked.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let is_fn = |&at: &usize| {
        blanked.get(at..at + 3) == Some(&['f', 'n', ' ']) && is_word(at + 3) && (at == 0 || !is_word(at - 1))
    };
    (0..blanked.len()).filter(is_fn).filter_map(|at| Some((at, rust_body(blanked, at)?))).collect()
}

/// A signature ends with a body or, in a trait, with a semicolon; arrays in it contain semicolons too.
fn rust_body(blanked: &[char], start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in blanked.iter().enumerate().skip(start) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The start of each TypeScript function's line, and the brace that opens its body.
fn typescript_bodies(blanked: &[char]) -> Vec<(usize, usize)> {
    let opens = blanked.iter().enumerate().filter(|(_, c)| **c == '{').map(|(at, _)| at);
    opens.filter(|&at| opens_function(blanked, at)).map(|at| (at, at)).collect()
}

/// `=> {` and `name(…) {` and `name(…): Type {`, but not `if (…) {`.
fn opens_function(blanked: &[char], open: usize) -> bool {
    let before: String = blanked.iter().take(open).collect();
    let before = before.trim_end();
    if before.ends_with("=>") {
        return true;
    }
    let Some(close) = before.rfind(')') else { return false };
    let Some(between) = before.get(close + 1..) else { return false };
    let is_type = between.starts_with(':') && !between.contains([';', '{', '}', '\n', '=']);
    if !between.is_empty() && !is_type {
        return false;
    }
    let Some(parameters) = matching_parenthesis(before, close) else { return false };
    let head = before.get(..parameters).unwrap_or_default().trim_end();
    let word: String = head.chars().rev().take_while(|c| c.is_alphanumeric() || "_$#>".contains(*c)).collect();
    !word.is_empty() && !["fi", "rof", "elihw", "hctiws", "hctac", "htiw", "tiawa"].contains(&word.as_str())
}

fn matching_parenthesis(text: &str, close: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices().rev().skip_while(|(at, _)| *at > close) {
        match c {
            ')' => depth += 1,
            '(' if depth == 1 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, language: Language, expected: &[(usize, usize)]) {
        let found: Vec<_> = functions(&blank(text, language), language).iter().map(|f| (f.line, f.lines)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn rust_functions_are_measured_from_signature_to_brace() {
        check("fn a() {}\n\nfn b(\n    x: [u8; 4],\n) {\n    x\n}\n", Language::Rust, &[(1, 1), (3, 5)]);
        check("trait T {\n    fn a(x: [u8; 2]);\n    fn b() {\n    }\n}\n", Language::Rust, &[(3, 2)]);
        check("type F = fn(u8);\nstruct Fn {}\n", Language::Rust, &[]);
    }

    #[test]
    fn braces_in_rust_literals_and_comments_do_not_count() {
        let body = "fn a() {\n    \"}\"; '}'; '\\''; r#\"}\"#; b'{'; // }\n    /* } */ 'a'; &'static str;\n}\n";
        check(body, Language::Rust, &[(1, 4)]);
    }

    #[test]
    fn typescript_functions_are_named_ones_methods_and_arrows() {
        check("function a(x: number): string {\n}\n", Language::TypeScript, &[(1, 2)]);
        check(
            "class A {\n  b() {\n  }\n  async c(): Promise<void> {\n  }\n}\n",
            Language::TypeScript,
            &[(2, 2), (4, 2)],
        );
        check("const f = (a) => {\n  return a;\n};\n", Language::TypeScript, &[(1, 3)]);
        check("if (a) {\n}\nfor (;;) {\n}\nwhile (b()) {\n}\nconst o = {\n};\n", Language::TypeScript, &[]);
    }

    #[test]
    fn braces_in_typescript_literals_do_not_count() {
        check("function a() {\n  return `}` + '}' + /[/}]\\/}/.source; // }\n}\n", Language::TypeScript, &[(1, 3)]);
        check("const A = () => {\n  return <p>Don't {b} / c</p>;\n};\n", Language::TypeScript, &[(1, 3)]);
    }
}

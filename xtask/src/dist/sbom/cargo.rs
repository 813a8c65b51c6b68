//! Reads a crate's dependencies from `cargo tree`, and checksums from Cargo.lock.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::super::Dist;
use super::{Bill, Part};

pub(super) fn read(dist: &Dist<'_>, package: &str, target: &str) -> Result<Bill> {
    let mut tree = dist.tools.cargo();
    tree.args(["tree", "--locked", "--package", package, "--target", target, "--edges", "normal,no-proc-macro"]);
    tree.args(["--prefix", "depth", "--format", "{p}\t{l}"]);
    let output = tree.output().context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    let lock = fs::read_to_string(dist.workspace.path("Cargo.lock")).context("reading Cargo.lock")?;
    parse(&String::from_utf8_lossy(&output.stdout), &checksums(&lock)?)
}

/// Digests of crates from a registry, by purl.
type Checksums = BTreeMap<String, String>;

/// Reads lines of depth, name, version and licence; a crate's dependencies are listed only once.
fn parse(tree: &str, checksums: &Checksums) -> Result<Bill> {
    let mut bill = Bill { subject: String::new(), parts: BTreeMap::new(), needs: BTreeMap::new() };
    let mut path: Vec<String> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, mut part) = parse_line(line).with_context(|| format!("cargo tree said {line:?}"))?;
        ensure!(depth <= path.len(), "cargo tree skipped a level before {line:?}");
        path.truncate(depth);
        let purl = purl(&part.name, &part.version);
        part.checksum = checksums.get(&purl).map(|digest| ("SHA-256", digest.clone()));
        if let Some(parent) = path.last() {
            bill.needs.entry(parent.clone()).or_default().insert(purl.clone());
        }
        bill.parts.entry(purl.clone()).or_insert(part);
        path.push(purl);
    }
    let Some(subject) = path.into_iter().next() else { bail!("cargo tree said nothing") };
    bill.subject = subject;
    Ok(bill)
}

/// `3libc v0.2.191 (/its/folder)<tab>MIT OR Apache-2.0 (*)`; the mark denotes a subtree that was already printed.
fn parse_line(line: &str) -> Option<(usize, Part)> {
    let digits = line.find(|c: char| !c.is_ascii_digit())?;
    let (depth, rest) = line.split_at_checked(digits)?;
    let (package, licence) = rest.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
    // Older crates separate licences by a slash.
    let licence = licence.trim_end_matches(" (*)").replace(" / ", "/").replace('/', " OR ");
    Some((depth.parse().ok()?, Part { name, version, licence, checksum: None }))
}

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn checksums(lock: &str) -> Result<Checksums> {
    let lock: toml::Table = toml::from_str(lock).context("reading Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock names no package")?;
    let entry = |package: &toml::Value| {
        let text = |key: &str| package.get(key)?.as_str();
        Some((purl(text("name")?, text("version")?), text("checksum")?.to_owned()))
    };
    Ok(packages.iter().filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const TREE: &str = "0node v0.1.0 (/somewhere/node)\tMIT\n1tokio v1.54.1\tMIT\n2libc v0.2.191\tMIT/Apache-2.0\n\
        1shared v0.1.0 (/somewhere/shared)\tMIT\n2tokio v1.54.1\tMIT (*)\n1libc v0.2.191\tMIT/Apache-2.0\n";
    const LOCK: &str = "[[package]]\nname = \"libc\"\nversion = \"0.2.191\"\nchecksum = \"aa\"\n\
        [[package]]\nname = \"shared\"\nversion = \"0.1.0\"\n";

    fn made() -> Value {
        parse(TREE, &checksums(LOCK).expect("a lock")).expect("a bill").render("0.1.0+abc")
    }

    #[test]
    fn each_crate_is_a_component_once_with_licence_and_checksum() {
        let bill = made();
        assert_eq!(bill["metadata"]["component"]["name"], "node");
        assert_eq!(bill["metadata"]["component"]["version"], "0.1.0+abc");
        let names: Vec<_> = bill["components"].as_array().expect("a list").iter().map(|c| c["name"].clone()).collect();
        assert_eq!(names, ["libc", "shared", "tokio"]);
        let expected = json!({
            "type": "library",
            "bom-ref": "pkg:cargo/libc@0.2.191",
            "name": "libc",
            "version": "0.2.191",
            "purl": "pkg:cargo/libc@0.2.191",
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            "hashes": [{ "alg": "SHA-256", "content": "aa" }],
        });
        assert_eq!(bill["components"][0], expected);
        assert_eq!(bill["components"][1]["hashes"], Value::Null);
    }

    #[test]
    fn dependencies_survive_subtrees_that_cargo_prints_once() {
        let needs = |name: &str| {
            let bill = made();
            let all = bill["dependencies"].as_array().expect("a list");
            let found = all.iter().find(|entry| entry["ref"] == format!("pkg:cargo/{name}")).expect("an entry");
            found["dependsOn"].clone()
        };
        let expected = json!(["pkg:cargo/libc@0.2.191", "pkg:cargo/shared@0.1.0", "pkg:cargo/tokio@1.54.1"]);
        assert_eq!(needs("node@0.1.0"), expected);
        assert_eq!(needs("shared@0.1.0"), json!(["pkg:cargo/tokio@1.54.1"]));
        assert_eq!(needs("tokio@1.54.1"), json!(["pkg:cargo/libc@0.2.191"]));
        assert_eq!(needs("libc@0.2.191"), json!([]));
    }

    #[test]
    fn what_cargo_does_not_say_is_an_error() {
        for tree in ["", "no depth\tMIT\n", "0node 0.1.0\tMIT\n", "0node v0.1.0\tMIT\n2deep v1.0.0\tMIT\n"] {
            assert!(parse(tree, &Checksums::new()).is_err(), "{tree:?}");
        }
    }
}

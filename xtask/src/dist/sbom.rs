//! Bills of materials in CycloneDX 1.6: the contents of a program or of the meet app, with licences and checksums.

mod cargo;
mod npm;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Dist;

/// The crates that cargo links into a crate's program or module for `target`, without macros, build scripts and tests.
pub(super) fn of_crate(dist: &Dist<'_>, package: &str, target: &str) -> Result<Value> {
    Ok(cargo::read(dist, package, target)?.render(&dist.version.whole()))
}

/// The npm packages that an application of the workspace needs, without its tools.
pub(super) fn of_npm(dist: &Dist<'_>, folder: &str) -> Result<Value> {
    let lock =
        std::fs::read_to_string(dist.workspace.path("package-lock.json")).context("reading package-lock.json")?;
    Ok(npm::parse(&lock, folder)?.render(&dist.version.whole()))
}

/// A subject and all its dependencies.
struct Bill {
    /// The purl of the subject, which is also in `parts`.
    subject: String,
    /// By purl (<https://github.com/package-url/purl-spec>), a part's name in all vulnerability databases.
    parts: BTreeMap<String, Part>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

struct Part {
    name: String,
    version: String,
    /// An SPDX expression.
    licence: String,
    /// The algorithm, and the digest in hexadecimal; `None` for parts from this repository.
    checksum: Option<(&'static str, String)>,
}

impl Bill {
    fn render(&self, version: &str) -> Value {
        let others = self.parts.iter().filter(|(purl, _)| **purl != self.subject);
        let components: Vec<Value> = others.map(|(purl, part)| part.render(purl)).collect();
        let dependency = |purl: &String| {
            let needed: Vec<&String> = self.needs.get(purl).into_iter().flatten().collect();
            json!({ "ref": purl, "dependsOn": needed })
        };
        let dependencies: Vec<Value> = self.parts.keys().map(dependency).collect();
        let mut subject = self.parts.get(&self.subject).map(|part| part.render(&self.subject)).unwrap_or_default();
        subject["type"] = "application".into();
        subject["version"] = version.into();
        json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": subject },
            "components": components,
            "dependencies": dependencies,
        })
    }
}

impl Part {
    fn render(&self, purl: &str) -> Value {
        let mut component = json!({
            "type": "library",
            "bom-ref": purl,
            "name": self.name,
            "version": self.version,
            "purl": purl,
            "licenses": [{ "expression": self.licence }],
        });
        if let Some((algorithm, digest)) = &self.checksum {
            component["hashes"] = json!([{ "alg": algorithm, "content": digest }]);
        }
        component
    }
}

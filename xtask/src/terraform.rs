//! Writes the root module of each Terraform environment from its values: a provider cannot be created in a loop, so
//! each region of the map gets a separate one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace::Workspace;

/// The existing environments; each has a table in `wrangler.toml` too.
pub(crate) const ENVIRONMENTS: &[&str] = &["staging", "production"];

const ROOT: &str = include_str!("terraform/environment.tf");
const REGION: &str = include_str!("terraform/region.tf");
const TEST: &str = include_str!("terraform/environment.tftest.hcl");

/// The used part of `terraform.tfvars.json`.
#[derive(Deserialize)]
struct Values {
    regions: BTreeMap<String, serde_json::Value>,
}

/// Every generated file, from the repository root, with its text.
pub(crate) fn pages(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for environment in ENVIRONMENTS {
        let folder = format!("terraform/environments/{environment}");
        let regions = regions(workspace, environment)?;
        pages.push((format!("{folder}/main.gen.tf"), root(&regions)));
        pages.push((format!("{folder}/tests/environment.gen.tftest.hcl"), test(&regions)));
    }
    Ok(pages)
}

/// Rotunda's names of an environment's regions, in order.
fn regions(workspace: &Workspace, environment: &str) -> Result<Vec<String>> {
    let path = format!("terraform/environments/{environment}/terraform.tfvars.json");
    let text = std::fs::read_to_string(workspace.path(&path)).with_context(|| format!("reading {path}"))?;
    let values: Values = serde_json::from_str(&text).with_context(|| path.clone())?;
    if let Some(region) = values.regions.keys().find(|region| !is_identifier(region)) {
        bail!("{path}: {region:?} cannot be the name of a Terraform module: letters, digits and - only");
    }
    Ok(values.regions.into_keys().collect())
}

fn is_identifier(region: &str) -> bool {
    region.starts_with(|c: char| c.is_ascii_lowercase())
        && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The name of a region's module and provider in Terraform's style.
fn module(region: &str) -> String {
    region.replace('-', "_")
}

fn root(regions: &[String]) -> String {
    let mut text = ROOT.to_owned();
    text.extend(regions.iter().map(|region| REGION.replace("REGION", region).replace("MODULE", &module(region))));
    text.push_str("\noutput \"regions\" {\n  value = {\n");
    let width = regions.iter().map(String::len).max().unwrap_or_default() + 2;
    for region in regions {
        let name = format!("\"{region}\"");
        // Writing to a string cannot fail.
        let module = module(region);
        let _ = writeln!(
            text,
            "    {name:width$} = {{ fleets = module.{module}.fleets, dashboard = module.{module}.dashboard }}"
        );
    }
    text.push_str("  }\n}\n");
    text
}

fn test(regions: &[String]) -> String {
    let mock = |region: &String| {
        let module = module(region);
        format!("\nmock_provider \"aws\" {{\n  alias  = \"{module}\"\n  source = \"../../mocks\"\n}}\n")
    };
    let mocks: String = regions.iter().map(mock).collect();
    TEST.replacen("\nvariables {", &format!("{mocks}\nvariables {{"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace::locate().expect("a repository")
    }

    #[test]
    fn each_region_gets_a_provider_a_module_and_an_output() {
        let regions = ["ap-south", "eu-central"].map(str::to_owned);
        let text = root(&regions);
        for region in &regions {
            let module = module(region);
            assert_eq!(text.matches(&format!("alias  = \"{module}\"")).count(), 1);
            assert_eq!(text.matches(&format!("module \"{module}\" {{")).count(), 1);
            assert!(text.contains(&format!("providers = {{ aws = aws.{module} }}")));
            assert!(text.contains(&format!("settings         = var.regions[\"{region}\"]")));
            assert!(text.contains(&format!(
                "\"{region}\"{}= {{ fleets = module.{module}.fleets",
                " ".repeat(11 - region.len())
            )));
            assert_eq!(test(&regions).matches(&format!("alias  = \"{module}\"")).count(), 1);
        }
        assert!(!text.contains("REGION\"") && !text.contains("MODULE"), "{text}");
    }

    #[test]
    fn a_region_is_named_like_a_module() {
        assert!(is_identifier("eu-central") && is_identifier("us1"));
        assert!(!is_identifier("1eu") && !is_identifier("eu.central") && !is_identifier("EU") && !is_identifier(""));
    }

    /// A region known only to one of the two would have nodes without participants, or participants without nodes.
    #[test]
    fn the_worker_has_the_regions_of_the_map() {
        let wrangler = std::fs::read_to_string(workspace().path("wrangler.toml")).expect("wrangler.toml");
        let wrangler: toml::Value = toml::from_str(&wrangler).expect("TOML");
        for environment in ENVIRONMENTS {
            let vars = &wrangler["env"][environment]["vars"];
            let worker: BTreeMap<String, String> =
                serde_json::from_str(vars["REGIONS"].as_str().expect("REGIONS")).expect("JSON");
            let map = regions(&workspace(), environment).expect("a map");
            assert_eq!(worker.into_keys().collect::<Vec<_>>(), map, "{environment}");
        }
    }

    /// The hosts' metrics name those of the nodes, which can be renamed.
    #[test]
    fn every_reading_is_a_metric_of_its_node() {
        let read = |path: &str| std::fs::read_to_string(workspace().path(path)).expect("a file");
        let readings: BTreeMap<String, Vec<serde_json::Value>> =
            serde_json::from_str(&read("terraform/modules/fleet/host/readings.json")).expect("JSON");
        let sources = [
            ("media-node", read("media-node/src/pages/metrics.rs") + &read("media-node/src/node.rs")),
            ("turn-node", read("turn-node/src/pages.rs")),
        ];
        assert_eq!(readings.len(), sources.len());
        for (kind, source) in sources {
            assert!(readings[kind].len() >= 9);
            for reading in &readings[kind] {
                let is_there = match (reading["metric"].as_str(), reading["text"].as_str()) {
                    (Some(metric), None) => source.contains(&format!("\"{metric}\"")),
                    (None, Some(text)) => source.contains(text),
                    (None, None) => matches!(reading["how"].as_str(), Some("disk" | "memory")),
                    (Some(_), Some(_)) => false,
                };
                assert!(is_there, "{kind}: {reading}");
            }
        }
    }
}

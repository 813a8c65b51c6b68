//! The price table, `terraform/prices.toml`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

const TABLE: &str = include_str!("../../../terraform/prices.toml");

/// Dollars, before tax.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// `YYYY-MM-DD`.
    pub(super) dated: String,
    pub(super) aws: Aws,
    pub(super) egress: Egress,
    pub(super) storage: Storage,
    pub(super) cloudflare: Cloudflare,
    pub(super) cloudwatch: Cloudwatch,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Aws {
    pub(super) source: String,
    /// Per hour, by type with `-` for the dot.
    instance: BTreeMap<String, f64>,
    pub(super) public_ipv4: f64,
    pub(super) disk_gb_month: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    pub(super) source: String,
    tiers: Vec<Tier>,
    pub(super) within_region_gb: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    /// `None` only in the last tier.
    up_to_gb: Option<f64>,
    dollars_a_gb: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub(super) source: String,
    pub(super) hot_gb_month: f64,
    pub(super) cold_gb_month: f64,
    pub(super) put_1000: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cloudflare {
    pub(super) source: String,
    pub(super) plan_month: f64,
    pub(super) requests_million: f64,
    pub(super) cpu_million_ms: f64,
    pub(super) objects_requests_million: f64,
    pub(super) objects_million_gb_s: f64,
    pub(super) messages_per_request: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cloudwatch {
    pub(super) source: String,
    pub(super) metric_month: f64,
    pub(super) alarm_month: f64,
}

impl Prices {
    pub(super) fn read() -> Result<Self> {
        Self::parse(TABLE)
    }

    fn parse(table: &str) -> Result<Self> {
        let prices: Self = toml::from_str(table).context("terraform/prices.toml")?;
        let tiers = &prices.egress.tiers;
        let last_is_open = tiers.iter().position(|tier| tier.up_to_gb.is_none()) == Some(tiers.len().saturating_sub(1));
        ensure!(last_is_open, "terraform/prices.toml: only the last tier of egress has no end");
        ensure!(
            tiers.is_sorted_by_key(|tier| tier.up_to_gb.unwrap_or(f64::MAX)),
            "the tiers of egress are not in order"
        );
        Ok(prices)
    }

    pub(super) fn sources(&self) -> [&str; 5] {
        let Self { aws, egress, storage, cloudflare, cloudwatch, .. } = self;
        [&aws.source, &egress.source, &storage.source, &cloudflare.source, &cloudwatch.source]
    }
}

impl Aws {
    pub(super) fn instance(&self, kind: &str) -> Result<f64> {
        let price = self.instance.get(&kind.replace('.', "-"));
        let known = || self.instance.keys().map(|key| key.replace('-', ".")).collect::<Vec<_>>().join(", ");
        price.copied().with_context(|| format!("terraform/prices.toml has no price for {kind}, only for {}", known()))
    }
}

impl Egress {
    /// The monthly cost of this many GB.
    pub(super) fn month(&self, gb: f64) -> f64 {
        let mut begins = 0.0;
        let mut dollars = 0.0;
        for tier in &self.tiers {
            let ends = tier.up_to_gb.unwrap_or(f64::INFINITY).min(gb);
            dollars += (ends - begins).max(0.0) * tier.dollars_a_gb;
            begins = ends.max(begins);
        }
        dollars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_date_and_a_source_for_each_part() {
        let prices = Prices::read().expect("a table");
        let parts: Vec<&str> = prices.dated.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [4, 2, 2], "{}", prices.dated);
        assert!(prices.sources().iter().all(|source| source.starts_with("https://")));
    }

    #[test]
    fn egress_is_paid_in_tiers() {
        let egress = Prices::read().expect("a table").egress;
        let tenths = |gb| (egress.month(gb) * 10.0).round() / 10.0;
        assert_eq!(tenths(0.0), 0.0);
        assert_eq!(tenths(100.0), 0.0);
        assert_eq!(tenths(1_100.0), 90.0);
        assert_eq!(tenths(10_240.0), 912.6);
        assert_eq!(tenths(11_240.0), 912.6 + 85.0);
        assert_eq!(tenths(1_000_000.0), 912.6 + 3_481.6 + 7_168.0 + 42_320.0);
    }

    #[test]
    fn an_unknown_type_is_told_with_the_known_ones() {
        let error = Prices::read().expect("a table").aws.instance("m1.small").expect_err("no price").to_string();
        assert!(error.contains("m1.small") && error.contains("c7gn.xlarge"), "{error}");
    }

    #[test]
    fn a_table_with_a_hole_is_refused() {
        let cut = TABLE.replace("  { dollars_a_gb = 0.05 },\n", "");
        assert!(Prices::parse(&cut).is_err());
        let swapped = TABLE.replace("up_to_gb = 100,", "up_to_gb = 90000,");
        assert!(Prices::parse(&swapped).is_err());
        assert!(Prices::parse(&TABLE.replace("plan_month", "plan_moth")).is_err());
    }
}

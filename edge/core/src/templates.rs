//! The templates of a deployment: rules by name, for rooms that the application or a first participant creates.

use shared::api::{Bounds, RoomPatch};
use shared::signal::RoomChange;
use shared::sorted::{SortedMap, SortedSet};
use shared::{Region, TemplateName, json, limits};

/// The setting `ROOM_TEMPLATES`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates(SortedMap<TemplateName, RoomChange>);

impl Templates {
    /// Reads a JSON object of templates; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let setting: SortedMap<String, RoomPatch> = json::from_str(text).map_err(|error| error.to_string())?;
        if setting.len() > limits::TEMPLATES_MAX {
            return Err(format!("more than {} templates", limits::TEMPLATES_MAX));
        }
        let mut templates = SortedMap::new();
        for (name, patch) in setting.iter() {
            let name = TemplateName::parse(name).map_err(|error| error.to_string())?;
            patch.check_bounds().map_err(|mistake| format!("{name}: {mistake}"))?;
            if patch.starts_at.is_some() {
                return Err(format!("{name}: starts_at is a time, at which only one room can start"));
            }
            templates.insert(name, patch.clone().into());
        }
        Ok(Self(templates))
    }

    /// Returns an error if a template names a region that is not one of these.
    pub fn check_regions(&self, regions: &SortedSet<Region>) -> Result<(), String> {
        for (name, change) in self.0.iter() {
            if let Some(region) = change.region.as_ref().filter(|region| !knows(regions, region)) {
                return Err(format!("{name}: {region} is not a region"));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn get(&self, name: &TemplateName) -> Option<&RoomChange> {
        self.0.get(name)
    }
}

/// True if a room may wish for this region.
pub(crate) fn knows(regions: &SortedSet<Region>, region: &Region) -> bool {
    region.as_str() == Region::NEAREST || regions.contains(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mistake(text: &str, expected: &str) {
        let mistake = Templates::parse(text).expect_err("a mistake");
        assert!(mistake.contains(expected), "{mistake}");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(Templates::parse(" "), Ok(Templates::default()));
        check_mistake("[]", "expected");
        check_mistake(r#"{ "a b": {} }"#, "template may only contain");
        check_mistake(r#"{ "lesson": { "rom_type": "video" } }"#, "unknown field `rom_type`");
        check_mistake(r#"{ "lesson": { "participants_max": 0 } }"#, "lesson: participants_max is out of bounds");
        check_mistake(r#"{ "lesson": { "starts_at": 1800000000000 } }"#, "lesson: starts_at is a time");
        let many: Vec<String> = (0..=limits::TEMPLATES_MAX).map(|number| format!(r#""t{number}": {{}}"#)).collect();
        check_mistake(&format!("{{ {} }}", many.join(",")), "more than 32 templates");
    }

    #[test]
    fn a_region_is_one_of_the_deployments() {
        let regions = ["EU", "eu-central"].iter().filter_map(|name| Region::parse(name).ok()).collect();
        let check = |region: &str| {
            let text = format!(r#"{{ "lesson": {{ "region": "{region}" }} }}"#);
            Templates::parse(&text).expect("valid").check_regions(&regions)
        };
        for region in ["EU", "eu-central", "nearest"] {
            assert_eq!(check(region), Ok(()), "{region}");
        }
        assert_eq!(check("mars"), Err("lesson: mars is not a region".into()));
    }
}

//! The regions, and the order in which rooms and clients try them.

use super::continent::Continent;
use shared::sorted::{self, SortedMap, SortedSet};
use shared::{Region, RoomId, json, limits};
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Regions {
    /// For rooms whose first participant's location is unknown.
    default: Region,
    places: Places,
}

/// The parsed variable `REGIONS`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The continent of each region decides which regions are near a client.
    continents: SortedMap<Region, Continent>,
    /// Regions that are a further part of another one, whose rooms they share.
    parts: SortedMap<Region, Region>,
}

impl Places {
    /// Parses each region's continent, or the region of which it is a further part.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let places: SortedMap<Region, String> = json::from_str(text).map_err(|error| error.to_string())?;
        if places.len() > limits::REGIONS_MAX {
            return Err(format!("at most {} regions are possible", limits::REGIONS_MAX));
        }
        let (mut continents, mut parts) = (SortedMap::new(), SortedMap::new());
        for (region, place) in &places {
            let whole = Region::parse(place).ok().filter(|whole| places.contains_key(whole));
            let code = whole.as_ref().and_then(|whole| places.get(whole)).unwrap_or(place);
            let continent = Continent::parse(code).ok_or_else(|| format!("{code} is not a continent"))?;
            continents.insert(region.clone(), continent);
            parts.extend(whole.map(|whole| (region.clone(), whole)));
        }
        Ok(Places { continents, parts })
    }
}

impl Regions {
    /// `None` if the default is not one of the regions.
    pub(super) fn new(default: Region, places: Places) -> Option<Self> {
        places.continents.contains_key(&default).then_some(Self { default, places })
    }

    pub(crate) fn continent(&self, region: &Region) -> Option<Continent> {
        self.places.continents.get(region).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Region, &Continent)> {
        self.places.continents.iter()
    }

    /// Every region, in the order to try for a client on `continent`: near ones, the default one, the rest. The parts of
    /// a region follow each other, in an order that differs from room to room.
    pub(crate) fn in_order_for(&self, continent: Option<Continent>, room: &RoomId) -> Vec<Region> {
        let distance = |on: Continent| continent.map_or(0, |from| from.distance(on));
        let mut regions: Vec<_> = self.places.continents.iter().collect();
        sorted::sort_by_cached_key(&mut regions, |(region, on)| {
            let whole = self.whole(region);
            (distance(**on), whole != self.whole(&self.default), whole.clone(), rank(region, room))
        });
        regions.into_iter().map(|(region, _)| region.clone()).collect()
    }

    /// The same with a room's wish, a region or a continent, in front; the rest by their distance from it.
    pub(crate) fn in_order_for_wish(
        &self,
        wish: Option<&Region>,
        continent: Option<Continent>,
        room: &RoomId,
    ) -> Vec<Region> {
        let on = wish.and_then(|wish| self.continent(wish).or_else(|| Continent::parse(wish.as_str())));
        let mut regions = self.in_order_for(on.or(continent), room);
        if let Some(wish) = wish.map(|wish| self.whole(wish)) {
            sorted::sort_by_cached_key(&mut regions, |region| self.whole(region) != wish);
        }
        regions
    }

    /// The names that a room may wish for: the regions and their continents.
    pub(crate) fn names(&self) -> SortedSet<Region> {
        let continents = self.places.continents.values().filter_map(|on| Region::parse(on.code()).ok());
        self.places.continents.keys().cloned().chain(continents).collect()
    }

    /// The regions whose TURN nodes a client on `continent` is offered, one part of each.
    pub(crate) fn nearest(&self, continent: Continent, room: &RoomId) -> Vec<Region> {
        let mut regions = self.in_order_for(Some(continent), room);
        regions.dedup_by(|next, first| self.whole(next) == self.whole(first));
        regions.truncate(limits::TURN_REGIONS_PER_CLIENT);
        regions
    }

    /// The region that a part belongs to.
    fn whole<'a>(&'a self, region: &'a Region) -> &'a Region {
        self.places.parts.get(region).unwrap_or(region)
    }
}

/// A room's preference among the parts of a region: each is the first of equally many rooms, and a new part takes no room
/// from one old part to another (rendezvous hashing).
fn rank(region: &Region, room: &RoomId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (region, room).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn parse(regions: &str, default: &str) -> Regions {
        let places = Places::parse(regions).expect("valid");
        Regions::new(Region::parse(default).expect("valid"), places).expect("listed")
    }

    const WORLD: &str = r#"{"ap-south":"AS","eu-central":"EU","eu-west":"EU","us-east":"NA"}"#;

    fn check_regions(continent: Option<Continent>, expected: &str) {
        let regions = parse(WORLD, "eu-west");
        let regions: Vec<String> = regions.in_order_for(continent, &room(1)).into_iter().map(Into::into).collect();
        assert_eq!(regions.join(" "), expected);
    }

    #[test]
    fn the_nearest_region_comes_first_and_none_is_left_out() {
        check_regions(Some(Continent::Europe), "eu-west eu-central us-east ap-south");
        check_regions(Some(Continent::NorthAmerica), "us-east eu-west eu-central ap-south");
        check_regions(Some(Continent::Oceania), "ap-south us-east eu-west eu-central");
    }

    #[test]
    fn an_unknown_place_begins_with_the_default_region() {
        check_regions(None, "eu-west ap-south eu-central us-east");
    }

    #[test]
    fn a_client_is_offered_turn_nodes_of_the_two_nearest_regions() {
        let regions = parse(WORLD, "eu-west");
        let nearest =
            |continent| regions.nearest(continent, &room(1)).into_iter().map(Into::into).collect::<Vec<String>>();
        assert_eq!(nearest(Continent::Asia), ["ap-south", "eu-west"]);
        assert_eq!(nearest(Continent::SouthAmerica), ["us-east", "eu-west"]);
    }

    #[test]
    fn a_rooms_wish_comes_first_and_the_rest_follows_by_the_distance_from_it() {
        let check = |wish: Option<&str>, from: Option<Continent>, expected: &str| {
            let wish = wish.map(|wish| Region::parse(wish).expect("valid"));
            let regions = parse(WORLD, "eu-west").in_order_for_wish(wish.as_ref(), from, &room(1));
            assert_eq!(regions.into_iter().map(String::from).collect::<Vec<_>>().join(" "), expected);
        };
        check(Some("eu-central"), Some(Continent::Asia), "eu-central eu-west us-east ap-south");
        check(Some("AS"), Some(Continent::NorthAmerica), "ap-south eu-west eu-central us-east");
        check(None, Some(Continent::NorthAmerica), "us-east eu-west eu-central ap-south");
        check(Some("gone"), Some(Continent::NorthAmerica), "us-east eu-west eu-central ap-south");
        let parts = parse(r#"{"eu":"EU","eu-2":"eu","us":"NA"}"#, "eu");
        let in_order =
            parts.in_order_for_wish(Region::parse("eu-2").ok().as_ref(), Some(Continent::NorthAmerica), &room(1));
        assert_eq!(in_order.last().map(Region::as_str), Some("us"), "the parts of a region share its rooms");
        let names: Vec<String> = parts.names().iter().cloned().map(String::from).collect();
        assert_eq!(names, ["EU", "NA", "eu", "eu-2", "us"]);
    }

    fn room(number: u32) -> RoomId {
        RoomId::parse(&format!("room-{number}")).expect("valid")
    }

    /// The rooms out of `ROOMS` that begin with each region.
    fn firsts(regions: &str) -> Vec<(String, u32)> {
        let regions = parse(regions, "eu");
        let first = |number| regions.in_order_for(Some(Continent::Europe), &room(number)).swap_remove(0);
        let mut counts = BTreeMap::new();
        for number in 0..ROOMS {
            *counts.entry(String::from(first(number))).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    const ROOMS: u32 = 10_000;

    // Holds S3-DEP-09.
    #[test]
    fn the_parts_of_a_region_share_its_rooms_evenly() {
        assert_eq!(firsts(r#"{"eu":"EU","eu-b":"EU","us":"NA"}"#), [("eu".into(), ROOMS)], "these are two regions");
        for parts in 2..=8 {
            let others: String = (2..=parts).map(|number| format!(r#","eu-{number}":"eu""#)).collect();
            let counts = firsts(&format!(r#"{{"aa":"EU","eu":"EU"{others},"us":"NA"}}"#));
            assert_eq!(counts.len(), parts as usize, "{counts:?}");
            let even = ROOMS / parts;
            assert!(counts.iter().all(|(_, count)| (even * 8 / 10..=even * 12 / 10).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn a_room_tries_all_parts_of_a_region_before_the_next_and_gets_turn_nodes_of_one() {
        let regions = parse(r#"{"eu":"EU","eu-2":"eu","eu-3":"eu","eu-west":"EU","us":"NA"}"#, "eu");
        for number in 0..100 {
            let in_order = regions.in_order_for(Some(Continent::Europe), &room(number));
            let whole: Vec<&str> = in_order.iter().map(|region| regions.whole(region).as_str()).collect();
            assert_eq!(whole, ["eu", "eu", "eu", "eu-west", "us"]);
            let near = regions.nearest(Continent::Europe, &room(number));
            assert_eq!((&near[0], near[1].as_str(), near.len()), (&in_order[0], "eu-west", 2));
        }
        let mistake = Places::parse(r#"{"eu":"EU","b":"eu","c":"b"}"#).expect_err("a part of a part");
        assert_eq!(mistake, "eu is not a continent");
    }
}

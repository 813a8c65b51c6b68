//! The Worker's configuration variables, parsed once; all mistakes are reported together.

use edge_core::issuers::{Issuers, OwnKeys};
use edge_core::presign::Storage;
use edge_core::roles::Roles;
use serde::Serialize;
use shared::signal::IceServer;
use shared::sorted::{self, SortedMap};
use shared::{Region, RoomId, json, limits};
use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use worker::Env;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The region for rooms whose first participant's location is unknown.
    pub(crate) region_default: Region,
    /// The continent of each region decides which regions are near a client.
    pub(crate) regions: SortedMap<Region, Continent>,
    /// Regions that are a further part of another one, whose rooms they share.
    parts: SortedMap<Region, Region>,
    /// Additional ICE servers for clients.
    pub(crate) ice_servers: Vec<IceServer>,
    /// Web origins that may connect, besides the Worker's own.
    pub(crate) origins: Origins,
    /// The storage for recordings; `None` turns recording off.
    pub(crate) storage: Option<Storage>,
    pub(crate) guests: Guests,
    pub(crate) login_url: Option<String>,
    /// `None` turns traces off.
    pub(crate) collector: Option<Collector>,
    pub(crate) issuers: Issuers,
    pub(crate) own_keys: OwnKeys,
    pub(crate) roles: Roles,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Collector {
    pub(crate) origin: String,
    /// The value of the header `Authorization`, a secret.
    pub(crate) authorization: Option<String>,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Guests {
    Open,
    /// Guests wait until a moderator lets them in.
    Lobby,
    Off,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origins {
    /// Origins that may call and send credentials, besides the Worker's own.
    pub(crate) listed: Vec<String>,
    /// If true, all other origins may call too, without credentials.
    pub(crate) others: bool,
}

impl Origins {
    /// `None` if the setting is missing.
    pub(crate) fn read(env: &Env) -> Option<Self> {
        env.var("ALLOWED_ORIGINS").ok().map(|text| parse_origins(&text.to_string()))
    }

    /// True if a page of `origin` may call `host` with credentials.
    pub(crate) fn trust(&self, origin: &str, host: &str) -> bool {
        let own = origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
        own || self.listed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// True if a request with this `Origin` may call `host`; programs that send none are not browsers, and need a token
    /// anyway.
    pub(crate) fn admit(&self, origin: Option<&str>, host: &str) -> bool {
        origin.is_none_or(|origin| self.others || self.trust(origin, host))
    }
}

/// A continent in the codes of `request.cf.continent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Continent {
    /// `AF`
    Africa,
    /// `AS`
    Asia,
    /// `EU`
    Europe,
    /// `NA`
    NorthAmerica,
    /// `OC`
    Oceania,
    /// `SA`
    SouthAmerica,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad configuration: {}", .0.join("; "))]
pub(crate) struct ConfigError(Vec<String>);

impl Config {
    /// Reads the variables at the first call; they cannot change during the life of an isolate.
    pub(crate) fn read(env: &Env) -> Result<Rc<Self>, ConfigError> {
        thread_local!(static READ: OnceCell<Rc<Config>> = const { OnceCell::new() });
        if let Some(config) = READ.with(|read| read.get().cloned()) {
            return Ok(config);
        }
        let secret = |name: &str| env.secret(name).ok().map(|secret| secret.to_string());
        let config = Self::parse(|name| env.var(name).ok().map(|var| var.to_string()).or_else(|| secret(name)))?;
        Ok(READ.with(|read| Rc::clone(read.get_or_init(|| Rc::new(config)))))
    }

    fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let mut var = |name: &'static str| {
            lookup(name).or_else(|| {
                mistakes.push(format!("{name} is missing"));
                None
            })
        };
        let texts = (var("DEFAULT_REGION"), var("REGIONS"), var("ICE_SERVERS"), var("ALLOWED_ORIGINS"));
        let region_default = texts.0.and_then(|text| note(&mut mistakes, "DEFAULT_REGION", Region::parse(&text)));
        let regions = texts.1.and_then(|text| note(&mut mistakes, "REGIONS", parse_regions(&text)));
        let (regions, parts) = regions.unzip();
        let ice_servers = texts.2.and_then(|text| note(&mut mistakes, "ICE_SERVERS", json::from_str(&text)));
        let origins = texts.3.map(|text| parse_origins(&text));
        let storage = note(&mut mistakes, "RECORDING", parse_storage(&lookup)).flatten();
        let guests = note(&mut mistakes, "GUESTS", parse_guests(lookup("GUESTS").as_deref()));
        let login_url = note(&mut mistakes, "LOGIN_URL", parse_login_url(lookup("LOGIN_URL"))).flatten();
        let collector = note(&mut mistakes, "OTLP", parse_collector(&lookup)).flatten();
        let issuers = lookup("TOKEN_ISSUERS").map_or(Ok(Issuers::default()), |text| Issuers::parse(&text));
        let issuers = note(&mut mistakes, "TOKEN_ISSUERS", issuers).unwrap_or_default();
        let own_keys = lookup("TOKEN_PUBLIC_KEYS").map_or(Ok(OwnKeys::default()), |text| OwnKeys::parse(&text));
        let own_keys = note(&mut mistakes, "TOKEN_PUBLIC_KEYS", own_keys).unwrap_or_default();
        let roles = lookup("ROLES").map_or(Ok(Roles::default()), |text| Roles::parse(&text));
        let roles = note(&mut mistakes, "ROLES", roles).unwrap_or_default();
        if let (Some(region), Some(regions)) = (&region_default, &regions)
            && !regions.contains_key(region)
        {
            mistakes.push("DEFAULT_REGION is not one of REGIONS".into());
        }
        match (region_default, regions, parts, ice_servers, origins, guests) {
            (Some(region_default), Some(regions), Some(parts), Some(ice_servers), Some(origins), Some(guests))
                if mistakes.is_empty() =>
            {
                let settings = Self {
                    region_default,
                    regions,
                    parts,
                    ice_servers,
                    origins,
                    storage,
                    guests,
                    login_url,
                    collector,
                    issuers,
                    own_keys,
                    roles,
                };
                Ok(settings)
            }
            _ => Err(ConfigError(mistakes)),
        }
    }

    /// Every region, in the order to try for a client on `continent`: near ones, the default one, the rest. The parts of
    /// a region follow each other, in an order that differs from room to room.
    pub(crate) fn regions_for(&self, continent: Option<Continent>, room: &RoomId) -> Vec<Region> {
        let distance = |on: Continent| continent.map_or(0, |from| from.distance(on));
        let mut regions: Vec<_> = self.regions.iter().collect();
        sorted::sort_by_cached_key(&mut regions, |(region, on)| {
            let whole = self.whole(region);
            (distance(**on), whole != self.whole(&self.region_default), whole.clone(), rank(region, room))
        });
        regions.into_iter().map(|(region, _)| region.clone()).collect()
    }

    /// The regions whose TURN nodes a client on `continent` is offered, one part of each.
    pub(crate) fn nearest(&self, continent: Continent, room: &RoomId) -> Vec<Region> {
        let mut regions = self.regions_for(Some(continent), room);
        regions.dedup_by(|next, first| self.whole(next) == self.whole(first));
        regions.truncate(limits::TURN_REGIONS_PER_CLIENT);
        regions
    }

    /// The region that a part belongs to.
    fn whole<'a>(&'a self, region: &'a Region) -> &'a Region {
        self.parts.get(region).unwrap_or(region)
    }
}

impl Continent {
    /// Parses `request.cf.continent`; there are no regions in Antarctica (`AN`).
    pub(crate) fn parse(code: &str) -> Option<Self> {
        match code {
            "AF" => Some(Self::Africa),
            "AS" => Some(Self::Asia),
            "EU" => Some(Self::Europe),
            "NA" => Some(Self::NorthAmerica),
            "OC" => Some(Self::Oceania),
            "SA" => Some(Self::SouthAmerica),
            _ => None,
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// Cloudflare's location hint for this client; only the first `get` of an object honours it.
    pub(crate) const fn location_hint(self) -> &'static str {
        match self {
            Self::Africa => "afr",
            Self::Asia => "apac",
            Self::Europe => "weur",
            Self::NorthAmerica => "enam",
            Self::Oceania => "oc",
            Self::SouthAmerica => "sam",
        }
    }

    /// The number of continents nearer than `to`, by the length of the cables between them.
    fn distance(self, to: Self) -> usize {
        use Continent::{Africa, Asia, Europe, NorthAmerica, Oceania, SouthAmerica};
        let by_distance = match self {
            Africa => [Africa, Europe, Asia, NorthAmerica, SouthAmerica, Oceania],
            Asia => [Asia, Oceania, Europe, NorthAmerica, Africa, SouthAmerica],
            Europe => [Europe, NorthAmerica, Africa, Asia, SouthAmerica, Oceania],
            NorthAmerica => [NorthAmerica, Europe, SouthAmerica, Asia, Oceania, Africa],
            Oceania => [Oceania, Asia, NorthAmerica, Europe, SouthAmerica, Africa],
            SouthAmerica => [SouthAmerica, NorthAmerica, Europe, Africa, Asia, Oceania],
        };
        by_distance.iter().position(|continent| *continent == to).unwrap_or(by_distance.len())
    }
}

fn note<T>(mistakes: &mut Vec<String>, name: &str, result: Result<T, impl std::fmt::Display>) -> Option<T> {
    result.map_err(|error| mistakes.push(format!("{name}: {error}"))).ok()
}

/// A room's preference among the parts of a region: each is the first of equally many rooms, and a new part takes no room
/// from one old part to another (rendezvous hashing).
fn rank(region: &Region, room: &RoomId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (region, room).hash(&mut hasher);
    hasher.finish()
}

type Regions = (SortedMap<Region, Continent>, SortedMap<Region, Region>);

/// Parses each region's continent, or the region of which it is a further part.
fn parse_regions(text: &str) -> Result<Regions, String> {
    let places: SortedMap<Region, String> = json::from_str(text).map_err(|error| error.to_string())?;
    if places.len() > limits::REGIONS_MAX {
        return Err(format!("at most {} regions are possible", limits::REGIONS_MAX));
    }
    let (mut regions, mut parts) = (SortedMap::new(), SortedMap::new());
    for (region, place) in &places {
        let whole = Region::parse(place).ok().filter(|whole| places.contains_key(whole));
        let code = whole.as_ref().and_then(|whole| places.get(whole)).unwrap_or(place);
        let continent = Continent::parse(code).ok_or_else(|| format!("{code} is not a continent"))?;
        regions.insert(region.clone(), continent);
        parts.extend(whole.map(|whole| (region.clone(), whole)));
    }
    Ok((regions, parts))
}

/// Parses the storage for recordings, if a bucket is set; its keys are secrets.
fn parse_storage(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Storage>, String> {
    let set = |name: &str| lookup(name).filter(|text| !text.is_empty());
    let Some(bucket) = set("RECORDING_BUCKET") else { return Ok(None) };
    let needed = |name: &str| set(name).ok_or_else(|| format!("{name} is missing"));
    let endpoint = needed("RECORDING_ENDPOINT")?;
    let is_url = ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme));
    if !is_url || endpoint.matches('/').count() != 2 {
        return Err("RECORDING_ENDPOINT must be http:// or https:// and a host without a path".into());
    }
    let is_path_style = match set("RECORDING_PATH_STYLE").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err("RECORDING_PATH_STYLE must be true or false".into()),
    };
    Ok(Some(Storage {
        endpoint,
        region: needed("RECORDING_REGION")?,
        bucket,
        is_path_style,
        access_key_id: needed("RECORDING_ACCESS_KEY_ID")?,
        secret_access_key: needed("RECORDING_SECRET_ACCESS_KEY")?,
    }))
}

fn parse_guests(text: Option<&str>) -> Result<Guests, &'static str> {
    match text {
        Some("open") => Ok(Guests::Open),
        Some("lobby") => Ok(Guests::Lobby),
        Some("off" | "") | None => Ok(Guests::Off),
        Some(_) => Err("must be open, lobby or off"),
    }
}

fn parse_login_url(text: Option<String>) -> Result<Option<String>, &'static str> {
    let text = text.filter(|text| !text.is_empty());
    let is_url = |text: &String| ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    // The page appends its own query.
    let is_plain = |text: &String| !text.contains(['?', '#', ' ']);
    match text {
        Some(text) if !is_url(&text) || !is_plain(&text) => Err("must be http:// or https:// without a query"),
        text => Ok(text),
    }
}

fn parse_collector(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Collector>, &'static str> {
    let set = |name: &str| lookup(name).filter(|text| !text.is_empty());
    let Some(origin) = set("OTLP") else { return Ok(None) };
    let host = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])) {
        return Err("must be http:// or https:// and a host, without a path");
    }
    let authorization = set("OTLP_AUTHORIZATION").map(|text| text.trim().to_owned());
    if authorization.as_ref().is_some_and(|text| !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))) {
        return Err("OTLP_AUTHORIZATION must be printable ASCII");
    }
    Ok(Some(Collector { origin, authorization }))
}

fn parse_origins(text: &str) -> Origins {
    let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    let (all, listed): (Vec<&str>, Vec<&str>) = origins.partition(|origin| *origin == "*");
    Origins { listed: listed.into_iter().map(Into::into).collect(), others: !all.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn parse(regions: &str, default: &str) -> Result<Config, ConfigError> {
        Config::parse(|name| {
            Some(match name {
                "DEFAULT_REGION" => default.into(),
                "REGIONS" => regions.into(),
                "ICE_SERVERS" => r#"[{"urls":["stun:stun.example.org"]}]"#.into(),
                "ALLOWED_ORIGINS" => "https://meet.example.org, https://app.example.org".into(),
                _ => return None,
            })
        })
    }

    const WORLD: &str = r#"{"ap-south":"AS","eu-central":"EU","eu-west":"EU","us-east":"NA"}"#;

    fn check_regions(continent: Option<Continent>, expected: &str) {
        let config = parse(WORLD, "eu-west").expect("valid");
        let regions: Vec<String> = config.regions_for(continent, &room(1)).into_iter().map(Into::into).collect();
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
        let config = parse(WORLD, "eu-west").expect("valid");
        let nearest =
            |continent| config.nearest(continent, &room(1)).into_iter().map(Into::into).collect::<Vec<String>>();
        assert_eq!(nearest(Continent::Asia), ["ap-south", "eu-west"]);
        assert_eq!(nearest(Continent::SouthAmerica), ["us-east", "eu-west"]);
    }

    fn room(number: u32) -> RoomId {
        RoomId::parse(&format!("room-{number}")).expect("valid")
    }

    /// The rooms out of `ROOMS` that begin with each region.
    fn firsts(regions: &str) -> Vec<(String, u32)> {
        let config = parse(regions, "eu").expect("valid");
        let first = |number| config.regions_for(Some(Continent::Europe), &room(number)).swap_remove(0);
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
        let config = parse(r#"{"eu":"EU","eu-2":"eu","eu-3":"eu","eu-west":"EU","us":"NA"}"#, "eu").expect("valid");
        for number in 0..100 {
            let regions = config.regions_for(Some(Continent::Europe), &room(number));
            let whole: Vec<&str> = regions.iter().map(|region| config.whole(region).as_str()).collect();
            assert_eq!(whole, ["eu", "eu", "eu", "eu-west", "us"]);
            let near = config.nearest(Continent::Europe, &room(number));
            assert_eq!((&near[0], near[1].as_str(), near.len()), (&regions[0], "eu-west", 2));
        }
        let ConfigError(mistakes) = parse(r#"{"eu":"EU","b":"eu","c":"b"}"#, "eu").expect_err("a part of a part");
        assert_eq!(mistakes, ["REGIONS: eu is not a continent"]);
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let ConfigError(mistakes) = Config::parse(|name| (name == "DEFAULT_REGION").then(|| "not a region".into()))
            .expect_err("nothing else is there");
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        let ConfigError(mistakes) = parse(r#"{"eu-west":"XX"}"#, "eu-west").expect_err("no such continent");
        assert_eq!(mistakes, ["REGIONS: XX is not a continent"]);
        let ConfigError(mistakes) = parse(WORLD, "mars").expect_err("not listed");
        assert_eq!(mistakes, ["DEFAULT_REGION is not one of REGIONS"]);
        let many: Vec<String> = (0..=limits::REGIONS_MAX).map(|number| format!(r#""r{number}":"EU""#)).collect();
        let ConfigError(mistakes) = parse(&format!("{{{}}}", many.join(",")), "r0").expect_err("too many");
        assert_eq!(mistakes, ["REGIONS: at most 32 regions are possible"]);
    }

    #[test]
    fn a_storage_is_whole_or_not_there() {
        let parse = |change: (&str, &str)| {
            parse_storage(|name| {
                let value = match name {
                    _ if name == change.0 => change.1,
                    "RECORDING_BUCKET" => "recordings",
                    "RECORDING_ENDPOINT" => "https://s3.example.org",
                    "RECORDING_REGION" => "auto",
                    "RECORDING_ACCESS_KEY_ID" => "id",
                    "RECORDING_SECRET_ACCESS_KEY" => "secret",
                    _ => return None,
                };
                Some(value.to_owned())
            })
        };
        assert!(parse(("", "")).is_ok_and(|storage| storage.is_some_and(|storage| storage.is_path_style)));
        assert_eq!(parse(("RECORDING_BUCKET", "")), Ok(None));
        assert_eq!(parse(("RECORDING_REGION", "")), Err("RECORDING_REGION is missing".into()));
        assert!(parse(("RECORDING_ENDPOINT", "https://s3.example.org/path")).is_err());
        assert!(parse(("RECORDING_PATH_STYLE", "maybe")).is_err());
    }

    #[test]
    fn guests_stay_outside_unless_it_says_otherwise() {
        assert_eq!(parse(WORLD, "eu-west").expect("valid").guests, Guests::Off);
        for (text, guests) in [("open", Guests::Open), ("lobby", Guests::Lobby), ("off", Guests::Off)] {
            assert_eq!(parse_guests(Some(text)), Ok(guests));
        }
        assert!(parse_guests(Some("yes")).is_err());
        let login = |text: &str| parse_login_url(Some(text.into()));
        assert_eq!(login("https://example.org/login"), Ok(Some("https://example.org/login".into())));
        assert_eq!(login(""), Ok(None));
        for bad in ["javascript:alert(1)", "https://example.org/?a=b", "https://example.org/#token="] {
            assert!(login(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_collectors_secret_can_be_sent_as_a_header_and_is_not_shown() {
        let parse = |origin: &str, secret: &str| {
            parse_collector(|name| Some(if name == "OTLP" { origin } else { secret }.to_owned()))
        };
        assert_eq!(parse("", "Bearer abc"), Ok(None));
        let collector = parse("https://otlp.example.org", "Bearer abc\n").expect("valid").expect("set");
        assert_eq!(collector.authorization.as_deref(), Some("Bearer abc"));
        assert!(!format!("{collector:?}").contains("abc"));
        assert!(
            parse("https://otlp.example.org", "").is_ok_and(|set| set.is_some_and(|set| set.authorization.is_none()))
        );
        for (origin, secret) in [("https://otlp.example.org", "a\nb"), ("https://otlp.example.org/v1", "a"), ("a", "a")]
        {
            assert!(parse(origin, secret).is_err(), "{origin} {secret:?}");
        }
    }

    // Holds S2-SIG-04, S2-DEP-01.
    #[test]
    fn pages_of_listed_origins_and_of_our_own_may_connect() {
        let origins = parse(WORLD, "eu-west").expect("valid").origins;
        let check = |origin, expected| {
            assert_eq!(origins.admit(origin, "edge.example.org:8787"), expected, "{origin:?}");
        };
        check(None, true);
        check(Some("https://edge.example.org:8787"), true);
        check(Some("https://app.example.org"), true);
        check(Some("https://app.example.org.evil.example"), false);
        check(Some("https://evil.example"), false);
        check(Some("null"), false);
        let open = parse_origins("https://app.example.org, *");
        assert!(open.admit(Some("null"), "edge.example.org"));
        assert!(open.trust("https://app.example.org", "edge.example.org"));
        assert!(!open.trust("null", "edge.example.org"));
    }
}

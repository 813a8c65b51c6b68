//! The Worker's configuration variables, parsed once; all mistakes are reported together.

mod continent;
mod origins;
mod regions;

pub(crate) use continent::Continent;
pub(crate) use origins::Origins;
pub(crate) use regions::Regions;

use edge_core::issuers::{Issuers, OwnKeys};
use edge_core::presign::Storage;
use edge_core::roles::Roles;
use edge_core::templates::Templates;
use regions::Places;
use serde::Serialize;
use shared::signal::IceServer;
use shared::{Region, json};
use std::cell::OnceCell;
use std::rc::Rc;
use worker::Env;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) regions: Regions,
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
    pub(crate) templates: Templates,
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
        let places = texts.1.and_then(|text| note(&mut mistakes, "REGIONS", Places::parse(&text)));
        let ice_servers = texts.2.and_then(|text| note(&mut mistakes, "ICE_SERVERS", json::from_str(&text)));
        let origins = texts.3.map(|text| Origins::parse(&text));
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
        let regions = region_default.zip(places).and_then(|(default, places)| {
            note(&mut mistakes, "DEFAULT_REGION", Regions::new(default, places).ok_or("is not one of REGIONS"))
        });
        let templates = lookup("ROOM_TEMPLATES").map_or(Ok(Templates::default()), |text| Templates::parse(&text));
        let checked = templates.and_then(|templates| {
            regions.as_ref().map_or(Ok(()), |regions| templates.check_regions(&regions.names())).map(|()| templates)
        });
        let templates = note(&mut mistakes, "ROOM_TEMPLATES", checked).unwrap_or_default();
        match (regions, ice_servers, origins, guests) {
            (Some(regions), Some(ice_servers), Some(origins), Some(guests)) if mistakes.is_empty() => Ok(Self {
                regions,
                ice_servers,
                origins,
                storage,
                guests,
                login_url,
                collector,
                issuers,
                own_keys,
                roles,
                templates,
            }),
            _ => Err(ConfigError(mistakes)),
        }
    }
}

fn note<T>(mistakes: &mut Vec<String>, name: &str, result: Result<T, impl std::fmt::Display>) -> Option<T> {
    result.map_err(|error| mistakes.push(format!("{name}: {error}"))).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use shared::limits;

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

    #[test]
    fn every_mistake_is_reported_at_once() {
        let ConfigError(mistakes) = Config::parse(|name| (name == "DEFAULT_REGION").then(|| "not a region".into()))
            .expect_err("nothing else is there");
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        let ConfigError(mistakes) = parse(r#"{"eu-west":"XX"}"#, "eu-west").expect_err("no such continent");
        assert_eq!(mistakes, ["REGIONS: XX is not a continent"]);
        let ConfigError(mistakes) = parse(WORLD, "mars").expect_err("not listed");
        assert_eq!(mistakes, ["DEFAULT_REGION: is not one of REGIONS"]);
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
}

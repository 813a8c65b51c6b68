//! `/v1/guests`: people for whom no application vouches, if the deployment admits them.

use super::api::query::Query;
use super::api::{ask_room, body};
use super::{Arrival, RouteError, rooms};
use crate::auth::AuthError;
use crate::config::Guests;
use crate::refusal::Refusal;
use crate::{auth, clock, log, random};
use edge_core::roles;
use edge_core::room::{Answer, Ask, GuestStanding, RecordingAnswer, RecordingAsk};
use serde::{Deserialize, Serialize};
use shared::api::Bounds;
use shared::token::{self, Grants, Guest, GuestClaims, JoinClaims};
use shared::{ErrorCode, ParticipantId, RoomId, Text, UnixMillis, limits};
use worker::{Response, ResponseBuilder};

/// Seconds after which a waiting guest asks again: fifty behind one NAT stay below `GUEST_RATE`.
const ASK_AGAIN_S: &str = "3";

/// The rules and facts that a page needs before a person joins.
#[derive(Serialize)]
struct Policy<'a> {
    guests: Guests,
    login_url: Option<&'a str>,
    /// Absent without a room, for people who have no way in, and if the page asks too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Knock {
    room: RoomId,
    #[serde(default)]
    name: String,
    /// The pass from an earlier answer, which lets a guest keep their identity after a reload.
    #[serde(default)]
    pass: Option<String>,
}

impl Bounds for Knock {
    fn check_bounds(&self) -> Result<(), &'static str> {
        Text::Name.check(&self.name)
    }
}

#[derive(Serialize)]
struct Waiting {
    participant: ParticipantId,
    pass: String,
}

#[derive(Serialize)]
struct Admission {
    participant: ParticipantId,
    pass: String,
    token: String,
    expires_at: UnixMillis,
}

/// `GET /v1/guests?room=…`.
pub(super) async fn policy(arrival: &Arrival<'_>) -> Result<Response, RouteError> {
    let config = &arrival.config;
    let room = Query::of(&arrival.request, &["room"])?.room()?;
    // A room that does not answer keeps nobody from joining.
    let recorded = match room {
        Some(room) => recorded(arrival, &room).await.unwrap_or_else(|error| {
            let fields: [(&str, &dyn std::fmt::Display); 2] = [("request", &arrival.request_id), ("error", &error)];
            log::line(log::Level::Warn, "lobby_not_answered", &fields);
            None
        }),
        None => None,
    };
    let policy = Policy { guests: config.guests, login_url: config.login_url.as_deref(), recorded };
    Ok(ResponseBuilder::new().with_header("Cache-Control", "no-store")?.from_json(&policy)?)
}

/// True if the room is being recorded. `None` for people who cannot join it: their token is for another room, guests are
/// not allowed, or they are banned.
async fn recorded(arrival: &Arrival<'_>, room: &RoomId) -> Result<Option<bool>, RouteError> {
    let claims = match auth::participant_by_bearer(&arrival.request, room, (arrival.env, &arrival.config)).await {
        Ok(claims) => Some(claims),
        Err(AuthError::Refused(_)) if arrival.config.guests != Guests::Off && !auth::has_bearer(&arrival.request) => {
            None
        }
        Err(AuthError::Refused(_)) => return Ok(None),
        Err(error @ AuthError::Secret(_)) => return Err(error.into()),
    };
    let known = claims.as_ref().filter(|claims| claims.guest.is_none());
    let counted = known.map_or_else(|| address_key(arrival), |claims| format!("{room}:{}", claims.sub));
    if !arrival.is_from_allowed_origin()
        || !is_below_rate(arrival, counted).await?
        || !room_has_time(arrival, "lobby", room).await?
    {
        return Ok(None);
    }
    let from = if known.is_none() { rooms::blind_address(arrival, room)? } else { None };
    match ask_room(arrival, room, Ask::Lobby { participant: claims.map(|claims| claims.sub), from }).await {
        Ok(Answer::Lobby { recorded }) => Ok(Some(recorded)),
        Err(RouteError::Refused(refusal)) if refusal.code == ErrorCode::Banned => Ok(None),
        Err(RouteError::Refused(refusal)) if refusal.code == ErrorCode::UnknownRoom => Ok(Some(false)),
        Ok(_) => Err(Refusal::internal().into()),
        Err(error) => Err(error),
    }
}

/// The key under which the requests of all guests of an address are counted: an IPv6 customer has one address here.
fn address_key(arrival: &Arrival<'_>) -> String {
    arrival.address.map_or_else(String::new, |address| address.number().to_string())
}

async fn is_below_rate(arrival: &Arrival<'_>, counted: String) -> Result<bool, RouteError> {
    rooms::is_below(arrival, "GUEST_RATE", counted).await
}

/// A limit for each kind of question to one room, because many addresses could keep its object busy.
async fn room_has_time(arrival: &Arrival<'_>, kind: &str, room: &RoomId) -> Result<bool, RouteError> {
    rooms::has_room_for(arrival, &format!("{kind}:{room}")).await
}

/// `POST /v1/guests`: a join token for a guest. The edge chooses the id, as everybody in a room sees it.
pub(super) async fn admit(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    if !arrival.is_from_allowed_origin() {
        return Err(Refusal::new(ErrorCode::Forbidden, "pages of this origin are not allowed").into());
    }
    if !is_below_rate(&arrival, address_key(&arrival)).await? {
        return Err(Refusal::rate_limited().into());
    }
    if arrival.config.guests == Guests::Off {
        return Err(Refusal::new(ErrorCode::Forbidden, "guests are not allowed").into());
    }
    let knock: Knock = body::read(&mut arrival).await?;
    if !room_has_time(&arrival, "guests", &knock.room).await? {
        return Err(Refusal::rate_limited().into());
    }
    let mut guest = known(&arrival, &knock).map_or_else(|| new_guest(&knock), Ok)?;
    if arrival.config.guests == Guests::Lobby {
        guest.grants = Grants::default();
        return wait_for_moderator(&arrival, knock, guest).await;
    }
    let Entrance { made, created_at, lobby } = enter(&arrival, &guest).await?;
    if lobby && !made && guest.made != Some(created_at) {
        guest.grants = Grants::default();
        return wait_for_moderator(&arrival, knock, guest).await;
    }
    if made {
        guest.grants.moderate = true;
        guest.grants.record = holds_nothing(&arrival, &knock.room).await?;
        guest.made = Some(created_at);
    } else if guest.made != Some(created_at) {
        (guest.grants, guest.made) = (Grants::default(), None);
    }
    answer(&arrival, knock, guest)
}

/// Answers a guest by the decision of the room's moderators.
async fn wait_for_moderator(arrival: &Arrival<'_>, knock: Knock, guest: GuestClaims) -> Result<Response, RouteError> {
    match standing(arrival, &guest, &knock.name).await? {
        GuestStanding::Admitted => answer(arrival, knock, guest),
        GuestStanding::Waiting => wait(arrival, guest),
        GuestStanding::Refused => Err(Refusal::new(ErrorCode::NotAdmitted, "a moderator did not let you in").into()),
    }
}

/// A valid pass keeps its identity; every other guest gets a new one.
fn known(arrival: &Arrival<'_>, knock: &Knock) -> Option<GuestClaims> {
    knock.pass.as_deref().and_then(|pass| auth::guest(pass, &knock.room, arrival.env).ok())
}

fn new_guest(knock: &Knock) -> Result<GuestClaims, RouteError> {
    let sub = token::guest_id(&random::id()?).map_err(|_| Refusal::internal())?;
    Ok(GuestClaims { sub, room: knock.room.clone(), grants: Grants::default(), made: None })
}

/// A guest's place in the room's lobby. A room that does not exist yet remembers nobody: guests ask again.
async fn standing(arrival: &Arrival<'_>, guest: &GuestClaims, name: &str) -> Result<GuestStanding, RouteError> {
    let from = rooms::blind_address(arrival, &guest.room)?;
    let ask = Ask::Knock { participant: guest.sub.clone(), name: name.into(), from };
    match ask_room(arrival, &guest.room, ask).await {
        Ok(Answer::Guest { standing }) => Ok(standing),
        Ok(_) => Err(Refusal::internal().into()),
        Err(RouteError::Refused(refusal)) if refusal.code == ErrorCode::UnknownRoom => Ok(GuestStanding::Waiting),
        Err(error) => Err(error),
    }
}

/// Tells the guest to ask again with the pass.
fn wait(arrival: &Arrival<'_>, guest: GuestClaims) -> Result<Response, RouteError> {
    let participant = guest.sub.clone();
    let waiting = Waiting { participant, pass: auth::sign_pass(guest, arrival.env)? };
    let builder = ResponseBuilder::new().with_status(202).with_header("Cache-Control", "no-store")?;
    Ok(builder.with_header("Retry-After", ASK_AGAIN_S)?.from_json(&waiting)?)
}

struct Entrance {
    /// True if this call created the room: its first guest becomes its host.
    made: bool,
    created_at: UnixMillis,
    /// True if guests wait for a moderator.
    lobby: bool,
}

/// A banned guest who has or asks for another id is recognised by the address.
async fn enter(arrival: &Arrival<'_>, guest: &GuestClaims) -> Result<Entrance, RouteError> {
    let from = rooms::blind_address(arrival, &guest.room)?;
    let ask = Ask::Enter { participant: guest.sub.clone(), from, made: guest.made };
    match ask_room(arrival, &guest.room, ask).await? {
        Answer::Room { made, room } => Ok(Entrance { made, created_at: room.created_at, lobby: room.lobby }),
        _ => Err(Refusal::internal().into()),
    }
}

/// True if no earlier call left recordings under this name, which a guest host must not see; false if recording is off.
async fn holds_nothing(arrival: &Arrival<'_>, room: &RoomId) -> Result<bool, RouteError> {
    if arrival.config.storage.is_none() {
        return Ok(false);
    }
    let ask = Ask::Recordings { request: RecordingAsk::List { after: None, limit: 1 }, by: None };
    match ask_room(arrival, room, ask).await? {
        Answer::Recordings(RecordingAnswer::Page { listings, .. }) => Ok(listings.is_empty()),
        _ => Ok(false),
    }
}

fn answer(arrival: &Arrival<'_>, knock: Knock, guest: GuestClaims) -> Result<Response, RouteError> {
    let participant = guest.sub.clone();
    let claims = JoinClaims {
        name: knock.name,
        grants: guest.grants,
        role: guest.grants.moderate.then(roles::host),
        guest: Some(Guest { made: guest.made, from: None }),
        ..JoinClaims::new(guest.sub.clone(), knock.room)
    };
    let token = auth::sign_join(claims, arrival.env, limits::GUEST_TOKEN_LIFETIME_MS)?;
    let expires_at = clock::now().plus_ms(limits::GUEST_TOKEN_LIFETIME_MS);
    let admission = Admission { participant, pass: auth::sign_pass(guest, arrival.env)?, token, expires_at };
    let builder = ResponseBuilder::new().with_status(201).with_header("Cache-Control", "no-store")?;
    Ok(builder.from_json(&admission)?)
}

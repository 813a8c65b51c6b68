//! `/v1/rooms/{room}/events`: signaling for clients whose network blocks WebSockets.

use super::api::body;
use super::rooms::{self, Admitted, Way};
use super::{Arrival, RouteError, parse_room};
use crate::internal::{Address, Said};
use crate::refusal::Refusal;
use crate::{auth, event_stream, turnstile};
use edge_core::connection_key::Opened;
use shared::{ErrorCode, limits};
use worker::Response;

/// The largest frame, and some others.
const BODY_BYTES_MAX: usize = limits::OFFER_FRAME_BYTES_MAX + limits::SIGNAL_FRAME_BYTES_MAX;
const TOO_LARGE: Refusal = Refusal::new(ErrorCode::FrameTooLarge, "the frames are too large");
/// Query parameter with the code with which a client closes its connection after the frames.
const CLOSE: &str = "close";

/// `GET`: the frames for a client with a join token or a resume secret, as server-sent events.
pub(super) async fn listen(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    match rooms::admit(arrival, &parse_room(room)?, &arrival.offered, Way::Events).await? {
        Ok(Admitted { response, key }) => {
            Ok(event_stream::of_socket(&arrival.request, response, &key.unwrap_or_default())?)
        }
        Err(code) => Err(Refusal::bad_token(code).into()),
    }
}

/// `POST`: frames of a client, one per line. With `?close=<code>` the client closes the connection after them.
pub(super) async fn say(mut arrival: Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    let room = parse_room(room)?;
    let Opened { name, client } = auth::connection(&arrival.request, &room, arrival.env)?;
    turnstile::check_post(&room, &client)?;
    arrival.is_accepted.set(true);
    let body = body::collect_text(&mut arrival, BODY_BYTES_MAX, &TOO_LARGE).await?;
    let frames: Vec<String> = body.lines().filter(|line| !line.is_empty()).map(Into::into).collect();
    if frames.len() > limits::FRAMES_PER_POST_MAX {
        return Err(Refusal::new(ErrorCode::InvalidMessage, "too many frames for one request").into());
    }
    let url = arrival.request.inner().url();
    let mut parameters = url.split_once('?').map_or("", |(_, query)| query).split('&');
    let close = parameters.find_map(|parameter| parameter.strip_prefix(CLOSE)?.strip_prefix('=')).map(str::parse);
    let close = close.transpose().map_err(|_| Refusal::invalid("close: expected a close code"))?;
    let said = Said { connection: name, frames, close };
    let address = Address::room(&room, rooms::GENERATION, None);
    if !address.ask::<bool>(arrival.env, Said::PATH, &said).await? {
        return Err(Refusal::new(ErrorCode::NotFound, "the connection is closed").into());
    }
    Ok(Response::empty()?.with_status(204))
}

//! One request, one handler: each file takes a caller and the state, and changes the state or refuses.

mod adaptation;
mod admission;
mod allowance;
mod api;
pub(crate) mod assignment;
mod audience;
mod audit;
mod ban;
mod chat;
mod direct;
mod end;
mod fleet;
mod guest;
mod hello;
pub(crate) mod host;
mod join;
mod leave;
mod loudest;
mod moderate;
pub(crate) mod mute;
pub(crate) mod negotiate;
mod negotiation;
mod node;
mod pause;
mod peer;
mod presence;
pub(crate) mod progress;
mod record;
mod recordings;
mod report;
mod resume;
mod rules;
mod serve;
mod session;
mod socket;
mod standing;
mod start;
mod token;
pub(crate) mod turn;
mod view;
pub(crate) mod wake;

use crate::SocketId;
use crate::fleet::{PlaceAnswer, Relays};
use crate::room::asks::{Ask, Verb};
use crate::room::context::{Caller, Context};
use crate::room::handle::join::Asker;
use crate::room::handle::resume::Claim;
use crate::room::outbox::Refusal;
use crate::room::state::deadlines::Deadline;
use crate::room::state::members::{Absence, Renegotiation};
use crate::room::state::sockets::{Attachment, Bearer, Kind};
use shared::control::{ControlError, NodeToRoom, RecordingReport};
use shared::signal::{CallEnd, ClientFrame, ClientToEdge, FrameError};
use shared::{ErrorCode, NodeId, ParticipantId, UnixMillis};

#[derive(Clone, Debug)]
pub enum Input {
    /// A client or node was admitted; its attachment is already on the socket.
    SocketOpened(Attachment),
    ClientFrame {
        socket: SocketId,
        /// The result of `ClientFrame::parse`; for a binary frame, `FrameError::Malformed`.
        frame: Result<ClientFrame, FrameError>,
    },
    NodeFrame {
        socket: SocketId,
        /// The result of `Message::parse`.
        frame: Result<NodeToRoom, ControlError>,
    },
    /// A client's or a node's socket closed, or a send to it failed.
    SocketClosed {
        socket: SocketId,
        /// True if the peer announced that its page is gone: `close_code::is_page_gone`.
        going_away: bool,
    },
    /// The answer to [`Output::AskFleet`]; a failed call is `PlaceAnswer::Failed` with `Internal`.
    FleetAnswered {
        epoch: u64,
        answer: PlaceAnswer,
    },
    /// The answer to [`Output::AskTurn`]; a failed call needs none.
    TurnAnswered {
        epoch: u64,
        relays: Relays,
    },
    Heard {
        socket: SocketId,
        /// The platform's last answer to a ping on the socket; `None` if there was none.
        at: Option<UnixMillis>,
    },
    /// A node's report about a recording, sent over HTTP; answered by [`Output::AnswerReport`].
    RecordingReported {
        call: u64,
        node: NodeId,
        report: RecordingReport,
    },
    /// A request from the application's server; answered by [`Output::Answer`].
    Asked {
        request: u64,
        ask: Ask,
    },
    Deadline,
}

pub(crate) fn input(cx: &mut Context<'_>, input: Input) {
    match input {
        Input::SocketOpened(attachment) => socket::opened(cx, attachment),
        Input::ClientFrame { socket, frame } => client_frame(cx, socket, frame),
        Input::NodeFrame { socket, frame } => node::frame(cx, socket, frame),
        Input::SocketClosed { socket, going_away } => socket::closed(cx, socket, going_away),
        Input::FleetAnswered { epoch, answer } => fleet::answered(cx, epoch, answer),
        Input::TurnAnswered { epoch, relays } => fleet::turn_answered(cx, epoch, relays),
        Input::Heard { socket, at } => presence::heard(cx, socket, at),
        Input::RecordingReported { call, node, report } => report::reported(cx, call, &node, report),
        Input::Asked { request, ask } => api::asked(cx, request, ask),
        Input::Deadline => {}
    }
}

/// Handles a deadline that has passed.
pub(crate) fn alarm(cx: &mut Context<'_>, deadline: Deadline) {
    match deadline {
        Deadline::FirstFrame(socket) => socket::first_frame_due(cx, socket),
        Deadline::Resume(participant) => presence::resume_due(cx, &participant),
        Deadline::Silence(participant) => presence::silence_due(cx, &participant),
        Deadline::Ban(participant) => ban::due(cx.state, cx.now, &participant),
        Deadline::Standing(participant) => standing::due(cx.state, &participant),
        Deadline::Departed(participant) => drop(cx.state.departed.remove(&participant)),
        Deadline::Allowance(participant) => drop(cx.state.allowances.remove(&participant)),
        Deadline::UsedToken(jti) => drop(cx.state.used_tokens.remove(&jti)),
        Deadline::Guest(participant) => drop(cx.state.guests.remove(&participant)),
        Deadline::Placing => fleet::placing_due(cx),
        Deadline::Node(epoch) => assignment::node_due(cx, epoch),
        Deadline::Retired(epoch) => assignment::retired_due(cx, epoch),
        Deadline::EmptyRoom => end::forget(cx),
        Deadline::Start => progress::settle(cx),
        Deadline::Duration => end::end(cx, CallEnd::TimeLimit, None),
        Deadline::Act(number) => drop(cx.state.acts.remove(&number)),
        Deadline::Call(number) => drop(cx.state.calls.remove(&number)),
        // Handled at the end of the input.
        Deadline::Host
        | Deadline::Presence
        | Deadline::Audience
        | Deadline::Direct
        | Deadline::Reload
        | Deadline::Restart(_) => {}
        Deadline::Recording(recording) => record::due(cx.state, cx.now, &recording),
    }
}

fn client_frame(cx: &mut Context<'_>, socket: SocketId, frame: Result<ClientFrame, FrameError>) {
    let Some(Kind::Client { bearer, participant }) = cx.state.sockets.get(&socket).map(|socket| &socket.kind) else {
        return;
    };
    let (bearer, participant, now) = (bearer.clone(), participant.clone(), cx.now);
    let id = frame.as_ref().map_or_else(FrameError::id, |frame| frame.id);
    let refusal = match frame {
        _ if !allowance::spend(cx.state, bearer.participant(), |allowance| allowance.take_frame(now)) => {
            Refusal::new(ErrorCode::RateLimited, "too many frames")
        }
        Err(error) => Refusal::new(error.code(), error),
        Ok(frame) => {
            if let Err(refusal) = request(cx, socket, &bearer, participant, frame) {
                cx.outbox.refuse(socket, id, refusal);
            }
            return;
        }
    };
    let code = refusal.code;
    cx.outbox.refuse(socket, id, refusal);
    // A newer client may send unknown messages, and fields can be wrong: such frames are refused one by one.
    let counts = !matches!(code, ErrorCode::UnknownMessage | ErrorCode::InvalidMessage);
    if counts && !allowance::spend(cx.state, bearer.participant(), |allowance| allowance.take_bad_frame(now)) {
        if let Some(participant) = &participant {
            cx.refuse_waiting(participant, code);
            presence::lost(cx, participant, socket, Absence::lost(now, socket));
        }
        socket::refuse(cx, socket, code);
    }
}

fn request(
    cx: &mut Context<'_>,
    socket: SocketId,
    bearer: &Bearer,
    participant: Option<ParticipantId>,
    ClientFrame { id, message }: ClientFrame,
) -> Result<(), Refusal> {
    match (message, participant) {
        (ClientToEdge::Join { attempt, offer, tracks }, _) => match bearer {
            Bearer::Token(claims) => Ok(join::join(cx, Asker { socket, id, claims }, attempt, &offer, &tracks)?),
            Bearer::Secret(_) => {
                let message = "joining needs a socket that was opened with a join token";
                Err(Refusal::new(ErrorCode::BadToken, message))
            }
        },
        (ClientToEdge::Resume { session, resume_token: secret, chat_after, revision }, None) => {
            let participant = resume::holder(cx.state, cx.now, bearer, &secret);
            let caller = Caller { socket, participant, id };
            Ok(resume::resume(cx, &caller, &Claim { session, secret, chat_after, revision })?)
        }
        (message, Some(participant)) => {
            resume::note_secret_read(cx.state, &participant);
            request_of(cx, &Caller { socket, participant, id }, message)
        }
        (_, None) => Err(Refusal::new(ErrorCode::NotJoined, "this needs a join first")),
    }
}

fn request_of(cx: &mut Context<'_>, caller: &Caller, message: ClientToEdge) -> Result<(), Refusal> {
    let admit = matches!(message, ClientToEdge::AdmitGuest { .. });
    match message {
        ClientToEdge::Join { .. } | ClientToEdge::Resume { .. } => {
            return Err(Refusal::new(ErrorCode::AlreadyJoined, "this socket has already joined"));
        }
        ClientToEdge::Negotiate { offer, tracks: intents, reason } => {
            let request = Renegotiation { in_reply_to: caller.id, offer, intents, reason };
            negotiate::negotiate(cx, caller, request)?;
        }
        ClientToEdge::SetMuted { mid, muted } => mute::set_muted(cx, caller, &mid, muted)?,
        ClientToEdge::View { participants, lines } => view::view(cx, caller, participants, lines),
        ClientToEdge::Chat { message, text } => chat::chat(cx, caller, message, text)?,
        ClientToEdge::React { reaction } => chat::react(cx, caller, reaction)?,
        ClientToEdge::RaiseHand { raised } => chat::raise_hand(cx, caller, raised)?,
        ClientToEdge::LowerHand { participant } => chat::lower_hand(cx, caller, &participant)?,
        ClientToEdge::Kick { participant, reason, ban } => {
            moderate::moderate(cx, caller, Verb::Remove { participant, reason, ban })?;
        }
        ClientToEdge::LiftBan { participant } => moderate::moderate(cx, caller, Verb::LiftBan { participant })?,
        ClientToEdge::AdmitGuest { participant } | ClientToEdge::RefuseGuest { participant } => {
            moderate::moderate(cx, caller, Verb::AnswerGuest { participant, admit })?;
        }
        ClientToEdge::ListPeerServers {} => direct::servers(cx, caller)?,
        ClientToEdge::ReportDirect { number, up } => direct::report(cx, caller, number, up),
        ClientToEdge::Seek {} => peer::seek(cx, caller)?,
        ClientToEdge::Signal { to, message, link, signal } => {
            peer::signal(cx, caller, peer::Letter { to, message, link, signal })?;
        }
        ClientToEdge::ListBans {} => ban::list(cx, caller)?,
        ClientToEdge::ListAudience { after } => audience::list(cx, caller, after.as_ref()),
        ClientToEdge::MuteTrack { participant, track, hold } => {
            moderate::moderate(cx, caller, Verb::MuteTrack { participant, track, hold })?;
        }
        ClientToEdge::UpdateParticipant { participant, change } => {
            moderate::moderate(cx, caller, Verb::UpdateParticipant { participant, change })?;
        }
        ClientToEdge::UpdateRoom { change } => moderate::moderate(cx, caller, Verb::UpdateRoom { change })?,
        ClientToEdge::StartRoom {} => moderate::moderate(cx, caller, Verb::Start)?,
        ClientToEdge::PauseRoom { reason } => moderate::moderate(cx, caller, Verb::Pause { reason })?,
        ClientToEdge::ResumeRoom {} => moderate::moderate(cx, caller, Verb::Resume)?,
        ClientToEdge::EndRoom { reason } => moderate::moderate(cx, caller, Verb::End { reason })?,
        ClientToEdge::StartRecording {} => record::start(cx, caller)?,
        ClientToEdge::StopRecording {} => record::stop(cx, caller)?,
        ClientToEdge::Leave {} => leave::leave(cx, caller),
    }
    Ok(())
}

//! Executes a core's outputs: store, send, close, set the alarm. All side effects of `edge` are here.
//!
//! A core emits `Store` before any output to a client, and outputs are executed in order without yielding. The platform
//! holds frames back until earlier writes are on disk (the output gate), so a crash cannot undo a change that clients
//! have already seen.

use crate::internal::recordings::Verdict;
use crate::sockets::Sockets;
use crate::store::Store;
use crate::{clock, log};
use edge_core::fleet::{self, News, PlaceAnswer, PlaceRequest};
use edge_core::storage::RestoreError;
use edge_core::{SocketId, room};
use shared::control::Message;
use shared::{Region, UnixMillis};
use std::cell::Cell;
use std::time::Duration;
use worker::{Response, Result, State};

/// Pause after a failed alarm that the platform does not repeat.
const ALARM_RETRY_MS: u64 = 2_000;

/// Longest delay of an alarm: the platform refuses distant dates. An early alarm sets the next.
const ALARM_DELAY_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// The platform's half of an object.
pub(crate) struct Shell {
    pub(crate) store: Store,
    pub(crate) sockets: Sockets,
    /// The time of the pending alarm, as far as this instance knows.
    alarm_at: Cell<Option<UnixMillis>>,
}

/// Follow-up work after executing outputs; each item becomes another input.
#[derive(Default)]
pub(crate) struct Leftover {
    /// Sockets that turned out to be gone.
    pub(crate) lost: Vec<SocketId>,
    pub(crate) asks: Vec<PlaceRequest>,
    pub(crate) turn_asks: Vec<(u64, Region)>,
    /// Times of clients' last `ping`, if the room asked.
    pub(crate) heard: Vec<(SocketId, Option<UnixMillis>)>,
    /// Answers for the application's server, by call.
    pub(crate) api_answers: Vec<(u64, room::Answer)>,
    /// Answers for Room objects, by call.
    pub(crate) answers: Vec<(u64, PlaceAnswer)>,
    /// For the Fleet objects of all other regions.
    pub(crate) news: Option<News>,
    /// Answers for nodes that reported on recordings, by call.
    pub(crate) verdicts: Vec<(u64, Verdict)>,
}

impl Shell {
    pub(crate) fn new(state: State) -> Self {
        let store = Store::new(state.storage());
        Self { store, sockets: Sockets::new(state), alarm_at: Cell::new(None) }
    }

    pub(crate) fn room(&self, output: room::Output, leftover: &mut Leftover) -> Result<()> {
        match output {
            room::Output::Store(changes) => self.store.write(changes)?,
            room::Output::SendClient { socket, message } => self.send(socket, &message.to_json(), leftover),
            room::Output::SendClients { sockets, message } => {
                leftover.lost.extend(self.sockets.send_all(&sockets, &message.to_json()));
            }
            room::Output::SendNode { socket, message } => self.send(socket, &message.to_json(), leftover),
            room::Output::CloseClient { socket, code } | room::Output::CloseNode { socket, code } => {
                self.sockets.close(socket, code)?;
            }
            room::Output::AskFleet(request) => leftover.asks.push(request),
            room::Output::Answer { request, answer } => leftover.api_answers.push((request, answer)),
            room::Output::AskHeard { socket } => leftover.heard.push((socket, self.sockets.pinged_at(socket)?)),
            room::Output::AskTurn { epoch, region } => leftover.turn_asks.push((epoch, region)),
            room::Output::AnswerReport { call, verdict, leftovers } => {
                leftover.verdicts.push((call, Verdict { verdict, leftovers }));
            }
        }
        Ok(())
    }

    pub(crate) fn fleet(&self, output: fleet::Output, leftover: &mut Leftover) -> Result<()> {
        match output {
            fleet::Output::Store(changes) => self.store.write(changes)?,
            fleet::Output::Attach(attachment) => self.sockets.attach(&attachment)?,
            fleet::Output::Send { socket, message } => self.send(socket, &message.to_json(), leftover),
            fleet::Output::Close { socket, code } => self.sockets.close(socket, code)?,
            fleet::Output::Answer { request, answer } => leftover.answers.push((request, answer)),
            fleet::Output::Tell(news) => leftover.news = Some(news),
        }
        Ok(())
    }

    /// Ensures that the alarm fires at `deadline` or earlier: a core ignores an early alarm, and each change costs a
    /// write.
    pub(crate) async fn arm(&self, deadline: Option<UnixMillis>) -> Result<()> {
        let Some(deadline) = deadline.filter(|deadline| !self.is_armed(Some(*deadline))) else { return Ok(()) };
        let deadline = deadline.min(clock::now().plus_ms(ALARM_DELAY_MS_MAX));
        // Set before the await, during which other inputs may arm as well.
        self.alarm_at.set(Some(deadline));
        let delay = Duration::from_millis(deadline.since_ms(clock::now()));
        let armed = self.store.set_alarm(delay).await;
        if armed.is_err() {
            self.alarm_at.set(None);
        }
        armed
    }

    /// True if the alarm fires by then.
    pub(crate) fn is_armed(&self, deadline: Option<UnixMillis>) -> bool {
        deadline.is_none_or(|deadline| self.alarm_at.get().is_some_and(|armed| armed <= deadline))
    }

    /// Ends the handling of an alarm. The platform repeats a failed alarm (at least once, with growing pauses) unless a
    /// new one was set in the meantime; then that one must not be late.
    pub(crate) async fn end_alarm(&self, result: Result<()>) -> Result<Response> {
        if result.is_err() && self.alarm_at.get().is_some() {
            self.arm(Some(clock::now().plus_ms(ALARM_RETRY_MS))).await?;
        }
        result.and_then(|()| Response::empty())
    }

    /// Logs each unreadable row, and deletes the disposable ones.
    pub(crate) fn give_up(
        &self,
        object: &dyn std::fmt::Display,
        unreadable: &[RestoreError],
        is_disposable: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for error in unreadable {
            let outcome = if is_disposable(error.key()) { "deleted" } else { "kept" };
            let fields: [(&str, &dyn std::fmt::Display); 4] =
                [("object", object), ("row", &error.key()), ("error", error), ("outcome", &outcome)];
            log::line(log::Level::Error, "row_unreadable", &fields);
        }
        let doomed = unreadable.iter().map(RestoreError::key).filter(|key| is_disposable(key));
        self.store.delete(doomed.map(Into::into).collect())
    }

    pub(crate) fn alarm_went_off(&self) {
        self.alarm_at.set(None);
    }

    pub(crate) async fn wipe(&self) -> Result<()> {
        self.alarm_at.set(None);
        self.store.wipe().await
    }

    /// Sends a frame. A failure only marks the socket as closed and never aborts the input.
    fn send(&self, socket: SocketId, text: &str, leftover: &mut Leftover) {
        if !self.sockets.send(socket, text) {
            leftover.lost.push(socket);
        }
    }
}

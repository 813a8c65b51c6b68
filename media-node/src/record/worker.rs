//! The recorder's thread: sorts the shards' copies into the segments that the rooms ordered.
//!
//! An order overtakes earlier packets, which wait in a shard's batch or in the queue. So whatever an order ends
//! continues until each shard has handed over everything that it had copied by then.

use super::context::Shared;
use super::keeper::Keeper;
use super::order::{Order, RoomLine};
use super::queue::{BATCHES_MAX, Copied, Inlet};
use super::spool::{Folder, Spool, is_full};
use super::upload::{Standing, Upload};
use crate::clock::Clock;
use crate::shard::{Command, Shard};
use anyhow::Result;
use media_core::record::reorder::Packet;
use media_core::record::segment::{Output, Segment};
use media_core::record::tap::TapNumber;
use media_core::traced::of_log;
use shared::control::{NodeToRoom, RecordingOrder};
use shared::{NodeId, RoomId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Interval of checks for parts to which nothing is added.
const TICK: Duration = Duration::from_millis(250);
/// A shard that has not handed over its copies after this long never will: its thread has ended.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);
/// Most segments that wait for the disk after their end; each may keep 32 MiB.
const CLOSING_MAX: usize = 16;

/// Identifies a segment: a room may have one that ends beside one that begins.
type SegmentNumber = u64;

/// The thread's half of the recorder.
pub(super) struct Worker {
    node: NodeId,
    root: PathBuf,
    shared: Arc<Shared>,
    shards: Arc<[Shard]>,
    clock: Clock,
    tasks: Handle,
    uploads: JoinSet<()>,
    segments: BTreeMap<SegmentNumber, Active>,
    /// The segment that a room's orders are for.
    current: BTreeMap<RoomId, SegmentNumber>,
    taps: BTreeMap<(u16, TapNumber), SegmentNumber>,
    numbered: u64,
    endings: Vec<Ending>,
    /// Segments that are over but for what waits for the disk.
    closing: VecDeque<(Keeper, watch::Sender<Standing>)>,
    /// Told when everything is over.
    stopping: Option<oneshot::Sender<()>>,
}

/// A segment that is being recorded.
struct Active {
    room: RoomId,
    epoch: u64,
    /// The shard that last copied something for it.
    shard: u16,
    segment: Segment,
    keeper: Keeper,
    standing: watch::Sender<Standing>,
}

/// An end by an order, pending until everything copied before it has arrived.
struct Ending {
    segment: SegmentNumber,
    /// If true, the whole segment ends, otherwise only the part missing from its order.
    is_whole: bool,
    at_us: i64,
    /// The number that the shards return with their copies.
    number: u64,
    /// Shards that have not returned it yet.
    awaited: BTreeSet<u16>,
    until: Instant,
}

impl Worker {
    pub(super) fn new(node: NodeId, root: PathBuf, shared: Arc<Shared>, shards: Arc<[Shard]>, clock: Clock) -> Self {
        Self {
            node,
            root,
            shared,
            shards,
            clock,
            tasks: Handle::current(),
            uploads: JoinSet::new(),
            segments: BTreeMap::new(),
            current: BTreeMap::new(),
            taps: BTreeMap::new(),
            numbered: 0,
            endings: Vec::new(),
            closing: VecDeque::new(),
            stopping: None,
        }
    }

    /// Resumes the segments left behind by an earlier process.
    pub(super) fn recover(&mut self) -> Result<()> {
        for folder in Folder::leftovers(&self.root, &self.shared.space)? {
            let manifest = &folder.head.manifest;
            tracing::info!(recording = %manifest.recording, epoch = manifest.epoch, "resuming an unfinished recording");
            // The sender may be dropped: its last value stays.
            let (_, standing) = watch::channel(Standing { is_over: true, ..Standing::default() });
            self.upload(folder, standing);
        }
        Ok(())
    }

    fn upload(&mut self, folder: Folder, standing: watch::Receiver<Standing>) {
        let upload = Upload::new(Arc::clone(&self.shared), folder, standing);
        self.uploads.spawn_on(upload.run(), &self.tasks);
    }

    /// Runs until it is stopped and every segment has ended.
    pub(super) async fn run(mut self, inlet: Inlet, mut orders: mpsc::Receiver<Order>) {
        let Inlet { mut batches, pool } = inlet;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Orders first: a track must be known before its packets arrive. Time last: packets that wait in the queue
            // are not late.
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Set { at, order, line }) => self.set(at, *order, line),
                    Some(Order::Stop(done)) => self.stop(done),
                    None => return,
                },
                Some(copied) = batches.recv() => {
                    self.take(&copied);
                    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
                    if pool.len() < BATCHES_MAX {
                        pool.push(copied.batch);
                    }
                }
                _ = tick.tick() => self.tick(),
            }
            while self.uploads.try_join_next().is_some() {}
            if self.segments.is_empty()
                && self.closing.is_empty()
                && let Some(done) = self.stopping.take()
            {
                while self.uploads.join_next().await.is_some() {}
                // The caller may have stopped waiting.
                let _ = done.send(());
                return;
            }
        }
    }

    fn set(&mut self, at: Instant, order: Option<RecordingOrder>, line: RoomLine) {
        let (room, epoch) = (&line.room, line.epoch);
        let at_us = self.clock.micros(at);
        let current = self.current.get(room).and_then(|number| Some((*number, self.segments.get(number)?)));
        if let Some((number, active)) = current {
            if active.epoch > epoch {
                return;
            }
            if !active.is_of(room, epoch, order.as_ref()) {
                self.current.remove(room);
                self.end(number, true, at_us);
            }
        }
        let Some(order) = order else { return };
        let Some(number) = self.current.get(room).copied().or_else(|| self.begin(&line, &order)) else {
            return;
        };
        let Some(active) = self.segments.get_mut(&number) else { return };
        active.standing.send_modify(|standing| standing.room = (standing.room.0 + 1, Some(line)));
        active.segment.set_order(at_us, order);
        let is_missing = active.segment.has_missing();
        self.drain(number);
        if is_missing {
            self.end(number, false, at_us);
        }
    }

    /// The segment of an order: one that was about to end, or a new one. `None` if that is impossible.
    fn begin(&mut self, line: &RoomLine, order: &RecordingOrder) -> Option<SegmentNumber> {
        let (room, epoch) = (&line.room, line.epoch);
        let ending = self.segments.iter().find(|(_, active)| active.is_of(room, epoch, Some(order)));
        let number = match ending.map(|(number, _)| *number) {
            Some(number) => {
                self.endings.retain(|ending| ending.segment != number || !ending.is_whole);
                number
            }
            None => match self.open(room, epoch, order) {
                Ok(number) => number,
                Err(error) => {
                    tracing::error!(%room, error = format!("{error:#}"), "starting a recording failed");
                    let recording = order.recording.clone();
                    let code = Some(shared::ErrorCode::RecordingFailed);
                    let state = shared::signal::RecordingState::Failed;
                    // A room that is not listening asks again.
                    line.tell(NodeToRoom::RecordingState { recording, state, code });
                    return None;
                }
            },
        };
        self.current.insert(room.clone(), number);
        Some(number)
    }

    fn open(&mut self, room: &RoomId, epoch: u64, order: &RecordingOrder) -> Result<SegmentNumber> {
        let mut spool = Spool::new(&self.root, &self.node, room, epoch, order);
        // A full disk may have space again before memory is full.
        spool.create().or_else(|error| if is_full(&error) { Ok(()) } else { Err(error) })?;
        let (standing, stands) = watch::channel(Standing::default());
        self.upload(spool.folder(), stands);
        let (trace, parent) = of_log(order.trace);
        tracing::info!(%room, epoch, recording = %order.recording, trace, parent, "recording");
        self.numbered += 1;
        let keeper = Keeper::new(spool, Arc::clone(&self.shared.space));
        let segment = Segment::new(order, epoch);
        self.segments.insert(self.numbered, Active { room: room.clone(), epoch, shard: 0, segment, keeper, standing });
        Ok(self.numbered)
    }

    /// Ends a segment, or the part missing from its order, once all shards have handed over their copies.
    fn end(&mut self, segment: SegmentNumber, is_whole: bool, at_us: i64) {
        self.numbered += 1;
        let number = self.numbered;
        for shard in self.shards.iter() {
            shard.nudge(Command::HandOver(number));
        }
        let awaited = self.shards.iter().map(Shard::index).collect();
        let until = Instant::now() + HAND_OVER_TIMEOUT;
        self.endings.push(Ending { segment, is_whole, at_us, number, awaited, until });
    }

    /// Executes the pending ends for which nothing is awaited any longer.
    fn conclude(&mut self) {
        let now = Instant::now();
        let is_due = |ending: &Ending| ending.awaited.is_empty() || ending.until <= now;
        let (due, waiting) = std::mem::take(&mut self.endings).into_iter().partition(is_due);
        self.endings = waiting;
        for Ending { segment: number, is_whole, at_us, .. } in due {
            let Some(active) = self.segments.get_mut(&number) else { continue };
            match is_whole {
                true => active.segment.finish(at_us),
                false => active.segment.end_missing(at_us),
            }
            self.drain(number);
            if !is_whole {
                continue;
            }
            self.taps.retain(|_, of| *of != number);
            if let Some(Active { keeper, standing, .. }) = self.segments.remove(&number) {
                self.close(keeper, standing);
            }
        }
    }

    /// Ends a segment once all of it is on disk.
    fn close(&mut self, mut keeper: Keeper, standing: watch::Sender<Standing>) {
        if keeper.write().is_ok() {
            standing.send_modify(|standing| standing.is_over = true);
            return;
        }
        tracing::error!(bytes = keeper.waiting_bytes(), "the end of a recording waits for the disk");
        if self.closing.len() >= CLOSING_MAX
            && let Some((keeper, standing)) = self.closing.pop_front()
        {
            tracing::error!(bytes = keeper.waiting_bytes(), "the end of a recording could not be written and is lost");
            standing.send_modify(|standing| standing.is_over = true);
        }
        self.closing.push_back((keeper, standing));
    }

    fn take(&mut self, copied: &Copied) {
        let shard = copied.shard;
        for opened in &copied.batch.opened {
            let Some(number) = self.current.get(&opened.room) else { continue };
            let Some(active) = self.segments.get_mut(number) else { continue };
            active.shard = shard;
            active.segment.open(opened.tap, opened.track.clone());
            self.taps.insert((shard, opened.tap), *number);
        }
        let mut touched: Vec<SegmentNumber> = Vec::new();
        for taken in &copied.batch.packets {
            let Some(number) = self.taps.get(&(shard, taken.tap)) else { continue };
            let Some(active) = self.segments.get_mut(number) else { continue };
            active.segment.packet(
                taken.tap,
                Packet {
                    index: taken.index,
                    timestamp: taken.timestamp,
                    marker: taken.marker,
                    received_us: taken.received_us,
                    captured_us: taken.captured_us,
                    codec: taken.codec,
                    payload: copied.batch.payload(taken).to_vec(),
                },
            );
            if !touched.contains(number) {
                touched.push(*number);
            }
        }
        for number in touched {
            self.drain(number);
        }
        if let Some(asked_for) = copied.asked_for {
            for ending in self.endings.iter_mut().filter(|ending| ending.number <= asked_for) {
                ending.awaited.remove(&shard);
            }
            self.conclude();
        }
    }

    fn tick(&mut self) {
        let now_us = self.clock.micros(Instant::now());
        let numbers: Vec<SegmentNumber> = self.segments.keys().copied().collect();
        for number in numbers {
            if let Some(active) = self.segments.get_mut(&number) {
                active.segment.tick(now_us);
            }
            self.drain(number);
        }
        self.closing.retain_mut(|(keeper, standing)| {
            let is_written = keeper.write().is_ok();
            if is_written {
                standing.send_modify(|standing| standing.is_over = true);
            }
            !is_written
        });
        self.conclude();
    }

    fn drain(&mut self, number: SegmentNumber) {
        let Some(active) = self.segments.get_mut(&number) else { return };
        while let Some(output) = active.segment.poll_output() {
            match output {
                Output::Part { .. } | Output::Row(_) => active.keeper.keep(output),
                Output::WantKeyframe(track) => {
                    if let Some(shard) = self.shards.get(usize::from(active.shard)) {
                        shard.nudge(Command::WantKeyframe { room: active.room.clone(), track });
                    }
                }
            }
        }
        let stuck = active.keeper.write().err();
        active.standing.send_if_modified(|standing| std::mem::replace(&mut standing.stuck, stuck) != stuck);
    }

    fn stop(&mut self, done: oneshot::Sender<()>) {
        let now_us = self.clock.micros(Instant::now());
        for number in std::mem::take(&mut self.current).into_values() {
            self.end(number, true, now_us);
        }
        self.stopping = Some(done);
    }
}

impl Active {
    /// True if an order is for this segment.
    fn is_of(&self, room: &RoomId, epoch: u64, order: Option<&RecordingOrder>) -> bool {
        let is_same = |order: &RecordingOrder| order.recording == self.segment.order().recording;
        self.room == *room && self.epoch == epoch && order.is_some_and(is_same)
    }
}

#[cfg(test)]
mod tests;

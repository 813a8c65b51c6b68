//! A robot that stays in the call, whatever dies: resumes at the edge, and moves to another media or TURN node.

use crate::guest::{publish, relayed};
use anyhow::{Context, Result, bail};
use robot::{Event, MediaFile, Options, Refused, Robot};
use shared::rtp_parameters::MediaKind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

/// A client considers a silent node dead after this time.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Others move as well, so after each move a robot waits twice as long for their media, up to this.
const SILENCE_MAX: Duration = Duration::from_secs(12);
/// The place of a participant without a socket is kept for 30 s.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(300);

pub struct Survivor {
    pub name: String,
    pub is_relayed: bool,
    ears: Arc<Mutex<Ears>>,
    end: oneshot::Sender<()>,
    thread: JoinHandle<Result<()>>,
}

/// The arrival of the latest sound of each other participant.
#[derive(Debug, Default)]
pub struct Ears {
    heard: BTreeMap<String, Instant>,
    longest_gap: Duration,
}

impl Ears {
    fn hear(&mut self, who: &str, at: Instant) {
        match self.heard.get_mut(who) {
            Some(last) => {
                self.longest_gap = self.longest_gap.max(at.saturating_duration_since(*last));
                *last = at.max(*last);
            }
            None => drop(self.heard.insert(who.to_owned(), at)),
        }
    }

    /// The longest gap so far; one that still lasts counts.
    fn gap(&self, now: Instant) -> Duration {
        let lasting = self.heard.values().map(|last| now.saturating_duration_since(*last));
        lasting.fold(self.longest_gap, Duration::max)
    }
}

impl Survivor {
    pub fn start(
        name: &str,
        url: &str,
        token: &str,
        publishes: bool,
        is_relayed: bool,
        media: &Arc<MediaFile>,
    ) -> Result<Self> {
        let mut options = Options::new(url, token);
        options.slots = 4;
        if !publishes {
            options.publish.clear();
        }
        let ears = Arc::new(Mutex::new(Ears::default()));
        let (end, ended) = oneshot::channel();
        let (own, media) = (Arc::clone(&ears), Arc::clone(media));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
            runtime.block_on(live(options, is_relayed, &media, &own, ended))
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run).context("starting a thread")?;
        Ok(Self { name: name.to_owned(), is_relayed, ears, end, thread })
    }

    fn ears(&self) -> MutexGuard<'_, Ears> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the gaps so far.
    pub fn listen_anew(&self) {
        self.ears().longest_gap = Duration::ZERO;
    }

    #[must_use]
    pub fn gap(&self) -> Duration {
        self.ears().gap(Instant::now())
    }

    /// True if this many others were heard within the last half second.
    #[must_use]
    pub fn hears(&self, others: usize) -> bool {
        let is_fresh = |last: &&Instant| last.elapsed() < Duration::from_millis(500);
        self.ears().heard.values().filter(is_fresh).count() >= others
    }

    /// True if the robot is no longer in the room, which is an error.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Lets the robot leave.
    pub fn leave(self) -> Result<()> {
        // A robot that has ended by itself says why.
        let _ = self.end.send(());
        self.thread.join().map_err(|_| anyhow::anyhow!("a robot panicked"))?.context(self.name)
    }
}

async fn live(
    options: Options,
    is_relayed: bool,
    media: &Arc<MediaFile>,
    ears: &Mutex<Ears>,
    mut end: oneshot::Receiver<()>,
) -> Result<()> {
    let options = if is_relayed { relayed(options).await? } else { options };
    let mut robot = Robot::join(&options).await?;
    let publishes = !options.publish.is_empty();
    let mut publishing = publishes.then(|| publish(&robot, media));
    // The first in the room hears nobody for a while.
    let (mut heard, mut patience) = (Instant::now(), SILENCE_MAX);
    loop {
        let is_silent = tokio::select! {
            _ = &mut end => break,
            () = sleep_until((heard + patience).into()) => true,
            event = robot.next() => match event {
                Ok(Event::Frame(frame)) => {
                    let at = robot.arrived_at().unwrap_or_else(Instant::now);
                    (heard, patience) = (at.max(heard), SILENCE);
                    let who = robot.track(frame.csrc).map(|(who, _)| who.id.to_string());
                    if let (MediaKind::Audio, Some(who)) = (frame.kind, who) {
                        ears.lock().unwrap_or_else(PoisonError::into_inner).hear(&who, at);
                    }
                    continue;
                }
                Ok(Event::RosterChanged | Event::Recording(_)) => continue,
                Ok(Event::Removed(code)) => bail!("removed: {code}"),
                Ok(Event::Disconnected) | Err(_) => false,
            },
        };
        let has_moved = recover(&mut robot, is_silent).await?;
        // Frames that arrived meanwhile have not been read yet.
        heard = Instant::now();
        if has_moved {
            patience = (2 * patience).min(SILENCE_MAX);
            if let Some(before) = publishing.take() {
                before.abort();
                publishing = Some(publish(&robot, media));
            }
        }
    }
    robot.leave().await
}

/// Returns true if the robot has another transport.
async fn recover(robot: &mut Robot, is_silent: bool) -> Result<bool> {
    let deadline = Instant::now() + RECOVERY_TIMEOUT;
    let mut is_silent = is_silent;
    loop {
        let error = match once(robot, is_silent).await {
            Ok(has_moved) => return Ok(has_moved),
            Err(error) => error,
        };
        let is_final = error.downcast_ref::<Refused>().is_some_and(|Refused { code }| !code.may_retry());
        if Instant::now() > deadline || (is_final && !is_silent) {
            return Err(error.context("the call is lost"));
        }
        // The socket may be the cause.
        is_silent = false;
        tokio::time::sleep(RETRY).await;
    }
}

async fn once(robot: &mut Robot, is_silent: bool) -> Result<bool> {
    let is_dead = match is_silent {
        true => robot.report_dead().await.map(|()| true)?,
        false => robot.resume().await?,
    };
    if is_dead {
        robot.renew().await?;
    }
    Ok(is_dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_until_the_next_frame_or_until_now() {
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        let mut ears = Ears::default();
        assert_eq!(ears.gap(later(0)), Duration::ZERO);
        for ms in [0, 20, 420, 440] {
            ears.hear("ada", later(ms));
        }
        assert_eq!(ears.gap(later(450)).as_millis(), 400);
        assert_eq!(ears.gap(later(1_440)).as_millis(), 1_000);
        // Frames of a transport that was replaced may be read late.
        ears.hear("ada", later(430));
        assert_eq!(ears.gap(later(450)).as_millis(), 400);
    }
}

//! One robot in a room, on a thread and a runtime of its own: when that runtime is dropped, nothing of the robot
//! lives on, as after the death of a browser.

use anyhow::{Context, Result, bail};
use robot::{Arrival, Event, MediaFile, Options, Robot, relays_over_udp};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// A robot that wants to record publishes for this long before it leaves, so that there is something to record.
const RECORDED: Duration = Duration::from_secs(4);
/// Time for the robot that only asks for the TURN servers.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// The behaviour of a robot in its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub room: String,
    pub name: String,
    pub publishes: bool,
    /// All media goes through a TURN node.
    pub is_relayed: bool,
    pub records: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Leave,
    /// Stops the recording first.
    StopAndLeave,
    /// Without a goodbye of any kind.
    Vanish,
}

pub struct Guest {
    pub part: Part,
    end: oneshot::Sender<End>,
    thread: JoinHandle<Result<()>>,
}

impl Guest {
    pub fn start(part: Part, url: &str, token: &str, media: &Arc<MediaFile>) -> Result<Self> {
        let (end, ended) = oneshot::channel();
        let mut options = Options::new(url, token);
        options.slots = 4;
        if !part.publishes {
            options.publish.clear();
        }
        let (own, media) = (part.clone(), Arc::clone(media));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
            runtime
                .block_on(stay(&own, options, &media, ended))
                .with_context(|| format!("{} in {}", own.name, own.room))
        };
        let thread = std::thread::Builder::new().name(part.name.clone()).spawn(run).context("starting a thread")?;
        Ok(Self { part, end, thread })
    }

    /// True if the robot has ended by itself, which is an error.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Lets the robot go without waiting for it.
    pub fn end(self, how: End) -> Ended {
        // A robot that has ended by itself says why.
        let _ = self.end.send(how);
        Ended { thread: self.thread }
    }
}

/// A robot on its way out.
pub struct Ended {
    thread: JoinHandle<Result<()>>,
}

impl Ended {
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it is gone.
    pub fn join(self) -> Result<()> {
        self.thread.join().map_err(|_| anyhow::anyhow!("a robot panicked"))?
    }
}

pub(crate) fn publish(robot: &Robot, media: &Arc<MediaFile>) -> tokio::task::JoinHandle<()> {
    let (publisher, media) = (robot.publisher(), Arc::clone(media));
    tokio::spawn(async move { while publisher.publish_file(&media).await.is_ok() {} })
}

async fn stay(part: &Part, options: Options, media: &Arc<MediaFile>, end: oneshot::Receiver<End>) -> Result<()> {
    let options = if part.is_relayed { relayed(options).await? } else { options };
    let mut robot = Robot::join(&options).await?;
    let publishing = part.publishes.then(|| publish(&robot, media));
    if part.records {
        robot.record(true).await?;
        during(&mut robot, sleep(RECORDED)).await?;
    }
    // Without a sender the program is over.
    let how = during(&mut robot, end).await?.unwrap_or(End::Vanish);
    match how {
        End::Vanish => return Ok(()),
        End::StopAndLeave => robot.record(false).await?,
        End::Leave => {}
    }
    robot.leave().await?;
    drop(publishing);
    Ok(())
}

/// Takes part in the room until something else is over.
async fn during<T>(robot: &mut Robot, over: impl Future<Output = T>) -> Result<T> {
    tokio::pin!(over);
    loop {
        tokio::select! {
            done = &mut over => return Ok(done),
            event = robot.next() => match event? {
                Event::Frame(_) | Event::RosterChanged | Event::Recording(_) => {}
                lost @ (Event::Removed(_) | Event::Disconnected) => bail!("{lost:?}"),
            },
        }
    }
}

/// The TURN servers are part of the answer to a join, so the robot joins twice; the second time replaces the first.
pub(crate) async fn relayed(options: Options) -> Result<Options> {
    let first = Options { publish: Vec::new(), ..options.clone() };
    let ask = async { Arrival::open(&first).await?.join().await };
    let admission = timeout(ASK_TIMEOUT, ask).await.context("asking for TURN servers takes too long")??;
    let relays = relays_over_udp(admission.ice_servers());
    if relays.is_empty() {
        bail!("the edge names no TURN server");
    }
    Ok(Options { relays, ..options })
}

/// The media that every robot publishes: three seconds with sound.
pub fn media() -> Result<Arc<MediaFile>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    let media = MediaFile::read(Some(&folder.join("picture.ivf")), Some(&folder.join("sound.ogg")))?;
    Ok(Arc::new(media))
}

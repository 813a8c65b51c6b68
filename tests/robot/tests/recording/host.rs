//! A participant that publishes and may record.

use super::PATIENCE;
use robot::{Event, MediaFile, Options, Robot};
use shared::signal::{RecordingInfo, RecordingState, TrackSource};
use stack::Stack;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A client considers a silent node dead after this time.
const SILENCE: Duration = Duration::from_millis(1_500);

/// A file of three seconds.
pub(crate) fn media() -> MediaFile {
    media_with("picture.ivf")
}

/// The same file with another video.
pub(crate) fn media_with(picture: &str) -> MediaFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    MediaFile::read(Some(&folder.join(picture)), Some(&folder.join("sound.ogg"))).expect("test media")
}

/// A participant that publishes a file in a loop and may record.
pub(crate) struct Host {
    pub(crate) robot: Robot,
    media: MediaFile,
    publishing: JoinHandle<()>,
}

impl Host {
    pub(crate) async fn join(stack: &Stack, room: &str) -> Self {
        Self::join_with(stack, room, media()).await
    }

    pub(crate) async fn join_with(stack: &Stack, room: &str, media: MediaFile) -> Self {
        Self::join_as(stack, room, "ada", media).await
    }

    pub(crate) async fn join_as(stack: &Stack, room: &str, name: &str, media: MediaFile) -> Self {
        Self::join_at(&stack.room_url(room), &stack.token(room, name), media).await
    }

    pub(crate) async fn join_at(url: &str, token: &str, media: MediaFile) -> Self {
        let mut options = Options::new(url, token);
        options.publish = vec![TrackSource::Microphone, TrackSource::Camera];
        options.slots = 1;
        options.video = vec![media.codec];
        let robot = Robot::join(&options).await.expect("joins");
        let publishing = publish(&robot, media.clone());
        Self { robot, media, publishing }
    }

    pub(crate) async fn wait_for(&mut self, state: RecordingState) -> RecordingInfo {
        wait_for(&mut self.robot, state).await
    }

    pub(crate) async fn ask_for_recording(&mut self) {
        self.robot.record(true).await.expect("asks");
    }

    pub(crate) async fn start(&mut self) {
        self.ask_for_recording().await;
        self.wait_for(RecordingState::Recording).await;
    }

    /// Stops the recording, and waits for its files.
    pub(crate) async fn stop(&mut self) -> RecordingInfo {
        self.robot.record(false).await.expect("asks");
        self.wait_for(RecordingState::Finishing).await;
        self.wait_for(RecordingState::Ready).await
    }

    /// Moves to another node, as a client does if its own is silent or about to stop.
    pub(crate) async fn move_on(&mut self, is_dead: bool) {
        move_on(&mut self.robot, is_dead).await;
        self.publishing.abort();
        self.publishing = publish(&self.robot, self.media.clone());
    }

    /// Disconnects abruptly, like a reloaded page.
    pub(crate) fn vanish(self) {
        self.publishing.abort();
    }

    pub(crate) async fn leave(self) {
        self.publishing.abort();
        self.robot.leave().await.expect("leaves");
    }
}

/// Waits for this state of the room's recording.
pub(crate) async fn wait_for(robot: &mut Robot, state: RecordingState) -> RecordingInfo {
    let seen = async {
        loop {
            match robot.next().await.expect("the room goes on") {
                Event::Recording(info) if info.state == state => return info,
                Event::Recording(info) => assert_ne!(info.state, RecordingState::Failed, "{info:?}"),
                Event::RosterChanged | Event::Frame(_) | Event::Disconnected => {}
                Event::Removed(code) => panic!("removed: {code}"),
            }
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never {state:?}"))
}

fn publish(robot: &Robot, media: MediaFile) -> JoinHandle<()> {
    let publisher = robot.publisher();
    tokio::spawn(async move { while publisher.publish_file(&media).await.is_ok() {} })
}

/// Joins without publishing.
pub(crate) async fn join_as_viewer(stack: &Stack, room: &str, name: &str) -> Robot {
    let mut options = Options::new(&stack.room_url(room), &stack.token(room, name));
    options.publish = Vec::new();
    options.slots = 1;
    Robot::join(&options).await.expect("joins")
}

/// Moves to another node.
pub(crate) async fn move_on(robot: &mut Robot, is_dead: bool) {
    if is_dead {
        tokio::time::sleep(SILENCE).await;
        robot.report_dead().await.expect("the room finds another node");
    } else {
        let told = async { while !matches!(robot.next().await, Ok(Event::Disconnected)) {} };
        timeout(PATIENCE, told).await.expect("the room says that the node will stop");
    }
    robot.renew().await.expect("goes on");
}

/// Waits until this many frames have arrived.
pub(crate) async fn see_frames(robot: &mut Robot, frames: usize) {
    let seen = async {
        let mut left = frames;
        while left > 0 {
            left -= usize::from(matches!(robot.next().await.expect("the room goes on"), Event::Frame(_)));
        }
    };
    timeout(PATIENCE, seen).await.expect("media goes on");
}

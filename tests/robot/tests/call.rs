//! Robots in a call through the real programs: receivers get exactly the bytes that were published.

use robot::{Event, MediaFile, Options, Robot, VideoCodec};
use shared::rtp_parameters::MediaKind;
use shared::signal::{ConnectionState, TrackSource};
use shared::{ErrorCode, ParticipantId};
use stack::Stack;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// The file lasts three seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

fn file() -> MediaFile {
    file_with("picture.ivf")
}

fn file_with(picture: &str) -> MediaFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    let file = MediaFile::read(Some(&folder.join(picture)), Some(&folder.join("sound.ogg"))).expect("test media");
    assert_eq!((file.video.len(), file.audio.len()), (45, 151));
    file
}

fn join_options(stack: &Stack, room: &str, participant: &str, publish: &[TrackSource]) -> Options {
    let mut options = Options::new(&stack.room_url(room), &stack.token(room, participant));
    options.publish = publish.to_vec();
    options.slots = 4;
    options
}

/// Received frames by publisher and kind.
type Received = BTreeMap<(String, &'static str), Vec<Vec<u8>>>;

/// Takes part until this many frames have arrived, or the time is over.
async fn listen(robot: &mut Robot, frames: usize) -> Received {
    let mut received = Received::new();
    let all = async {
        while received.values().map(Vec::len).sum::<usize>() < frames {
            match robot.next().await.expect("the room goes on") {
                Event::Frame(frame) => {
                    let (who, track) = robot.track(frame.csrc).expect("the frame says whose it is");
                    assert_eq!(track.kind, frame.kind);
                    let kind = if frame.kind == MediaKind::Audio { "sound" } else { "picture" };
                    received.entry((who.id.to_string(), kind)).or_default().push(frame.data.to_vec());
                }
                Event::RosterChanged | Event::Recording(_) => {}
                over @ (Event::Removed(_) | Event::Disconnected) => panic!("{over:?}"),
            }
        }
    };
    // The comparison finds missing frames.
    let _ = timeout(CALL_TIMEOUT, all).await;
    received
}

/// Waits until a participant's media is connected.
async fn wait_for(robot: &mut Robot, participant: &str) {
    let id = ParticipantId::parse(participant).expect("an id");
    let there = async {
        while robot.roster().get(&id).is_none_or(|info| info.connection != ConnectionState::Connected) {
            robot.next().await.expect("the room goes on");
        }
    };
    timeout(CALL_TIMEOUT, there).await.unwrap_or_else(|_| panic!("{participant} does not come"));
}

fn assert_is(received: &Received, who: &str, file: &MediaFile) {
    for (kind, sent) in [("picture", &file.video), ("sound", &file.audio)] {
        let came = received.get(&(who.to_string(), kind)).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(came.len(), sent.len(), "{kind} frames of {who}");
        for (index, (came, sent)) in came.iter().zip(sent).enumerate() {
            assert!(*came == sent.data, "{kind} frame {index} of {who} is another one");
        }
    }
}

// Holds S4-ROOM-02.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_what_is_received() {
    let stack = Stack::start();
    let file = file();
    let both = [TrackSource::Microphone, TrackSource::Camera];
    let mut publisher = Robot::join(&join_options(&stack, "file", "publisher", &both)).await.expect("joins");
    let mut first = Robot::join(&join_options(&stack, "file", "first", &[])).await.expect("joins");
    let mut second = Robot::join(&join_options(&stack, "file", "second", &[])).await.expect("joins");
    wait_for(&mut publisher, "second").await;
    let frames = file.video.len() + file.audio.len();
    let sender = publisher.publisher();
    let (sent, at_first, at_second) =
        tokio::join!(sender.publish_file(&file), listen(&mut first, frames), listen(&mut second, frames));
    sent.expect("sends");
    assert_is(&at_first, "publisher", &file);
    assert_is(&at_second, "publisher", &file);
    for robot in [publisher, first, second] {
        robot.leave().await.expect("leaves");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_publish_to_each_other_at_once() {
    let stack = Stack::start();
    let file = file();
    let both = [TrackSource::Microphone, TrackSource::Camera];
    let mut ada = Robot::join(&join_options(&stack, "both", "ada", &both)).await.expect("joins");
    let mut grace = Robot::join(&join_options(&stack, "both", "grace", &both)).await.expect("joins");
    wait_for(&mut ada, "grace").await;
    let frames = file.video.len() + file.audio.len();
    let (from_ada, from_grace) = (ada.publisher(), grace.publisher());
    let (sent, sent_too, at_ada, at_grace) = tokio::join!(
        from_ada.publish_file(&file),
        from_grace.publish_file(&file),
        listen(&mut ada, frames),
        listen(&mut grace, frames),
    );
    sent.and(sent_too).expect("sends");
    assert_is(&at_ada, "grace", &file);
    assert_is(&at_grace, "ada", &file);
    grace.leave().await.expect("leaves");
    let gone = async {
        while ada.roster().len() > 1 {
            ada.next().await.expect("the room goes on");
        }
    };
    timeout(CALL_TIMEOUT, gone).await.expect("a participant that leaves is gone for others");
}

/// One publishes H.264, one VP8; one robot receives both in its slots, one supports only VP8.
#[tokio::test(flavor = "multi_thread")]
async fn h264_reaches_its_readers_and_the_others_are_told() {
    let stack = Stack::start();
    let (new, old) = (file_with("picture.h264"), file());
    let join = |name: &str, publish: &[TrackSource], video: &[VideoCodec]| {
        let options = Options { video: video.to_vec(), ..join_options(&stack, "codecs", name, publish) };
        async move { Robot::join(&options).await.expect("joins") }
    };
    let both = [TrackSource::Microphone, TrackSource::Camera];
    let mut first = join("first", &both, &[VideoCodec::H264]).await;
    let mut second = join("second", &both, &[VideoCodec::Vp8]).await;
    let mut able = join("able", &[], &[VideoCodec::Vp8, VideoCodec::H264]).await;
    let mut unable = join("unable", &[], &[VideoCodec::Vp8]).await;
    wait_for(&mut first, "unable").await;
    wait_for(&mut second, "unable").await;
    let frames = |file: &MediaFile| file.video.len() + file.audio.len();
    let all = frames(&new) + frames(&old);
    let (from_first, from_second) = (first.publisher(), second.publisher());
    let (sent, sent_too, at_able, at_unable) = tokio::join!(
        from_first.publish_file(&new),
        from_second.publish_file(&old),
        listen(&mut able, all),
        listen(&mut unable, all - new.video.len()),
    );
    sent.and(sent_too).expect("sends");
    assert_is(&at_able, "first", &new);
    assert_is(&at_able, "second", &old);
    assert_is(&at_unable, "second", &old);
    assert!(!at_unable.contains_key(&("first".to_string(), "picture")));
    assert!(able.undecodable().is_empty());
    let (who, track) = {
        let info = unable.roster().values().find(|info| info.id.as_str() == "first").expect("is there");
        (info.id.clone(), info.tracks.iter().find(|track| track.kind == MediaKind::Video).expect("a camera").id.clone())
    };
    let slot = unable.slots().iter().find(|slot| slot.track.as_ref() == Some(&track));
    let slot = slot.unwrap_or_else(|| panic!("the camera of {who} has a slot")).mid.clone();
    assert_eq!(unable.undecodable(), [slot]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_is_told_why_it_may_not_come_in_or_stay() {
    let stack = Stack::start();
    let mut options = join_options(&stack, "refused", "ada", &[]);
    options.token = stack.token("elsewhere", "ada");
    let error = Robot::join(&options).await.err().expect("a token of another room");
    assert!(error.to_string().contains(ErrorCode::WrongRoom.as_str()), "{error:#}");

    let mut ada = Robot::join(&join_options(&stack, "replaced", "ada", &[])).await.expect("joins");
    let again = Robot::join(&join_options(&stack, "replaced", "ada", &[])).await.expect("joins");
    let removed = async {
        loop {
            if let Event::Removed(code) = ada.next().await.expect("the room says why") {
                return code;
            }
        }
    };
    assert_eq!(timeout(CALL_TIMEOUT, removed).await.expect("is told"), ErrorCode::Replaced);
    assert_eq!(again.roster().len(), 1);
}

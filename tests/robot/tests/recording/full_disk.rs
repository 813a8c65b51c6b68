//! A node whose disk for recorded data is full: a small file system of its own, filled by the test.

use super::host::{Host, join_as_viewer, see_frames};
use super::playable::{Playable, run};
use super::{own_path, ready};
use robot::Robot;
use serde_json::json;
use shared::ErrorCode;
use shared::signal::RecordingState;
use stack::Stack;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Names the small file system to a test that runs in it.
const DISK: &str = "RECORDING_SMALL_DISK";
/// Longer than a part stays open.
const A_PART: Duration = Duration::from_secs(7);

/// In the log of a node that cannot write the end of a recording yet.
const WAITS: &str = "the end of a recording waits for the disk";

/// The small disk; `None` if this process only started the test `name` in another one that has the disk.
fn small_disk(name: &str) -> Option<PathBuf> {
    if let Ok(disk) = std::env::var(DISK) {
        return Some(disk.into());
    }
    let disk = own_path("disk");
    fs::create_dir_all(&disk).expect("a folder");
    let namespaces: &[&str] =
        if run("id", &["-u"]).trim() == "0" { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let script = format!("mount -t tmpfs -o size=8m none \"${DISK}\" && exec \"$0\" --exact {name} --nocapture");
    let program = std::env::current_exe().expect("this program");
    let mut test = Command::new("unshare");
    test.args(namespaces).args(["sh", "-c", &script]).arg(program).env(DISK, &disk);
    assert!(test.status().expect("there is unshare").success(), "see above");
    fs::remove_dir(&disk).expect("the folder to go");
    None
}

/// Takes all space of a disk, also what becomes free, until it is dropped.
struct Filler {
    file: PathBuf,
    is_over: Arc<AtomicBool>,
    filling: Option<JoinHandle<()>>,
}

impl Filler {
    fn of(disk: &Path) -> Self {
        let (file, is_over) = (disk.join("filler"), Arc::new(AtomicBool::new(false)));
        let (mut filler, over) = (File::create(&file).expect("a file"), Arc::clone(&is_over));
        let filling = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                while filler.write_all(&[0; 4_096]).is_ok() {}
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { file, is_over, filling: Some(filling) }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.filling.take().expect("a thread").join().expect("ends");
        fs::remove_file(&self.file).expect("the file to go");
    }
}

/// A call on a node with this disk: a publisher and a viewer.
async fn begin(room: &str, disk: &Path) -> (Stack, Host, Robot) {
    let mut stack = Stack::start();
    stack.command(&json!({ "do": "kill_node" }));
    stack.command(&json!({ "do": "start_node", "env": { "MEDIA_RECORD_SPOOL": disk } }));
    let ada = Host::join(&stack, room).await;
    let alan = join_as_viewer(&stack, room, "alan").await;
    (stack, ada, alan)
}

async fn check(stack: &mut Stack, room: &str, lasted: f64) {
    let recording = ready(stack, room).await;
    let duration = Playable::fetch(stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
}

// Every stack fails at its end for errors like this one.
// Holds S4-TEST-08.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_nothing_and_the_room_is_told() {
    let Some(disk) = small_disk("full_disk::a_full_disk_costs_nothing_and_the_room_is_told") else { return };
    let (mut stack, mut ada, mut alan) = begin("full", &disk).await;
    ada.start().await;
    let started = Instant::now();
    sleep(A_PART).await;
    let filler = Filler::of(&disk);
    assert_eq!(ada.wait_for(RecordingState::StorageAway).await.code, Some(ErrorCode::DiskFull));
    see_frames(&mut alan, 60).await;
    drop(filler);
    assert_eq!(ada.wait_for(RecordingState::Recording).await.code, None);
    // It is stopped while the disk is full again, and its end waits for space.
    let filler = Filler::of(&disk);
    sleep(A_PART).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.robot.record(false).await.expect("asks");
    ada.wait_for(RecordingState::Finishing).await;
    sleep(Duration::from_secs(3)).await;
    drop(filler);
    ada.wait_for(RecordingState::Ready).await;
    check(&mut stack, "full", lasted).await;
    let errors = stack.command(&json!({ "do": "errors" }))["body"].as_array().expect("a list").clone();
    assert!(errors.len() == 1 && errors[0].as_str().is_some_and(|line| line.contains(WAITS)), "{errors:?}");
    stack.command(&json!({ "do": "expect_errors", "texts": [WAITS] }));
    ada.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_starts_on_a_full_disk_is_whole_once_there_is_space() {
    let name = "full_disk::a_recording_that_starts_on_a_full_disk_is_whole_once_there_is_space";
    let Some(disk) = small_disk(name) else { return };
    let (mut stack, mut ada, _alan) = begin("full-before", &disk).await;
    let filler = Filler::of(&disk);
    ada.ask_for_recording().await;
    let started = Instant::now();
    assert_eq!(ada.wait_for(RecordingState::StorageAway).await.code, Some(ErrorCode::DiskFull));
    sleep(A_PART).await;
    drop(filler);
    ada.wait_for(RecordingState::Recording).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    check(&mut stack, "full-before", lasted).await;
    ada.leave().await;
}

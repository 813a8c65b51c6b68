//! The spool: recorded data that is not uploaded yet, one folder for each segment.
//!
//! Parts are written under another name and renamed, so that a killed process leaves complete ones or none. They are
//! not synced to disk: a process that dies does not lose the page cache, and a host that dies may lose its disk as
//! well.

use super::storage::Unfinished;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use shared::control::RecordingOrder;
use shared::manifest::{Row, SegmentManifest, VERSION};
use shared::{NodeId, RoomId};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const HEAD: &str = "head.json";
const ROWS: &str = "rows.jsonl";
const PARTS: &str = "parts";
/// The file under construction.
const WORK: &str = "file.work";
/// Names the upload of that file, while it is in progress.
const UPLOAD: &str = "upload.json";
/// Stands for the slash in the name of a part; no track's name contains it.
const SLASH: char = '!';
const UNFINISHED: &str = ".unfinished";

/// Disk space of all spooled parts.
#[derive(Debug)]
pub(crate) struct Space {
    used: AtomicU64,
    bytes_max: u64,
}

/// Space for a part that is not written yet; released unless it is kept.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    space: &'a Space,
    bytes: u64,
}

impl Space {
    /// Creates an empty space of this size.
    pub(crate) fn of(bytes_max: u64) -> Self {
        Self { used: AtomicU64::new(0), bytes_max }
    }

    /// Counts existing parts.
    fn note(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Fails if there is too little space.
    pub(crate) fn take(&self, bytes: u64) -> Result<Taken<'_>> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let taken = Taken { space: self, bytes };
        if before.saturating_add(bytes) > self.bytes_max {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the spool has its largest size").into());
        }
        Ok(taken)
    }

    /// Releases the space of an uploaded and removed part.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Taken<'_> {
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.space.give_back(self.bytes);
    }
}

/// The facts known at the start of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The prefix of all object keys of the recording.
    pub(crate) key_prefix: String,
    /// The manifest without rows.
    pub(crate) manifest: SegmentManifest,
}

fn bytes_of(files: impl Iterator<Item = PathBuf>) -> u64 {
    files.filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

/// True if there was no space on the disk, or no more that the settings allow.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let kinds = error.chain().filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()));
    kinds.into_iter().any(|kind| matches!(kind, StorageFull | QuotaExceeded))
}

#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    head: Head,
    /// `None` until the folder exists.
    rows: Option<Rows>,
}

#[derive(Debug)]
struct Rows {
    file: File,
    /// The length of its complete lines.
    bytes: u64,
}

impl Spool {
    /// Does not touch the disk.
    pub(crate) fn new(root: &Path, node: &NodeId, room: &RoomId, epoch: u64, order: &RecordingOrder) -> Self {
        let folder = root.join(format!("{}-{epoch}", order.recording));
        let manifest = SegmentManifest {
            version: VERSION,
            recording: order.recording.clone(),
            room: room.clone(),
            epoch,
            node: node.clone(),
            started_at: order.started_at,
            trace: order.trace,
            is_sealed: false,
            rows: Vec::new(),
        };
        Self { folder, head: Head { key_prefix: order.key_prefix.clone(), manifest }, rows: None }
    }

    /// Creates the folder, unless it exists.
    pub(crate) fn create(&mut self) -> Result<()> {
        self.rows().map(|_| ())
    }

    fn rows(&mut self) -> Result<&mut Rows> {
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => {
                let (folder, head) = (&self.folder, serde_json::to_string(&self.head)?);
                fs::create_dir_all(folder.join(PARTS)).with_context(|| format!("creating {}", folder.display()))?;
                write_whole(folder, HEAD, head.as_bytes())?;
                let options = OpenOptions::new().create(true).append(true).clone();
                let file = options.open(folder.join(ROWS)).context("opening the rows")?;
                let bytes = file.metadata().context("opening the rows")?.len();
                Rows { file, bytes }
            }
        };
        Ok(self.rows.insert(rows))
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder { path: self.folder.clone(), head: self.head.clone() }
    }

    pub(crate) fn part(&mut self, key: &str, bytes: &[u8]) -> Result<()> {
        let prefix = media_core::record::segment::parts_prefix(&self.head.key_prefix, self.head.manifest.epoch);
        let Some(name) = key.strip_prefix(&prefix) else { bail!("{key} does not belong to this segment") };
        self.create()?;
        write_whole(&self.folder.join(PARTS), &name.replace('/', &SLASH.to_string()), bytes)
    }

    pub(crate) fn row(&mut self, row: &Row) -> Result<()> {
        let mut line = serde_json::to_string(row)?;
        line.push('\n');
        let rows = self.rows()?;
        if let Err(error) = rows.file.write_all(line.as_bytes()) {
            // A full disk may have taken the beginning of the line, and the next one must not continue it.
            rows.file.set_len(rows.bytes).context("removing half a row")?;
            return Err(error).context("writing a row");
        }
        rows.bytes += line.len() as u64;
        Ok(())
    }
}

/// A segment's folder, as used by the upload.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) head: Head,
}

impl Folder {
    /// Segments left behind by an earlier process, whose parts take space. Folders without a readable header stay where
    /// they are, with a warning, until an operator removes them; they take space too.
    pub(crate) fn leftovers(root: &Path, space: &Space) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root).with_context(|| format!("reading {}", root.display()))? {
            let path = entry?.path();
            if !path.is_dir() {
                continue;
            }
            match fs::read_to_string(path.join(HEAD)).ok().and_then(|text| serde_json::from_str(&text).ok()) {
                Some(head) => {
                    let folder = Self { path, head };
                    space.note(folder.parts_bytes());
                    found.push(folder);
                }
                None => {
                    let files = fs::read_dir(path.join(PARTS)).into_iter().flatten().flatten();
                    let bytes = bytes_of(files.map(|file| file.path()));
                    space.note(bytes);
                    let folder = path.display();
                    tracing::warn!(%folder, bytes, "a spool folder has no readable header: remove it and restart the node to free its space");
                }
            }
        }
        Ok(found)
    }

    /// Reads from disk on a blocking thread: the disk may be slow, and folders contain thousands of parts.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.clone();
        tokio::task::spawn_blocking(move || read(&folder)).await.context("reading the spool")?
    }

    /// The waiting parts by name: keys with files.
    pub(crate) fn parts(&self) -> Result<Vec<(String, PathBuf)>> {
        let prefix = media_core::record::segment::parts_prefix(&self.head.key_prefix, self.head.manifest.epoch);
        let mut parts = Vec::new();
        let entries = match fs::read_dir(self.path.join(PARTS)) {
            Ok(entries) => entries,
            // The disk has been full since the start of the segment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(parts),
            Err(error) => return Err(error).context("reading the parts"),
        };
        for entry in entries {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !name.ends_with(UNFINISHED) {
                parts.push((format!("{prefix}{}", name.replace(SLASH, "/")), path));
            }
        }
        parts.sort();
        Ok(parts)
    }

    /// The total size of the waiting parts.
    fn parts_bytes(&self) -> u64 {
        bytes_of(self.parts().unwrap_or_default().into_iter().map(|(_, path)| path))
    }

    /// The current manifest. A row that was truncated by a crash is dropped.
    pub(crate) fn manifest(&self, is_sealed: bool) -> Result<SegmentManifest> {
        let text = match fs::read(self.path.join(ROWS)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("reading the rows"),
        };
        let rows = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(SegmentManifest { is_sealed, rows, ..self.head.manifest.clone() })
    }

    /// The size of the manifest, which shows whether it grew.
    pub(crate) fn rows_bytes(&self) -> u64 {
        fs::metadata(self.path.join(ROWS)).map_or(0, |metadata| metadata.len())
    }

    /// The path for a file under construction.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join(WORK)
    }

    /// Remembers the large file being uploaded; `None` if there is none.
    pub(crate) fn note_upload(&self, upload: Option<&Unfinished>) -> Result<()> {
        match upload {
            Some(upload) => write_whole(&self.path, UPLOAD, serde_json::to_string(upload)?.as_bytes()),
            None => fs::remove_file(self.path.join(UPLOAD)).context("removing the record of an upload"),
        }
    }

    /// The large file whose upload an earlier attempt left unfinished.
    pub(crate) fn upload(&self) -> Result<Option<Unfinished>> {
        match fs::read(self.path.join(UPLOAD)) {
            // A host that died may have left it empty.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("reading the record of an upload"),
        }
    }

    /// Deletes the folder: everything is uploaded.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    if let Err(error) = fs::write(&unfinished, bytes) {
        // On a full disk the half of a file takes space from whole ones. It may not exist at all.
        let _ = fs::remove_file(&unfinished);
        return Err(error).with_context(|| format!("writing {}", unfinished.display()));
    }
    fs::rename(&unfinished, folder.join(name)).context("renaming the written file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::manifest::Event;
    use shared::{RecordingId, TrackId, UnixMillis};

    fn order() -> RecordingOrder {
        RecordingOrder {
            recording: RecordingId::parse("rec").expect("an id"),
            key_prefix: "recordings/daily/rec/".into(),
            started_at: UnixMillis(1_800_000_000_000),
            sent_at: UnixMillis(1_800_000_000_000),
            trace: None,
            participants: Vec::new(),
        }
    }

    fn row(at_ms: u64) -> Row {
        Row { at_ms, event: Event::TrackEnded { track: TrackId::parse("t1").expect("an id") } }
    }

    #[test]
    fn what_a_dead_process_left_is_found_again_but_for_what_it_was_writing() {
        let root = std::env::temp_dir().join(format!("rotunda-spool-{}", std::process::id()));
        fs::create_dir_all(&root).expect("a temporary folder");
        let (node, room) = (NodeId::parse("media-1").expect("an id"), RoomId::parse("daily").expect("an id"));
        let mut spool = Spool::new(&root, &node, &room, 7, &order());
        let key = "recordings/daily/rec/segments/7/parts/t1/000000-0.webm";
        spool.part(key, b"part").expect("writes");
        spool.row(&row(5)).expect("writes");
        assert!(spool.part("recordings/other", b"x").is_err());
        let folder = spool.folder();
        fs::write(folder.path.join(PARTS).join("t1!000001-5000.webm.unfinished"), b"ha").expect("writes");
        fs::write(folder.path.join(ROWS), format!("{}\n{{\"at_ms\":", serde_json::to_string(&row(5)).expect("json")))
            .expect("writes");

        let unreadable = root.join("rec-8");
        fs::create_dir_all(unreadable.join(PARTS)).expect("a folder");
        fs::write(unreadable.join(HEAD), b"{").expect("writes");
        fs::write(unreadable.join(PARTS).join("t1!000000-0.webm"), [0; 90]).expect("writes");

        let space = Space::of(100);
        let left = Folder::leftovers(&root, &space).expect("reads");
        assert_eq!(left.len(), 1);
        assert!(unreadable.exists() && space.take(6).is_ok(), "a part of 4 bytes and one of 90 are there");
        assert!(space.take(7).is_err());
        let parts = left[0].parts().expect("reads");
        assert_eq!(parts.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), [key]);
        let manifest = left[0].manifest(true).expect("reads");
        assert_eq!((manifest.is_sealed, manifest.epoch, manifest.rows), (true, 7, vec![row(5)]));
        left[0].remove().expect("removes");
        assert!(Folder::leftovers(&root, &Space::of(100)).expect("reads").is_empty());
        fs::remove_dir_all(&root).expect("removes");
    }

    /// Names the small file system to a test that runs in it.
    const DISK: &str = "SPOOL_SMALL_DISK";

    /// A file system of 64 KiB; `None` if this process only started the test `name` in another one that has it.
    fn small_disk(name: &str) -> Option<PathBuf> {
        if let Ok(disk) = std::env::var(DISK) {
            return Some(disk.into());
        }
        let disk = std::env::temp_dir().join(format!("rotunda-small-disk-{}", std::process::id()));
        fs::create_dir_all(&disk).expect("a folder");
        let script = format!("mount -t tmpfs -o size=64k none \"${DISK}\" && exec \"$0\" --exact {name} --nocapture");
        let mut test = std::process::Command::new("unshare");
        test.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
        test.arg(std::env::current_exe().expect("this program")).env(DISK, &disk);
        assert!(test.status().expect("there is unshare").success(), "see above");
        fs::remove_dir(&disk).expect("the folder to go");
        None
    }

    #[test]
    fn a_disk_that_is_full_in_the_middle_of_a_row_or_part_loses_neither() {
        let name = "record::spool::tests::a_disk_that_is_full_in_the_middle_of_a_row_or_part_loses_neither";
        let Some(disk) = small_disk(name) else { return };
        let (node, room) = (NodeId::parse("media-1").expect("an id"), RoomId::parse("daily").expect("an id"));
        let mut spool = Spool::new(&disk, &node, &room, 7, &order());
        // Full before the folder exists.
        let filler = disk.join("filler");
        assert!(fs::write(&filler, [0; 65_536]).is_err() || fs::write(disk.join("more"), [0]).is_err());
        let error = spool.row(&row(0)).expect_err("no space");
        assert!(is_full(&error), "{error:#}");
        assert!(spool.folder().parts().expect("reads").is_empty());
        fs::write(&filler, [0; 32_768]).expect("writes");
        let key = |number: u64| format!("recordings/daily/rec/segments/7/parts/t1/{number:06}-0.webm");
        let (mut rows, mut failures) = (0, 0);
        while failures < 3 {
            match spool.row(&row(rows)) {
                Ok(()) => rows += 1,
                Err(error) => {
                    assert!(is_full(&error), "{error:#}");
                    assert!(is_full(&spool.part(&key(1), &[7; 8_192]).expect_err("no space")));
                    failures += 1;
                    fs::write(&filler, vec![0; 32_768 - 4_096 * failures]).expect("there is space again");
                }
            }
        }
        fs::remove_file(&filler).expect("removes");
        spool.part(&key(1), &[7; 8_192]).expect("writes");
        let folder = spool.folder();
        let times = folder.manifest(false).expect("reads").rows.iter().map(|row| row.at_ms).collect::<Vec<_>>();
        assert_eq!(times, (0..rows).collect::<Vec<_>>());
        let parts = folder.parts().expect("reads");
        assert_eq!(parts.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key(1)]);
        let names = fs::read_dir(folder.path.join(PARTS)).expect("reads").count();
        assert_eq!(names, 1, "no half of a part is left");
    }
}

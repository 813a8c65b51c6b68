//! Parts in, one file out; the file's content is read back.

use super::super::mp4;
use super::super::webm::ebml::{Elements, element, id, uint};
use super::super::webm::{Cluster, read};
use super::*;

/// A key frame of 64 × 48.
const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0];
const DELTA: [u8; 2] = [0x11, 7];

/// A part with frames at these times; video at multiples of 1,000 is a key frame.
fn part(kind: MediaKind, times: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut cluster: Option<Cluster> = None;
    for at_ms in times {
        let block = match kind {
            MediaKind::Audio => Block { at_ms, is_key: true, bytes: vec![0x78, 1, 2, 3] },
            MediaKind::Video if at_ms % 1_000 == 0 => Block { at_ms, is_key: true, bytes: KEY.to_vec() },
            MediaKind::Video => Block { at_ms, is_key: false, bytes: DELTA.to_vec() },
        };
        assert!(cluster.get_or_insert_with(|| Cluster::new(at_ms)).add(1, &block));
    }
    let mut bytes = Vec::new();
    cluster.iter().for_each(|cluster| cluster.write(&mut bytes));
    bytes
}

fn remux(mut audio: Vec<Vec<u8>>, mut video: Vec<Vec<u8>>) -> (Vec<u8>, Finished) {
    let mut remux = Remux::camera();
    let mut file = Vec::new();
    loop {
        match remux.step() {
            Step::Need(kind) => {
                let parts = if kind == MediaKind::Audio { &mut audio } else { &mut video };
                if parts.is_empty() {
                    remux.end(kind);
                } else {
                    remux.feed(kind, &parts.remove(0));
                }
            }
            Step::Append(bytes) => file.extend(bytes),
            Step::Done(finished) => {
                if let Some(header) = &finished.header {
                    file[..header.len()].copy_from_slice(header);
                }
                return (file, finished);
            }
        }
    }
}

fn find<'a>(bytes: &'a [u8], path: &[u32]) -> Option<&'a [u8]> {
    let (first, rest) = path.split_first()?;
    let body = Elements(bytes).find(|element| element.id == *first)?.body;
    if rest.is_empty() { Some(body) } else { find(body, rest) }
}

#[test]
fn sound_and_pictures_stand_in_the_order_of_their_times() {
    let audio = vec![part(MediaKind::Audio, [980, 1_000, 1_020]), part(MediaKind::Audio, [1_040, 1_060])];
    let video = vec![part(MediaKind::Video, [1_000, 1_033, 1_066])];
    let (file, finished) = remux(audio, video);
    let times: Vec<u64> = read::blocks(&file).iter().map(|block| block.at_ms).collect();
    assert_eq!(times, [0, 20, 20, 40, 53, 60, 80, 86]);
    assert_eq!((finished.starts_ms, finished.duration_ms), (980, 106));
    let duration = find(&file, &[id::SEGMENT, id::INFO, id::DURATION]).expect("a duration");
    assert_eq!(duration, 106.0_f64.to_be_bytes());
}

#[test]
fn every_cue_points_at_a_cluster_that_begins_with_a_key_frame() {
    let video: Vec<Vec<u8>> = (0..6).map(|n| part(MediaKind::Video, (0..100).map(|i| n * 5_000 + i * 50))).collect();
    let audio: Vec<Vec<u8>> = (0..6).map(|n| part(MediaKind::Audio, (0..250).map(|i| n * 5_000 + i * 20))).collect();
    let (file, finished) = remux(audio, video);
    assert_eq!(finished.duration_ms, 30_000);
    let segment = Elements(&file).find(|element| element.id == id::SEGMENT).expect("a segment").body;
    let seek = Elements(find(segment, &[id::SEEK_HEAD]).expect("a seek head")).last().expect("the cues").body;
    let cues_at = uint(find(seek, &[id::SEEK_POSITION]).expect("a position")).expect("a number") as usize;
    let cues = Elements(&segment[cues_at..]).next().filter(|element| element.id == id::CUES).expect("cues").body;
    let mut points = 0;
    for point in Elements(cues) {
        let at = uint(find(point.body, &[id::CUE_TIME]).expect("a time")).expect("a number");
        let position = find(point.body, &[id::CUE_TRACK_POSITIONS, id::CUE_CLUSTER_POSITION]).expect("a position");
        let cluster = &segment[uint(position).expect("a number") as usize..];
        let element = Elements(cluster).next().filter(|element| element.id == id::CLUSTER).expect("a cluster");
        assert_eq!(find(element.body, &[id::TIMESTAMP]).and_then(uint), Some(at));
        let mut whole = Vec::new();
        element_of(&mut whole, element.body);
        assert_eq!(read::blocks(&whole)[0].bytes, KEY);
        points += 1;
    }
    assert_eq!(points, 30);
    // The segment ends where its size says, with nothing behind it.
    assert_eq!(Elements(&file).count(), 2);
}

fn element_of(out: &mut Vec<u8>, body: &[u8]) {
    element(out, id::CLUSTER, body);
}

#[test]
fn a_pause_of_the_sound_is_filled_with_silence() {
    let (file, _) = remux(vec![part(MediaKind::Audio, [0, 20, 200, 220])], Vec::new());
    let blocks = read::blocks(&file);
    let times: Vec<u64> = blocks.iter().map(|block| block.at_ms).collect();
    assert_eq!(times, [0, 20, 40, 60, 80, 100, 200, 220]);
    assert_eq!(blocks[2].bytes, [0xf8, 0xff, 0xfe]);
}

#[test]
fn silence_stands_among_the_pictures_of_its_time() {
    let video = vec![part(MediaKind::Video, [0, 50, 100, 150, 1_000, 1_050])];
    let (file, _) = remux(vec![part(MediaKind::Audio, [0, 20, 160, 1_040])], video);
    let blocks = read::blocks(&file);
    let times: Vec<u64> = blocks.iter().map(|block| block.at_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    let silent = blocks.iter().filter(|block| block.bytes == [0xf8, 0xff, 0xfe]).map(|block| block.at_ms);
    assert_eq!(silent.collect::<Vec<_>>(), [40, 60].into_iter().chain((180..960).step_by(20)).collect::<Vec<_>>());
}

#[test]
fn pictures_begin_with_a_key_frame_and_no_sound_is_told_twice() {
    let audio = vec![part(MediaKind::Audio, [1_000, 1_020, 1_040]), part(MediaKind::Audio, [1_030, 1_050])];
    let video = vec![part(MediaKind::Video, [900, 950, 1_000, 1_050])];
    let (file, finished) = remux(audio, video);
    let times: Vec<u64> = read::blocks(&file).iter().map(|block| block.at_ms).collect();
    assert_eq!((finished.starts_ms, times), (1_000, vec![0, 0, 20, 40, 50, 50]));
}

#[test]
fn pictures_of_another_node_go_on_behind_those_of_the_first_one() {
    // The first node's clock was ahead: the second one's recording seems to be earlier, but depends on its own key
    // frame.
    let video = vec![part(MediaKind::Video, [1_000, 2_050, 2_100]), part(MediaKind::Video, [2_000, 2_060, 2_150])];
    let (file, _) = remux(Vec::new(), video);
    let blocks = read::blocks(&file);
    let times: Vec<u64> = blocks.iter().map(|block| block.at_ms).collect();
    assert_eq!(times, [0, 1_050, 1_100, 1_101, 1_102, 1_150]);
    assert_eq!(blocks[3].bytes, KEY);
}

#[test]
fn nothing_makes_no_file() {
    let (file, finished) = remux(vec![Vec::new()], vec![b"broken".to_vec()]);
    assert_eq!((file.len(), finished.header), (0, None));
}

/// Times and key frames of a file's video, with black ones marked.
fn pictures(audio: Vec<u64>, video: &[(u64, bool)]) -> Vec<(u64, &'static str)> {
    let mut cluster = Cluster::new(video[0].0);
    for (at_ms, is_key) in video {
        let bytes = if *is_key { KEY.to_vec() } else { DELTA.to_vec() };
        assert!(cluster.add(1, &Block { at_ms: *at_ms, is_key: *is_key, bytes }));
    }
    let mut bytes = Vec::new();
    cluster.write(&mut bytes);
    let (file, _) = remux(vec![part(MediaKind::Audio, audio)], vec![bytes]);
    let pictures = read::blocks(&file).into_iter().filter(|block| block.bytes.first() != Some(&0x78));
    let pictures = pictures.filter(|block| block.bytes != [0xf8, 0xff, 0xfe]);
    let word = |block: &Block| match (block.is_key, block.bytes == KEY) {
        (true, true) => "key",
        (true, false) => "black",
        (false, _) => "delta",
    };
    pictures.map(|block| (block.at_ms, word(&block))).collect()
}

#[test]
fn a_camera_that_is_off_is_black() {
    let sound: Vec<u64> = (0..12_000).step_by(20).collect();
    let until_on = pictures(sound.clone(), &[(0, true), (40, false), (7_000, true), (7_040, false), (11_900, false)]);
    assert_eq!(
        until_on,
        [(0, "key"), (40, "delta"), (1_040, "black"), (7_000, "key"), (7_040, "delta"), (11_900, "delta")]
    );
    let to_the_end = pictures(sound.clone(), &[(0, true), (40, false)]);
    assert_eq!(to_the_end, [(0, "key"), (40, "delta"), (3_040, "black")]);
    let short = pictures(sound, &[(0, true), (2_500, false), (5_500, false), (8_400, false), (11_300, false)]);
    assert_eq!(short.iter().filter(|(_, word)| *word == "black").count(), 0, "{short:?}");
}

#[test]
fn pictures_after_black_begin_with_a_key_frame() {
    let sound: Vec<u64> = (0..12_000).step_by(20).collect();
    let soon = pictures(sound.clone(), &[(0, true), (7_000, false), (7_500, false), (8_000, true), (11_000, false)]);
    assert_eq!(soon, [(0, "key"), (1_000, "black"), (8_000, "key"), (11_000, "delta")]);
    let never = [(0, true), (7_000, false), (8_000, false), (9_001, false), (11_000, false)];
    let expected = [(0, "key"), (7_000, "delta"), (8_000, "delta"), (9_001, "delta"), (11_000, "delta")];
    assert_eq!(pictures(sound, &never), expected);
}

/// A part of H.264 pictures; those at multiples of 1,000 are key frames.
fn part_of_h264(times: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut fragment = mp4::Fragment::of_pictures();
    for at_ms in times {
        let is_key = at_ms % 1_000 == 0;
        let bytes = if is_key { black_h264::black(64, 48) } else { vec![0, 0, 0, 2, 0x41, 7] };
        fragment.add(0, &Block { at_ms, is_key, bytes });
    }
    let mut bytes = Vec::new();
    fragment.write(&mut bytes, 1, None);
    bytes
}

#[test]
fn h264_and_sound_are_an_mp4_file() {
    let audio = vec![part(MediaKind::Audio, (980..2_500).step_by(20))];
    let video = vec![part_of_h264([1_000, 1_033, 1_066]), part_of_h264([2_000, 2_033])];
    let (file, finished) = remux(audio, video);
    assert_eq!((finished.starts_ms, finished.duration_ms), (980, 1_520));
    let samples = mp4::read::samples(&file);
    let pictures: Vec<_> = samples.iter().filter(|sample| sample.track == 1).collect();
    let times: Vec<_> = pictures.iter().map(|sample| (sample.ticks, sample.is_key)).collect();
    assert_eq!(times, [(0, true), (20, true), (53, false), (86, false), (1_020, true), (1_053, false)], "black first");
    let sound: Vec<_> = samples.iter().filter(|sample| sample.track == 2).map(|sample| sample.ticks).collect();
    assert_eq!(sound, (0..1_520).step_by(20).map(|at_ms| at_ms * 48).collect::<Vec<_>>());
    // The index leads to the fragment that begins with the second key frame.
    let index = file.windows(4).position(|kind| kind == b"tfra").expect("an index");
    let number = |at: usize| u64::from_be_bytes(*file[at..].first_chunk().expect("whole"));
    let count = u32::from_be_bytes(*file[index + 16..].first_chunk().expect("whole"));
    assert_eq!(count, 2);
    for (entry, at_ms) in [(index + 20, 0), (index + 39, 1_020)] {
        assert_eq!(number(entry), at_ms);
        assert_eq!(&file[number(entry + 8) as usize + 4..][..4], b"moof");
    }
}

#[test]
fn a_camera_of_h264_that_is_off_is_black() {
    let video = vec![part_of_h264([1_000, 1_033]), part_of_h264([9_000, 9_033])];
    let (file, _) = remux(vec![part(MediaKind::Audio, (1_000..9_100).step_by(20))], video);
    let pictures = mp4::read::samples(&file).into_iter().filter(|sample| sample.track == 1);
    let times: Vec<_> = pictures.map(|sample| (sample.ticks, sample.is_key)).collect();
    assert_eq!(times, [(0, true), (33, false), (1_033, true), (8_000, true), (8_033, false)]);
}

//! A recording's file, read by ffmpeg.

use super::{OPEN_PART_S, own_path};
use serde_json::{Value, json};
use stack::Stack;
use std::path::PathBuf;
use std::process::Command;

/// A file fetched through its signed URL.
pub(crate) struct Playable {
    path: PathBuf,
    is_mp4: bool,
    listed_s: f64,
}

impl Playable {
    pub(crate) fn fetch(stack: &mut Stack, recording: &Value) -> Self {
        let [file] = <[Self; 1]>::try_from(Self::fetch_all(stack, recording)).unwrap_or_else(|_| panic!("{recording}"));
        file
    }

    pub(crate) fn fetch_all(stack: &mut Stack, recording: &Value) -> Vec<Self> {
        let mut files = Vec::new();
        for file in recording["files"].as_array().expect("files") {
            let url = file["url"].as_str().expect("a signed URL");
            let is_mp4 = url.split('?').next().is_some_and(|path| path.ends_with(".mp4"));
            let path = own_path("recording");
            let answer = stack.command(&json!({ "do": "download", "url": file["url"], "path": path }));
            assert_eq!(answer["status"], 200, "the signed URL opens");
            let listed_s = file["duration_ms"].as_f64().expect("a number") / 1_000.0;
            files.push(Self { path, is_mp4, listed_s });
        }
        files
    }

    pub(crate) fn is_mp4(&self) -> bool {
        self.is_mp4
    }

    /// Checks that ffmpeg decodes all of it, and returns its duration.
    pub(crate) fn check(&self, is_whole: bool) -> f64 {
        let path = self.path.to_str().expect("a path");
        // Frames keep their own times: ffmpeg would align them to a grid, and complain if two collide.
        let args = ["-v", "error", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"];
        assert_eq!(run("ffmpeg", &args), "", "decodes without an error");
        let probed = run("ffprobe", &["-v", "error", "-of", "json", "-show_format", "-show_streams", path]);
        let probed: Value = serde_json::from_str(&probed).expect("JSON");
        let streams: Vec<_> = probed["streams"].as_array().expect("streams").iter().map(|s| &s["codec_name"]).collect();
        assert_eq!(streams, if self.is_mp4 { ["h264", "opus"] } else { ["opus", "vp8"] });
        let duration: f64 = probed["format"]["duration"].as_str().expect("a duration").parse().expect("a number");
        assert!((duration - self.listed_s).abs() < 0.3, "{duration} s, listed as {} s", self.listed_s);
        let cues = std::fs::read(&self.path).expect("a file");
        let wanted = if self.is_mp4 { *b"tfra" } else { [0x1c, 0x53, 0xbb, 0x6b] };
        assert!(cues.windows(4).any(|id| id == wanted), "has places to jump to");
        // Seeking to the middle leaves about half of the frames to decode.
        let middle = format!("{}", duration / 2.0);
        let args = [
            "-v",
            "error",
            "-ss",
            &middle,
            "-i",
            path,
            "-an",
            "-fps_mode",
            "passthrough",
            "-f",
            "null",
            "-progress",
            "-",
            "-",
        ];
        let seen = run("ffmpeg", &args);
        let frames: Vec<u32> =
            seen.lines().filter_map(|line| line.strip_prefix("frame=")?.trim().parse().ok()).collect();
        let decoded = f64::from(*frames.last().expect("frames"));
        // Each track of a killed node has lost a separate open part, so video may end before audio.
        let (expected, missing) = (duration / 2.0 * 15.0, if is_whole { 0.0 } else { OPEN_PART_S * 15.0 });
        let range = expected - missing - 30.0..expected + 30.0;
        assert!(range.contains(&decoded), "{decoded} frames of {expected} after a jump");
        duration
    }
}

impl Playable {
    /// Timestamps of a stream's packets, in seconds.
    pub(crate) fn packet_times(&self, stream: &str) -> Vec<f64> {
        let path = self.path.to_str().expect("a path");
        let args =
            ["-v", "error", "-of", "csv=p=0", "-select_streams", stream, "-show_entries", "packet=pts_time", path];
        let times: Vec<f64> =
            run("ffprobe", &args).lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
        assert!(times.len() > 1, "{stream} has packets");
        times
    }

    /// The periods of black picture of at least a second, as start and end.
    pub(crate) fn black(&self) -> Vec<(f64, f64)> {
        let path = self.path.to_str().expect("a path");
        let said = run("ffmpeg", &["-i", path, "-vf", "blackdetect=d=1", "-an", "-f", "null", "-"]);
        let number = |line: &str, name: &str| {
            let (_, rest) = line.split_once(name)?;
            rest.split_whitespace().next()?.parse::<f64>().ok()
        };
        let spans = said.lines().filter_map(|line| Some((number(line, "black_start:")?, number(line, "black_end:")?)));
        spans.collect()
    }
}

impl Drop for Playable {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("setup installs ffmpeg");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{err}{out}")
}

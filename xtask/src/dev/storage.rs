//! The recording storage of a developer's machine: `tests/storage`, an S3-compatible server backed by a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::ports::{self, Transport};
use super::recipe::Recipe;
use crate::build::{Flavour, Program};
use crate::workspace::Workspace;

/// The usual port of such servers.
const PORT: u16 = 9000;
/// A folder in the server's root is a bucket.
const BUCKET: &str = "recordings";
/// Not a secret: the server listens on loopback only.
const ACCESS_KEY_ID: &str = "rotunda";
const SECRET_ACCESS_KEY: &str = "only-for-this-machine";

pub(crate) struct Storage {
    port: u16,
    root: PathBuf,
}

impl Storage {
    /// Creates the bucket's folder.
    pub(crate) fn new(state: &Path) -> Result<Self> {
        let root = state.join("storage");
        fs::create_dir_all(root.join(BUCKET)).with_context(|| format!("creating {}", root.display()))?;
        Ok(Self { port: ports::neighbours(PORT, 1, Transport::Tcp)?, root })
    }

    pub(crate) fn recipe(&self, workspace: &Workspace) -> Recipe {
        let mut command = Command::new(Program::Storage.path(workspace, Flavour::Quick));
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY]).arg(&self.root);
        Recipe {
            name: "storage".to_owned(),
            command,
            http_port: self.port,
            ready_path: "/",
            // Refusing an unsigned request shows that it is up.
            ready_status: 403,
            note: "recordings (S3)".to_owned(),
        }
    }

    pub(crate) fn worker_vars(&self) -> Value {
        json!({
            "RECORDING_BUCKET": BUCKET,
            "RECORDING_ENDPOINT": self.endpoint(),
            "RECORDING_REGION": "us-east-1",
            "RECORDING_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "RECORDING_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        })
    }

    pub(crate) fn node_settings(&self, state: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("MEDIA_RECORD_BUCKET", BUCKET.to_owned()),
            ("MEDIA_RECORD_ENDPOINT", self.endpoint()),
            ("MEDIA_RECORD_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("MEDIA_RECORD_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("MEDIA_RECORD_SPOOL", state.join("spool").display().to_string()),
        ]
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

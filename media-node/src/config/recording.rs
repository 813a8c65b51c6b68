//! The settings for recordings; `None` if no bucket is set.

use crate::record;
use crate::record::storage::{Encryption, StorageConfig};
use clap::Args;
use node_shell::settings::{Reader, secret};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[group(id = "recording")] // By default clap would name it after the type, like the group that it is flattened into.
pub(super) struct Arguments {
    /// The bucket for recordings; if unset, nothing is recorded.
    #[arg(long, env = "MEDIA_RECORD_BUCKET", value_name = "NAME")]
    record_bucket: Option<String>,
    /// The storage's URL, for instance https://s3.example.org; by default the AWS endpoint of the region.
    #[arg(long, env = "MEDIA_RECORD_ENDPOINT", value_name = "URL")]
    record_endpoint: Option<String>,
    /// The storage's region, for instance eu-central-1; auto for R2.
    #[arg(long, env = "MEDIA_RECORD_REGION", value_name = "REGION", default_value = "us-east-1")]
    record_region: String,
    /// If true, the bucket is in the path of URLs; if false, it is in the host name.
    #[arg(long, env = "MEDIA_RECORD_PATH_STYLE", value_name = "BOOL", default_value = "true")]
    record_path_style: String,
    /// The access key's id; the key may put, get, list and delete under `recordings/`.
    #[arg(long, env = "MEDIA_RECORD_ACCESS_KEY_ID", value_name = "ID")]
    record_access_key_id: Option<String>,
    /// The secret of the access key. Set it in the environment: every user of the machine can read flags.
    #[arg(long, env = "MEDIA_RECORD_SECRET_ACCESS_KEY", value_name = "SECRET", hide_env_values = true)]
    record_secret_access_key: Option<String>,
    /// Server-side encryption: none, AES256, aws:kms or aws:kms:KEY.
    #[arg(long, env = "MEDIA_RECORD_ENCRYPTION", value_name = "HOW", default_value = "none")]
    record_encryption: String,
    /// Folder for recorded parts that are not uploaded yet; keep it across restarts.
    #[arg(long, env = "MEDIA_RECORD_SPOOL", value_name = "FOLDER", default_value = "recordings")]
    record_spool: String,
    /// Size limit of the spool in bytes.
    #[arg(long, env = "MEDIA_RECORD_SPOOL_BYTES_MAX", value_name = "BYTES", default_value = "17179869184")]
    record_spool_bytes_max: String,
}

/// The environment variables of [`Arguments`].
pub(super) const ENVIRONMENT: [&str; 9] = [
    "MEDIA_RECORD_BUCKET",
    "MEDIA_RECORD_ENDPOINT",
    "MEDIA_RECORD_REGION",
    "MEDIA_RECORD_PATH_STYLE",
    "MEDIA_RECORD_ACCESS_KEY_ID",
    "MEDIA_RECORD_SECRET_ACCESS_KEY",
    "MEDIA_RECORD_ENCRYPTION",
    "MEDIA_RECORD_SPOOL",
    "MEDIA_RECORD_SPOOL_BYTES_MAX",
];

/// Returns `Some(None)` if recording is off, and `None` after a mistake.
pub(super) fn check(reader: &mut Reader, arguments: Arguments) -> Option<Option<record::Config>> {
    let Some(bucket) = arguments.record_bucket.filter(|bucket| !bucket.is_empty()) else { return Some(None) };
    let endpoint = match arguments.record_endpoint.filter(|text| !text.is_empty()) {
        Some(text) => reader.value("record-endpoint", &text, endpoint).map(Some),
        None => Some(None),
    };
    let is_path_style = reader.value("record-path-style", &arguments.record_path_style, flag);
    let id = reader.required("record-access-key-id", arguments.record_access_key_id, |text| Ok(text.to_owned()));
    let secret = reader.required("record-secret-access-key", arguments.record_secret_access_key, secret);
    let encryption = reader.value("record-encryption", &arguments.record_encryption, encryption);
    let bytes_max = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a number of bytes"));
    let spool_bytes_max = reader.value("record-spool-bytes-max", &arguments.record_spool_bytes_max, bytes_max);
    let storage = StorageConfig {
        endpoint: endpoint?,
        region: arguments.record_region,
        bucket,
        is_path_style: is_path_style?,
        access_key_id: id?,
        secret_access_key: secret?,
        encryption: encryption?,
    };
    let spool = PathBuf::from(arguments.record_spool);
    Some(Some(record::Config { storage, spool, spool_bytes_max: spool_bytes_max? }))
}

fn endpoint(text: &str) -> Result<String, String> {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if is_url { Ok(text.to_owned()) } else { Err(format!("{text:?} does not begin with http:// or https://")) }
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

fn encryption(text: &str) -> Result<Option<Encryption>, String> {
    match text.split_once("aws:kms") {
        Some(("", "")) => Ok(Some(Encryption::Kms(None))),
        Some(("", key)) if key.starts_with(':') => Ok(Some(Encryption::Kms(Some(key[1..].to_owned())))),
        _ if text == "none" => Ok(None),
        _ if text == "AES256" => Ok(Some(Encryption::Aes256)),
        _ => Err(format!("{text:?} is not one of none, AES256, aws:kms and aws:kms:KEY")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_named_as_the_header_names_it() {
        assert_eq!(encryption("none"), Ok(None));
        assert_eq!(encryption("AES256"), Ok(Some(Encryption::Aes256)));
        assert_eq!(encryption("aws:kms"), Ok(Some(Encryption::Kms(None))));
        assert_eq!(encryption("aws:kms:arn:x"), Ok(Some(Encryption::Kms(Some("arn:x".into())))));
        assert!(encryption("aes").is_err() && encryption("aws:kmsx").is_err());
    }
}

//! The S3-compatible storage: uploads, reads and deletions.

use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use node_shell::settings::Secret;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Multipart parts must have at least 5 MiB; 8 MiB are a few seconds on a slow line, and 10,000 of them 78 GiB.
pub(crate) const CHUNK_BYTES: u64 = 8 * 1024 * 1024;
/// Storage that does not accept a connection within this time is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Storage that takes longer for a request without a body hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// 8 MiB take 30 s at 2 Mbit/s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct StorageConfig {
    /// `https://host`; `None` for AWS's endpoint of the region.
    pub(crate) endpoint: Option<String>,
    /// For instance `eu-central-1`; `auto` for R2.
    pub(crate) region: String,
    pub(crate) bucket: String,
    /// If true, the bucket is in the path.
    pub(crate) is_path_style: bool,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    /// The requested server-side encryption.
    pub(crate) encryption: Option<Encryption>,
}

/// `x-amz-server-side-encryption`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// With the storage's own keys.
    Aes256,
    /// With a key of the key management service, or its default one.
    Kms(Option<String>),
}

/// A large object that is being uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    pub(crate) key: String,
    /// The storage's id for it.
    id: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Storage {
    client: Client,
    bucket: String,
    encryption: Option<Encryption>,
}

impl Storage {
    /// Does not connect yet.
    pub(crate) fn new(config: StorageConfig) -> Self {
        let StorageConfig { endpoint, region, bucket, is_path_style, access_key_id, secret_access_key, encryption } =
            config;
        let credentials = Credentials::new(access_key_id, secret_access_key.expose(), None, None, "settings");
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .force_path_style(is_path_style)
            // The uploads retry by themselves, because they tell the room in the meantime.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Google's and other storages refuse the trailing checksums of newer SDKs.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Self { client: Client::from_conf(builder.build()), bucket, encryption }
    }

    /// True if it answers at all, whatever it says about this object.
    pub(crate) async fn answers(&self, key: &str) -> bool {
        let asked = self.client.head_object().bucket(&self.bucket).key(key).send();
        match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.raw_response().is_some(),
            Err(_) => false,
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let (encryption, kms_key) = self.encryption();
        let request = request.set_server_side_encryption(encryption).set_ssekms_key_id(kms_key);
        request.body(ByteStream::from(bytes)).send().await.with_context(|| format!("storing {key}"))?;
        Ok(())
    }

    pub(crate) async fn begin(&self, key: &str, content_type: &str) -> Result<Unfinished> {
        let (encryption, kms_key) = self.encryption();
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(key).content_type(content_type);
        let begun = begun.set_server_side_encryption(encryption).set_ssekms_key_id(kms_key).send().await;
        let begun = begun.with_context(|| format!("starting the upload of {key}"))?;
        let id = begun.upload_id.context("storage returned no upload id")?;
        Ok(Unfinished { key: key.to_owned(), id })
    }

    pub(crate) async fn put_chunks(&self, upload: &Unfinished, path: &Path) -> Result<()> {
        let Unfinished { key, id } = upload;
        let mut file = tokio::fs::File::open(path).await.context("opening a file")?;
        let mut parts = Vec::new();
        for number in 1.. {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES as usize);
            let read = (&mut file).take(CHUNK_BYTES).read_to_end(&mut chunk).await.context("reading a file")?;
            if read == 0 {
                break;
            }
            let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(id).part_number(number);
            let stored = request.body(ByteStream::from(chunk)).send().await.context("storing a chunk")?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(stored.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        request.multipart_upload(parts).send().await.context("completing an upload")?;
        Ok(())
    }

    /// Aborts an unfinished upload, which may have been completed or be gone already.
    pub(crate) async fn abandon(&self, upload: &Unfinished) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(&upload.key);
        match request.upload_id(&upload.id).send().await {
            Ok(_) => Ok(()),
            // The storage does not know the upload, or forbids this: a retry would change nothing.
            Err(error) if error.raw_response().is_some_and(|response| is_final(response.status().as_u16())) => {
                tracing::warn!(
                    key = upload.key,
                    "could not abort an unfinished upload; the bucket's lifecycle rules must remove it"
                );
                Ok(())
            }
            Err(error) => Err(error).with_context(|| format!("aborting the upload of {}", upload.key)),
        }
    }

    /// Reads an object that fits in memory, such as a part or a manifest.
    pub(crate) async fn read(&self, key: &str) -> Result<Vec<u8>> {
        let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = object.with_context(|| format!("reading {key}"))?;
        Ok(object.body.collect().await.with_context(|| format!("reading {key}"))?.to_vec())
    }

    /// Every key under a prefix.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("listing {prefix}"))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// The object need not exist.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        request.send().await.with_context(|| format!("deleting {key}"))?;
        Ok(())
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            None => (None, None),
            Some(Encryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }
}

/// True if a retry would get the same status: the request is wrong, not the time.
const fn is_final(status: u16) -> bool {
    const REQUEST_TIMEOUT: u16 = 408;
    const TOO_MANY_REQUESTS: u16 = 429;
    status >= 400 && status < 500 && status != REQUEST_TIMEOUT && status != TOO_MANY_REQUESTS
}

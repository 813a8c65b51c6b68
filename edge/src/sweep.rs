//! Deletes all objects of a recording from storage.

use crate::clock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_core::objects::{self, ObjectsError};
use edge_core::presign::{Action, Storage};
use futures_util::future::{Either, select};
use md5::{Digest, Md5};
use shared::limits;
use std::pin::pin;
use std::time::Duration;
use worker::{Delay, Fetch, Headers, Request, RequestInit, Response};

/// Lifetime of the URLs with which the edge itself calls storage.
const LIFETIME_S: u64 = 60;
/// A deletion gives up on a storage that has not answered for this long.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("storage is unreachable: {0}")]
    Unreachable(#[from] worker::Error),
    #[error("storage does not answer")]
    Timeout,
    #[error("storage answered {0}")]
    Status(u16),
    /// Storage's answer does not match the request.
    #[error(transparent)]
    Answer(#[from] ObjectsError),
    /// Storage listed keys outside the prefix, which must not be deleted.
    #[error("storage listed objects outside the recording")]
    Foreign,
    /// There are more objects than one request can delete.
    #[error("some objects are not deleted yet")]
    More,
}

/// Deletes all objects under a prefix. If it fails or stops because there are too many, it can be retried.
pub(crate) async fn sweep(storage: &Storage, key_prefix: &str) -> Result<(), SweepError> {
    for _ in 0..limits::DELETE_ROUNDS_MAX {
        let keys = list(storage, key_prefix).await?;
        if keys.is_empty() {
            return Ok(());
        }
        delete(storage, &keys).await?;
    }
    Err(SweepError::More)
}

async fn list(storage: &Storage, prefix: &str) -> Result<Vec<String>, SweepError> {
    let url = storage.sign(Action::List { prefix }, clock::now(), LIFETIME_S);
    let keys = objects::keys(&ask(Request::new(&url, worker::Method::Get)?).await?)?;
    // A storage that ignores the prefix must not cause other objects to be deleted.
    if keys.iter().all(|key| key.starts_with(prefix)) { Ok(keys) } else { Err(SweepError::Foreign) }
}

async fn delete(storage: &Storage, keys: &[String]) -> Result<(), SweepError> {
    let body = objects::deletion(keys);
    let headers = Headers::new();
    // S3 refuses a deletion without it (DeleteObjects, Content-MD5).
    headers.set("Content-MD5", &STANDARD.encode(Md5::digest(&body)))?;
    headers.set("Content-Type", "application/xml")?;
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Post).with_headers(headers).with_body(Some(body.into()));
    let url = storage.sign(Action::Delete, clock::now(), LIFETIME_S);
    Ok(objects::check_deleted(&ask(Request::new_with_init(&url, &init)?).await?)?)
}

async fn ask(request: Request) -> Result<String, SweepError> {
    let answer = async {
        let mut response: Response = Fetch::Request(request).send().await?;
        let text = response.text().await?;
        Ok::<_, worker::Error>((response.status_code(), text))
    };
    match select(pin!(answer), pin!(Delay::from(TIMEOUT))).await {
        Either::Left((answer, _)) => match answer? {
            (200..=299, text) => Ok(text),
            (status, _) => Err(SweepError::Status(status)),
        },
        Either::Right(_) => Err(SweepError::Timeout),
    }
}

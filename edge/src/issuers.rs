//! Verifies tokens that are signed with a private key: those of other issuers, with keys read from them, and our own.

use crate::auth::AuthError;
use crate::{clock, log};
use edge_core::issuers::{Algorithm, Issuer, Issuers, Jwk, KeyCache, OwnKeys, Search, Unverified};
use futures_util::future::{Either, select};
use shared::token::JoinClaims;
use shared::{ErrorCode, RoomId, limits};
use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Delay, Fetch, Request, Response, wasm_bindgen};

#[wasm_bindgen(module = "/src/verify_signature.js")]
extern "C" {
    #[wasm_bindgen(js_name = verifySignature)]
    fn verify_signature(algorithm: &str, jwk: &str, signed: &str, signature: &Uint8Array) -> Promise;
}

thread_local!(static KEYS: RefCell<KeyCache> = RefCell::default());

/// The claims of a token of another issuer; `None` if it must be one of our own.
pub(crate) async fn verify(token: &str, issuers: &Issuers, room: &RoomId) -> Result<Option<JoinClaims>, AuthError> {
    let Some(unverified) = issuers.read(token)? else { return Ok(None) };
    let key = find(&unverified).await.map_err(AuthError::Refused)?;
    if !is_signed(unverified.algorithm, (unverified.signed, &unverified.signature), &key).await {
        return Err(AuthError::Refused(ErrorCode::BadToken));
    }
    unverified.claims(room, clock::now()).map(Some).map_err(AuthError::Refused)
}

/// The claims of a token of our own form that an application has signed with a private key; `None` for all others.
pub(crate) async fn verify_own(token: &str, keys: &OwnKeys) -> Result<Option<JoinClaims>, AuthError> {
    let Some(own) = keys.read(token)? else { return Ok(None) };
    for key in &own.keys {
        if is_signed(Algorithm::EdDsa, (own.signed, &own.signature), key).await {
            return Ok(Some(own.claims(clock::now())?));
        }
    }
    Err(AuthError::Refused(ErrorCode::BadToken))
}

async fn find(token: &Unverified<'_>) -> Result<Box<Jwk>, ErrorCode> {
    let Unverified { issuer, algorithm, key_id, .. } = token;
    let search = |has_read| {
        let wanted = (*algorithm, key_id.as_deref());
        KEYS.with_borrow_mut(|keys| keys.search(clock::now(), &issuer.issuer, wanted, has_read))
    };
    let mut found = search(false);
    if found == Search::Read {
        read_keys(issuer).await;
        found = search(true);
    }
    match found {
        Search::Found(key) => Ok(key),
        Search::Unknown => Err(ErrorCode::BadToken),
        Search::Away | Search::Read => Err(ErrorCode::IssuerUnavailable),
    }
}

/// A failure is logged; the next search says what it means for the token.
async fn read_keys(issuer: &Issuer) {
    let text =
        match select(pin!(ask(issuer)), pin!(Delay::from(Duration::from_millis(limits::ISSUER_TIMEOUT_MS)))).await {
            Either::Left((answer, _)) => answer.unwrap_or_else(|error| Err(error.to_string())),
            Either::Right(_) => Err("no answer in time".into()),
        };
    let taken = text.and_then(|text| {
        let is_taken = KEYS.with_borrow_mut(|keys| keys.take(clock::now(), &issuer.issuer, &text));
        is_taken.then_some(()).ok_or_else(|| "no set of keys".into())
    });
    if let Err(error) = taken {
        let fields: [(&str, &dyn std::fmt::Display); 2] = [("issuer", &issuer.issuer), ("error", &error)];
        log::line(log::Level::Error, "issuer_unavailable", &fields);
    }
}

async fn ask(issuer: &Issuer) -> worker::Result<Result<String, String>> {
    let request = Request::new(&issuer.jwks_url(), worker::Method::Get)?;
    let mut response: Response = Fetch::Request(request).send().await?;
    let status = response.status_code();
    if !(200..=299).contains(&status) {
        return Ok(Err(format!("status {status}")));
    }
    let text = response.text().await?;
    Ok(if text.len() <= limits::ISSUER_KEYS_BYTES_MAX { Ok(text) } else { Err("too long".into()) })
}

async fn is_signed(algorithm: Algorithm, (signed, signature): (&str, &[u8]), key: &Jwk) -> bool {
    let Ok(jwk) = key.to_json() else { return false };
    let promise = verify_signature(algorithm.as_str(), &jwk, signed, &Uint8Array::from(signature));
    JsFuture::from(promise).await.as_ref().ok().and_then(JsValue::as_bool).unwrap_or(false)
}

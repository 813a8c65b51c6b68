//! Presigned URLs for S3-compatible storage: AWS Signature Version 4 in the query string.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use shared::UnixMillis;
use std::fmt::Write;

#[derive(Clone, PartialEq, Eq)]
pub struct Storage {
    /// `https://host` or `http://host:port`, without a path.
    pub endpoint: String,
    /// For instance `eu-central-1`; `auto` for R2.
    pub region: String,
    pub bucket: String,
    /// If true, the bucket is in the path; otherwise it is the first label of the host name.
    pub is_path_style: bool,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is a secret.
        f.debug_struct("Storage")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// The operation that a signed URL permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    Read {
        key: &'a str,
    },
    List {
        prefix: &'a str,
    },
    /// Deletes the objects listed in the body.
    Delete,
}

impl Action<'_> {
    const fn method(self) -> &'static str {
        match self {
            Self::Read { .. } | Self::List { .. } => "GET",
            Self::Delete => "POST",
        }
    }

    /// The object's key; `None` for operations on the bucket.
    const fn key(&self) -> Option<&str> {
        match self {
            Self::Read { key } => Some(key),
            Self::List { .. } | Self::Delete => None,
        }
    }

    /// Parameters besides the signature's, in alphabetical order; all of them sort after `X-Amz-…`.
    fn query(self) -> String {
        match self {
            Self::Read { .. } => String::new(),
            Self::List { prefix } => format!("&list-type=2&prefix={}", encode(prefix, true)),
            Self::Delete => "&delete=".into(),
        }
    }
}

impl Storage {
    /// A URL that permits the operation for `lifetime_s` seconds from `now`.
    #[must_use]
    pub fn sign(&self, action: Action<'_>, now: UnixMillis, lifetime_s: u64) -> String {
        let (scheme, authority) = self.endpoint.split_once("://").unwrap_or(("https", &self.endpoint));
        let bucket = if self.is_path_style { format!("/{}", encode(&self.bucket, false)) } else { String::new() };
        let host = if self.is_path_style { authority.to_owned() } else { format!("{}.{authority}", self.bucket) };
        let path = match action.key() {
            Some(key) => format!("{bucket}/{}", encode(key, false)),
            None if self.is_path_style => bucket,
            None => "/".into(),
        };
        let time = Timestamp::of(now);
        let scope = format!("{}/{}/s3/aws4_request", time.date, self.region);
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={lifetime_s}&X-Amz-SignedHeaders=host{}",
            encode(&format!("{}/{scope}", self.access_key_id), true),
            time.whole,
            action.query(),
        );
        // The URL is made before the body is known, so the body is never signed.
        let canonical = format!("{}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", action.method());
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", time.whole, hex(&Sha256::digest(canonical)));
        let signature = hex(&mac(&self.signing_key(&time.date), &to_sign));
        format!("{scheme}://{host}{path}?{query}&X-Amz-Signature={signature}")
    }

    fn signing_key(&self, date: &str) -> Vec<u8> {
        let parts = [date, &self.region, "s3", "aws4_request"];
        parts.iter().fold(format!("AWS4{}", self.secret_access_key).into_bytes(), |key, part| mac(&key, part))
    }
}

/// The time as `20130524T000000Z`, and its date.
struct Timestamp {
    whole: String,
    date: String,
}

impl Timestamp {
    fn of(now: UnixMillis) -> Self {
        let seconds = now.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let date = format!("{year:04}{month:02}{day:02}");
        let of_day = seconds % 86_400;
        let whole = format!("{date}T{:02}{:02}{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60);
        Self { whole, date }
    }
}

/// Converts days since 1970 to year, month and day, counting from 1 March of year 0 in eras of 400 years.
#[expect(clippy::arithmetic_side_effects, reason = "the days of a u64 of milliseconds are far from its ends")]
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

/// Percent-encoding (RFC 3986 §2.1) as AWS requires it: everything but unreserved characters and, in paths, the slash.
fn encode(text: &str, with_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if !with_slash => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of every length (RFC 2104 §3), so this always succeeds.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> Storage {
        Storage {
            endpoint: "https://s3.amazonaws.com".into(),
            region: "us-east-1".into(),
            bucket: "examplebucket".into(),
            is_path_style: false,
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        }
    }

    /// 24 May 2013, the day of the examples in AWS's documentation.
    const DAY: UnixMillis = UnixMillis(1_369_353_600_000);

    #[test]
    fn signs_the_documented_example() {
        // "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
        let url = storage().sign(Action::Read { key: "test.txt" }, DAY, 86_400);
        let expected = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(url, expected);
    }

    #[test]
    fn the_bucket_can_stand_in_the_path_and_keys_are_encoded() {
        let local = Storage { endpoint: "http://127.0.0.1:9000".into(), is_path_style: true, ..storage() };
        let url = local.sign(Action::Read { key: "a/ada@x ä.webm" }, DAY, 60);
        assert!(url.starts_with("http://127.0.0.1:9000/examplebucket/a/ada%40x%20%C3%A4.webm?X-Amz-"), "{url}");
    }

    #[test]
    fn what_is_done_to_the_bucket_names_no_object() {
        let local = Storage { endpoint: "http://127.0.0.1:9000".into(), is_path_style: true, ..storage() };
        for (storage, bucket) in
            [(local, "http://127.0.0.1:9000/examplebucket?"), (storage(), "https://examplebucket.s3.amazonaws.com/?")]
        {
            let list = storage.sign(Action::List { prefix: "a/b&c/" }, DAY, 60);
            assert!(list.starts_with(bucket), "{list}");
            assert!(
                list.contains("&X-Amz-SignedHeaders=host&list-type=2&prefix=a%2Fb%26c%2F&X-Amz-Signature="),
                "{list}"
            );
            let delete = storage.sign(Action::Delete, DAY, 60);
            assert!(delete.starts_with(bucket) && delete.contains("=host&delete=&X-Amz-Signature="), "{delete}");
        }
    }

    #[test]
    fn knows_the_calendar() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(Timestamp::of(UnixMillis(seconds * 1_000)).whole, expected);
        };
        check(0, "19700101T000000Z");
        check(951_782_399, "20000228T235959Z");
        check(951_782_400, "20000229T000000Z");
        check(1_709_251_200, "20240301T000000Z");
        check(1_798_761_599, "20261231T235959Z");
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", storage()).contains("wJalr"));
    }
}

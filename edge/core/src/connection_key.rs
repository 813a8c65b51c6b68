//! Keys with which clients without WebSocket send frames. A key names the client's socket at the room and, blinded, the
//! client; it is signed by the edge.

use crate::random::{self, Random};
use crate::secret::RoomKeys;
use shared::RoomId;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionKeys(RoomKeys);

impl ConnectionKeys {
    /// Derives separate keys for this purpose from secrets that have another purpose.
    pub fn derived<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(RoomKeys::derived(secrets, "rotunda connection key v1"))
    }

    /// A new connection to a room, with its key; `None` without secrets. Requests with keys of one `client` are limited
    /// together.
    pub fn make(&self, room: &RoomId, client: &str, random: &mut Random) -> Option<Connection> {
        let name = random::id(random);
        let key = self.0.sign(room, &name, "client", client)?;
        Some(Connection { name, key })
    }

    /// The connection that a key is for; `None` if the edge did not make it for this room.
    #[must_use]
    pub fn open(&self, room: &RoomId, key: &str) -> Option<Opened> {
        let (name, client) = self.0.signed(room, key)?.split_once('.')?;
        Some(Opened { name: name.into(), client: client.into() })
    }
}

pub struct Connection {
    /// Gives its socket at the room the number [`crate::SocketId::of_connection`].
    pub name: String,
    /// Given only to the client.
    pub key: String,
}

/// The content of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub name: String,
    /// The same in all keys of one client of a room.
    pub client: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::seeded;

    #[test]
    fn a_key_names_its_connection_and_its_client_to_its_room_alone() {
        let room = |name| RoomId::parse(name).expect("a name");
        let keys = |secret: &str| ConnectionKeys::derived([secret.as_bytes()]);
        let made = |client, seed| keys("one").make(&room("daily"), client, &mut seeded(seed)).expect("a key");
        let Connection { name, key } = made("ada", 1);
        let opened = keys("one").open(&room("daily"), &key).expect("a key of this room");
        assert_eq!(opened.name, name);
        assert!(!key.contains("ada"), "{key}");
        assert_eq!(keys("one").open(&room("weekly"), &key), None);
        assert_eq!(keys("two").open(&room("daily"), &key), None);
        let [again, bob] = [made("ada", 2), made("bob", 3)];
        let client = |key: &str| keys("one").open(&room("daily"), key).expect("a key").client;
        assert_eq!(client(&again.key), opened.client);
        assert_ne!(client(&bob.key), opened.client);
        let parts = |key: &str| key.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (ours, theirs) = (parts(&key), parts(&bob.key));
        let mixed = [
            format!("{}.{}.{}", ours[0], ours[1], theirs[2]),
            format!("{}.{}.{}", ours[0], theirs[1], ours[2]),
            format!("{}.{}.{}", theirs[0], ours[1], ours[2]),
            format!("{}.{}", ours[0], ours[2]),
        ];
        for forged in mixed.iter().map(String::as_str).chain(["", ".", "..", &name]) {
            assert_eq!(keys("one").open(&room("daily"), forged), None, "{forged}");
        }
        let both = ConnectionKeys::derived([b"two".as_slice(), b"one"]);
        assert_eq!(both.open(&room("daily"), &key), Some(opened), "a key of the secret before");
        assert!(ConnectionKeys::default().make(&room("daily"), "ada", &mut seeded(1)).is_none());
    }
}

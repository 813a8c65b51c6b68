//! The SQLite storage of one object: the core's rows, and the object's name.

use edge_core::storage::{Archive, Changes, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::json;
use std::cell::Cell;
use std::time::Duration;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Result, SqlStorage, SqlStorageValue, Storage, wasm_bindgen};

const TABLES: &str = "CREATE TABLE IF NOT EXISTS core (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), value TEXT NOT NULL)";

#[wasm_bindgen(module = "/src/stored_rows.js")]
extern "C" {
    #[wasm_bindgen(js_name = rowsOutside, catch)]
    fn rows_outside(sql: &JsValue, from: &str, to: &str) -> std::result::Result<String, JsValue>;
    #[wasm_bindgen(js_name = writeRows, catch)]
    fn write_rows(storage: &JsValue, sql: &JsValue, lines: &str) -> std::result::Result<(), JsValue>;
}

/// One object's tables, created at the first write, so that an unused object occupies no storage.
pub(crate) struct Store {
    storage: Storage,
    has_tables: Cell<bool>,
}

impl Store {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, has_tables: Cell::new(false) }
    }

    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        self.rows_outside("", "")
    }

    /// All rows except those whose keys begin with `prefix`, which ends with a slash.
    pub(crate) fn rows_but(&self, prefix: &str) -> Result<Vec<Row>> {
        // `0` is the letter after the slash.
        self.rows_outside(prefix, &format!("{}0", prefix.trim_end_matches('/')))
    }

    fn rows_outside(&self, from: &str, to: &str) -> Result<Vec<Row>> {
        let lines = rows_outside(self.sql()?.as_ref(), from, to)?;
        let row = |line: &str| line.split_once('\t').map(|(key, value)| Row { key: key.into(), value: value.into() });
        Ok(lines.lines().filter_map(row).collect())
    }

    /// Reads single rows.
    pub(crate) fn archive(&self) -> Archive {
        let sql = self.storage.sql();
        Box::new(move |key| {
            let found = sql.exec("SELECT value FROM core WHERE key = ?", vec![key.into()]).ok()?;
            texts(found.raw().next()?.ok()?).next()
        })
    }

    /// Rows whose keys sort after `after`, in order.
    pub(crate) fn rows_after(&self, after: &str, limit: usize) -> Result<Vec<Row>> {
        const SELECT: &str = "SELECT key, value FROM core WHERE key > ? ORDER BY key LIMIT ?";
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let mut rows = Vec::new();
        for row in self.sql()?.exec(SELECT, vec![after.into(), limit.into()])?.raw() {
            let mut row = texts(row?);
            rows.extend(row.next().zip(row.next()).map(|(key, value)| Row { key, value }));
        }
        Ok(rows)
    }

    /// Writes the changes of one input atomically.
    pub(crate) fn write(&self, changes: Changes) -> Result<()> {
        #[cfg(feature = "development")]
        return crate::fault::strike(|| self.commit(changes));
        #[cfg(not(feature = "development"))]
        self.commit(changes)
    }

    fn commit(&self, changes: Changes) -> Result<()> {
        let Changes { put, delete } = changes;
        let put = put.into_iter().flat_map(|Row { key, value }| [key, "\t".into(), value, "\n".into()]);
        let delete = delete.into_iter().flat_map(|key| [key, "\n".into()]);
        let lines: String = put.chain(delete).collect();
        write_rows(self.storage.as_raw().as_ref(), self.sql()?.as_ref(), &lines)?;
        Ok(())
    }

    /// Deletes unreadable rows.
    pub(crate) fn delete(&self, keys: Vec<String>) -> Result<()> {
        if keys.is_empty() { Ok(()) } else { self.write(Changes { put: Vec::new(), delete: keys }) }
    }

    /// The object's identity, stored because an alarm does not carry it.
    pub(crate) fn identity<I: DeserializeOwned>(&self) -> Result<Option<I>> {
        let Some(row) = self.sql()?.exec("SELECT value FROM identity", None)?.raw().next() else { return Ok(None) };
        texts(row?).next().map(|value| Ok(json::from_str(&value)?)).transpose()
    }

    pub(crate) fn set_identity(&self, identity: &impl Serialize) -> Result<()> {
        let value = serde_json::to_string(identity)?;
        self.sql()?.exec("INSERT OR REPLACE INTO identity (one, value) VALUES (1, ?)", vec![value.into()])?;
        Ok(())
    }

    /// True if the core has no rows.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.sql()?.exec("SELECT 1 FROM core LIMIT 1", None)?.raw().next().is_none())
    }

    /// Replaces the alarm with one after `delay`.
    pub(crate) async fn set_alarm(&self, delay: Duration) -> Result<()> {
        self.storage.set_alarm(delay).await
    }

    /// Deletes everything, the alarm included; an object without storage costs nothing.
    pub(crate) async fn wipe(&self) -> Result<()> {
        self.has_tables.set(false);
        self.storage.delete_all().await
    }

    fn sql(&self) -> Result<SqlStorage> {
        let sql = self.storage.sql();
        if !self.has_tables.get() {
            sql.exec(TABLES, None)?;
            self.has_tables.set(true);
        }
        Ok(sql)
    }
}

/// The texts of a row; other values are left out.
fn texts(row: Vec<SqlStorageValue>) -> impl Iterator<Item = String> {
    row.into_iter().filter_map(|value| match value {
        SqlStorageValue::String(text) => Some(text),
        _ => None,
    })
}

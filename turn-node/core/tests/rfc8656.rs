//! One test per MUST of RFC 8656 (of RFC 6062 and RFC 8489 §9.2 too), named by its section.
#![allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]

#[path = "rfc8656/allocate.rs"]
mod allocate;
#[path = "rfc8656/connections.rs"]
mod connections;
#[path = "rfc8656/credentials.rs"]
mod credentials;
#[path = "rfc8656/data_and_floods.rs"]
mod data_and_floods;
#[path = "rfc8656/flows.rs"]
mod flows;
#[path = "rfc8656/limits.rs"]
mod limits;
#[path = "rfc8656/permissions.rs"]
mod permissions;
#[path = "rfc8656/refresh.rs"]
mod refresh;
#[path = "rfc8656/situations.rs"]
mod situations;
#[path = "rfc8656/world.rs"]
mod world;

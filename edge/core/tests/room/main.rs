//! A room on a stage: scripts that say what happens and what the room does about it, with a sleep after every step; and random plays.

mod answers;
mod bans;
mod frames;
mod grants;
mod judges;
mod limits;
mod models;
mod offers;
mod random;
mod relay;
mod restore;
mod scripts;
mod secrets;
mod single_use;
mod stage;
mod words;

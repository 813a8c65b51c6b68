//! Rooms on a stage: scripts with the room's outputs for every step and a sleep after each one, and random plays.

mod addresses;
mod answers;
mod bans;
mod crowd;
mod differences;
mod frames;
mod grants;
mod judges;
mod leftovers;
mod limits;
mod lost_nodes;
mod loudest;
mod models;
mod offers;
mod places;
mod random;
mod region;
mod relay;
mod restore;
mod scripts;
mod secrets;
mod servers;
mod single_use;
mod stage;
mod stored;
mod words;

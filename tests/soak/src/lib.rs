//! Robots in rooms of the real programs: `soak` watches what the programs hold for a long time, `chaos` kills them,
//! `load` finds how many they serve.

pub mod dice;
pub mod guest;
pub mod recordings;
pub mod survivor;
pub mod trial;
pub mod visit;
pub mod watch;

//! Robots in rooms of the real programs, for a long time: `soak` watches what the programs hold, `chaos` kills them.

pub mod dice;
pub mod guest;
pub mod recordings;
pub mod survivor;
pub mod watch;

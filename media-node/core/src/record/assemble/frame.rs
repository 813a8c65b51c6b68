//! An assembled frame.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub timestamp: u32,
    /// Arrival of its last packet, in microseconds since 1970.
    pub received_us: i64,
    /// Capture time, if known.
    pub captured_us: Option<i64>,
    /// True if a decoder can begin here.
    pub is_key: bool,
    /// Width and height, known for key frames.
    pub resolution: Option<(u16, u16)>,
    pub bytes: Vec<u8>,
}

//! One browser's transport: ICE, DTLS, SRTP.

pub mod dtls;
pub mod ice_lite;
pub mod srtp;

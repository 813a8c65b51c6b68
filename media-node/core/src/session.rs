//! One browser's transport: ICE, DTLS, SRTP.

pub mod dtls;

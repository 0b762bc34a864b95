//! message/sipfrag bodies, as NOTIFY carries them for REFER (RFC 3420, RFC 3515 §2.4.5).

use crate::{parse, status::StatusCode};

/// The media type of such a body.
pub const CONTENT_TYPE: &str = "message/sipfrag;version=2.0";

/// Makes the body that reports a status.
pub fn status_line(status: StatusCode) -> String {
    format!("SIP/2.0 {} {}\r\n", status, status.reason())
}

/// Reads the status and the reason phrase from such a body. What follows the first line is not looked at.
pub fn parse(body: &[u8]) -> Option<(StatusCode, String)> {
    // The line's CRLF is often forgotten, or a bare LF.
    let line = body.split(|byte| *byte == b'\n').next()?;
    parse::status_line(line.strip_suffix(b"\r").unwrap_or(line)).ok()
}

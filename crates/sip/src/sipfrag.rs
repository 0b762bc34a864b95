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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(status_line(StatusCode::OK), "SIP/2.0 200 OK\r\n");
        for code in 100..=699 {
            let status = StatusCode::new(code).unwrap();
            let read = parse(status_line(status).as_bytes());
            assert_eq!(read, Some((status, status.reason().to_owned())));
        }
    }

    /// RFC 3515 §2.4.5: it starts with a status line; header fields may follow.
    #[test]
    fn only_the_first_line_counts_and_its_end_may_lack() {
        let ok = Some((StatusCode::OK, "OK".to_owned()));
        for body in
            ["SIP/2.0 200 OK", "SIP/2.0 200 OK\n", "SIP/2.0 200 OK\r\nContact: <sip:a@x>\r\n"]
        {
            assert_eq!(parse(body.as_bytes()), ok, "{body}");
        }
        assert_eq!(parse(b"SIP/2.0 603"), Some((StatusCode::DECLINE, String::new())));
        for body in [
            "",
            "\r\n",
            "SIP/2.0",
            "SIP/2.0 x",
            "200 OK",
            "\r\nSIP/2.0 200 OK",
            "SIP/2.0 200\rOK\n",
        ] {
            assert_eq!(parse(body.as_bytes()), None, "{body}");
        }
    }
}

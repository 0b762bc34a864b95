//! The floor program for redirections: it answers every INVITE with the same 302 and does nothing else.
//!
//! It reads no field, keeps nothing and checks nothing: it copies the lines that an answer has from its question (RFC 3261 §8.2.6.2).
//! What a server needs for a 302 above it is its own; below it no server gets that takes one packet at a time.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::wire::bind;

/// What an answer has of its question; its To has a tag more.
const COPIED: [&[u8]; 4] = [b"Via:", b"From:", b"Call-ID:", b"CSeq:"];

const DATAGRAM_BYTES_MAX: usize = 4_096;

/// A redirector.
#[derive(Debug)]
pub struct Redirector {
    socket: UdpSocket,
    answer: Vec<u8>,
}

impl Redirector {
    /// Binds a SIP socket on a free port.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(ip: IpAddr) -> io::Result<Self> {
        let socket = bind(ip)?;
        socket.set_nonblocking(false)?;
        Ok(Self { socket, answer: Vec::new() })
    }

    /// Where it is asked.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Works until the system refuses to go on.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&mut self) -> io::Result<()> {
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        loop {
            let (length, from) = self.socket.recv_from(&mut bytes)?;
            let question = &bytes[..length];
            if question.starts_with(b"INVITE ") {
                redirect(question, &mut self.answer);
                // It may fail as a real server's does: then it is asked again.
                let _ = self.socket.send_to(&self.answer, from);
            }
        }
    }
}

/// Writes the 302 to an INVITE into `answer`.
fn redirect(question: &[u8], answer: &mut Vec<u8>) {
    answer.clear();
    answer.extend_from_slice(b"SIP/2.0 302 Moved Temporarily\r\n");
    let lines = question.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    // The head ends with an empty line.
    for line in lines.take_while(|line| !line.is_empty()) {
        let is_to = line.starts_with(b"To:");
        if !is_to && !COPIED.iter().any(|name| line.starts_with(name)) {
            continue;
        }
        answer.extend_from_slice(line);
        if is_to {
            answer.extend_from_slice(b";tag=floor");
        }
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(
        b"Contact: <sip:conf-k7abcdefghijklmnopqrstuvwxyz234567abcdefgh@127.0.0.1>;isfocus\r\nContent-Length: 0\r\n\r\n",
    );
}

#[cfg(test)]
mod tests {
    use sip::{HeaderName, Message, parse_datagram};

    use super::*;

    #[test]
    fn a_question_is_answered_with_its_own_fields_and_a_tag() {
        let question = b"INVITE sip:conference@127.0.0.1 SIP/2.0\r\n\
            Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nTo: <sip:conference@127.0.0.1>\r\n\
            From: <sip:a@127.0.0.1>;tag=1\r\nCall-ID: 7@127.0.0.1\r\nCSeq: 1 INVITE\r\nContent-Length: 5\r\n\r\nVia:\r";
        let mut answer = Vec::new();
        redirect(question, &mut answer);
        let Ok(Message::Response(answer)) = parse_datagram(&answer) else { panic!("an answer") };
        assert_eq!(answer.status.code(), 302);
        assert_eq!(answer.headers.call_id(), Ok("7@127.0.0.1"));
        assert_eq!(answer.headers.count(&HeaderName::Via), 1, "what stands in the body is none");
        assert_eq!(answer.headers.to().expect("a To").tag(), Some("floor"));
        assert_eq!(answer.headers.count(&HeaderName::MaxForwards), 0);
    }
}

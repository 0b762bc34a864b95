//! SIP as text: just enough for a terminal and a proxy that share no code with the crates under test.

use std::net::{SocketAddr, UdpSocket};

/// A message; header names as they came, Content-Length left out.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    /// A message from its start line, its header lines and its body.
    pub(crate) fn new(start: &str, headers: &str, body: &str) -> Self {
        let parsed = headers.split("\r\n").filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').expect("a header line");
            (name.trim().to_owned(), value.trim().to_owned())
        });
        let headers = parsed.filter(|(name, _)| name != "Content-Length").collect();
        Self { start: start.to_owned(), headers, body: body.to_owned() }
    }

    /// The message as it goes on the wire.
    pub(crate) fn to_text(&self) -> String {
        let Self { start, headers, body } = self;
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{start}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    /// The next message of a socket and where it came from; `None` when its time is over.
    pub(crate) fn receive(socket: &UdpSocket) -> Option<(Self, SocketAddr)> {
        let mut buffer = [0; 65_535];
        let (length, from) = socket.recv_from(&mut buffer).ok()?;
        let text = str::from_utf8(&buffer[..length]).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
        let (start, headers) = head.split_once("\r\n").expect("headers");
        Some((Self::new(start, headers, body), from))
    }

    /// The first header of that name, which must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or_else(|| panic!("no {name} in {}", self.to_text()), |(_, value)| value)
    }

    /// The URI between the angle brackets of Contact.
    pub(crate) fn contact_uri(&self) -> String {
        let contact = self.header("Contact");
        let (_, rest) = contact.split_once('<').expect("<");
        rest.split_once('>').expect(">").0.to_owned()
    }
}

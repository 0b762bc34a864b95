//! A phone over real sockets, by hand.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use server::Running;
use sip::{Frame, Message, Method, Request, Response, StatusCode, StreamFramer, parse_datagram};
use socket2::SockRef;

/// Longer than anything here takes on the slowest machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A phone that calls over UDP, or over TCP if it has a stream; it listens for TCP on the same port or does not.
pub(crate) struct Phone {
    pub(crate) udp: UdpSocket,
    tcp: Option<TcpListener>,
    pub(crate) stream: Option<TcpStream>,
    pub(crate) own: SocketAddr,
    pub(crate) server: SocketAddr,
    user: String,
    cseq: u32,
    /// Where it has its sound, and whether it presses keys there.
    pub(crate) media: Option<UdpSocket>,
}

impl Phone {
    pub(crate) fn new(server: &Running, user: &str) -> Self {
        Self::at(server.sip()[0], user)
    }

    /// A phone of the family of this address of a server.
    pub(crate) fn at(server: SocketAddr, user: &str) -> Self {
        let udp = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a port");
        udp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let own = udp.local_addr().expect("bound");
        Self {
            udp,
            tcp: None,
            stream: None,
            own,
            server,
            user: user.to_owned(),
            cseq: 0,
            media: None,
        }
    }

    /// The same phone, which calls over a connection.
    pub(crate) fn by_stream(self) -> Self {
        let stream = TcpStream::connect(self.server).expect("connected");
        Self { stream: Some(stream), ..self }
    }

    /// The same phone, which takes connections too.
    pub(crate) fn with_tcp(self) -> Self {
        let tcp = TcpListener::bind(self.own).expect("free for TCP too");
        SockRef::from(&tcp).set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { tcp: Some(tcp), ..self }
    }

    pub(crate) fn offer(&self) -> String {
        let port =
            self.media.as_ref().map_or(4_000, |media| media.local_addr().expect("bound").port());
        let keys = match self.media {
            Some(_) => " 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15",
            None => "",
        };
        let (ip, net) = (self.own.ip(), if self.own.is_ipv4() { "IP4" } else { "IP6" });
        format!(
            "v=0\r\no=- 1 1 IN {net} {ip}\r\ns=-\r\nc=IN {net} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8{keys}\r\n"
        )
    }

    pub(crate) fn send(&mut self, method: &str, uri: &str, to_tag: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let Self { own, user, cseq, .. } = self;
        let by = if self.stream.is_some() { "TCP" } else { "UDP" };
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{by} {own};rport;branch=z9hG4bK-{method}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=a\r\nTo: <{uri}>{tag}\r\n\
             Call-ID: {user}\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{own}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        match &mut self.stream {
            Some(stream) => stream.write_all(text.as_bytes()).expect("written"),
            None => drop(self.udp.send_to(text.as_bytes(), self.server).expect("sent")),
        }
    }

    fn message(&mut self) -> Message {
        if let Some(stream) = &mut self.stream {
            return from_stream(stream);
        }
        let mut buffer = vec![0; 65_535];
        let length = self.udp.recv(&mut buffer).expect("a message");
        parse_datagram(&buffer[..length]).expect("a good message")
    }

    pub(crate) fn response(&mut self) -> Response {
        loop {
            match self.message() {
                Message::Response(response) if response.status.is_final() => return response,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    pub(crate) fn request(&mut self, method: &Method) -> Request {
        loop {
            match self.message() {
                Message::Request(request) if request.method == *method => return request,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    /// Asks the factory; gives the URI in the 302.
    pub(crate) fn conference(&mut self) -> String {
        let factory = format!("sip:conference@{}", self.server);
        self.send("INVITE", &factory, "", &self.offer());
        let moved = self.response();
        assert_eq!(moved.status, StatusCode::MOVED_TEMPORARILY);
        self.send("ACK", &factory, &to_tag(&moved), "");
        let contact = moved.headers.contact().expect("good").expect("a Contact");
        contact.uri.to_string()
    }

    /// Asks the factory, follows it and joins; gives the 200.
    pub(crate) fn join(&mut self) -> Response {
        let conference = self.conference();
        self.enter(&conference)
    }

    /// Calls a conference and joins; gives the 200.
    pub(crate) fn enter(&mut self, conference: &str) -> Response {
        self.send("INVITE", conference, "", &self.offer());
        let joined = self.response();
        assert_eq!(joined.status, StatusCode::OK, "{}", joined.reason);
        self.send("ACK", conference, &to_tag(&joined), "");
        joined
    }

    pub(crate) fn answer(&mut self, request: &Request) {
        let response = Response::answering(request, StatusCode::OK).to_bytes();
        match &mut self.stream {
            Some(stream) => stream.write_all(&response).expect("written"),
            None => drop(self.udp.send_to(&response, self.server).expect("sent")),
        }
    }

    /// Waits for a connection, and goes on by that.
    pub(crate) fn accept(self) -> Self {
        let (stream, _) = self.tcp.as_ref().expect("a listener").accept().expect("connected");
        Self { stream: Some(stream), ..self }
    }
}

/// The tag that the other side has given.
pub(crate) fn to_tag(response: &Response) -> String {
    let to = response.headers.to().expect("a To");
    to.tag().expect("a tag").to_owned()
}

/// Reads the next message of a connection.
fn from_stream(stream: &mut TcpStream) -> Message {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut framer = StreamFramer::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).expect("more of the message");
        framer.push(&byte);
        if let Some(Ok(Frame::Message(bytes))) = framer.next() {
            return parse_datagram(&bytes).expect("a good message");
        }
    }
}

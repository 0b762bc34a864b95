//! How a server reaches a phone in its dialog, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use server::config::Flags;
use server::{Config, Running, Server};
use sip::{HeaderName, Message, Method, Request, Response, StatusCode, parse_datagram};
use socket2::SockRef;

/// Longer than anything here takes on the slowest machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const V4: &str = "127.0.0.1";

fn start(ip: &str) -> Running {
    let ip: IpAddr = ip.parse().expect("an address");
    let admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let flags = Flags { sip: Some((ip, 0).into()), admin, ..Flags::default() };
    Server::start(&Config::from_flags(&flags).expect("good"), false).expect("started")
}

/// A phone that speaks UDP, and listens for TCP on the same port or does not.
struct Phone {
    udp: UdpSocket,
    tcp: Option<TcpListener>,
    own: SocketAddr,
    server: SocketAddr,
    user: String,
    cseq: u32,
}

impl Phone {
    fn new(server: &Running, user: &str) -> Self {
        let server = server.sip()[0];
        let udp = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a port");
        udp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let own = udp.local_addr().expect("bound");
        Self { udp, tcp: None, own, server, user: user.to_owned(), cseq: 0 }
    }

    /// The same phone, which takes connections too.
    fn with_tcp(self) -> Self {
        let tcp = TcpListener::bind(self.own).expect("free for TCP too");
        SockRef::from(&tcp).set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { tcp: Some(tcp), ..self }
    }

    fn offer(&self) -> String {
        let (ip, net) = (self.own.ip(), if self.own.is_ipv4() { "IP4" } else { "IP6" });
        format!(
            "v=0\r\no=- 1 1 IN {net} {ip}\r\ns=-\r\nc=IN {net} {ip}\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP 8\r\n"
        )
    }

    fn send(&mut self, method: &str, uri: &str, to_tag: &str, body: &str) {
        if method != "ACK" {
            self.cseq += 1;
        }
        let Self { own, user, cseq, .. } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK-{method}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=a\r\nTo: <{uri}>{tag}\r\n\
             Call-ID: {user}\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{own}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.udp.send_to(text.as_bytes(), self.server).expect("sent");
    }

    fn message(&self) -> Message {
        let mut buffer = vec![0; 65_535];
        let length = self.udp.recv(&mut buffer).expect("a message");
        parse_datagram(&buffer[..length]).expect("a good message")
    }

    fn response(&self) -> Response {
        loop {
            match self.message() {
                Message::Response(response) if response.status.is_final() => return response,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    fn request(&self, method: &Method) -> Request {
        loop {
            match self.message() {
                Message::Request(request) if request.method == *method => return request,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    /// Asks the factory, follows it and joins; gives the 200.
    fn join(&mut self) -> Response {
        let factory = format!("sip:conference@{}", self.server);
        self.send("INVITE", &factory, "", &self.offer());
        let moved = self.response();
        assert_eq!(moved.status, StatusCode::MOVED_TEMPORARILY);
        self.send("ACK", &factory, &to_tag(&moved), "");
        let contact = moved.headers.contact().expect("good").expect("a Contact");
        let conference = contact.uri.to_string();
        self.send("INVITE", &conference, "", &self.offer());
        let joined = self.response();
        assert_eq!(joined.status, StatusCode::OK, "{}", joined.reason);
        self.send("ACK", &conference, &to_tag(&joined), "");
        joined
    }

    fn answer(&self, request: &Request) {
        let response = Response::answering(request, StatusCode::OK);
        self.udp.send_to(&response.to_bytes(), self.server).expect("sent");
    }
}

fn to_tag(response: &Response) -> String {
    let to = response.headers.to().expect("a To");
    to.tag().expect("a tag").to_owned()
}

/// Reads the next message of a connection; none here has a body.
fn from_stream(stream: &mut TcpStream) -> Message {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("more of the message");
        text.push(byte[0]);
    }
    parse_datagram(&text).expect("a good message")
}

/// A user part that brings every request of the dialog above 1300 bytes.
fn long_name() -> String {
    "x".repeat(1_300)
}

/// A06 · RFC 3261 §18.1.1, T19
#[test]
fn a_long_request_comes_over_tcp_to_a_phone_that_called_over_udp() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, &long_name()).with_tcp();
    phone.join();
    server.stop();
    let (mut stream, _) = phone.tcp.as_ref().expect("a listener").accept().expect("connected");
    let Message::Request(bye) = from_stream(&mut stream) else { panic!("a request") };
    assert_eq!(bye.method, Method::Bye);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "TCP");
    stream.write_all(&Response::answering(&bye, StatusCode::OK).to_bytes()).expect("written");
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// A06 · RFC 3261 §18.1.1: the port is closed for TCP.
#[test]
fn a_long_request_comes_over_udp_to_a_phone_that_takes_no_connection() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, &long_name());
    phone.join();
    server.stop();
    let bye = phone.request(&Method::Bye);
    assert!(bye.to_bytes().len() > 1_300);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "UDP");
    assert_eq!(bye.headers.count(&HeaderName::Via), 1);
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

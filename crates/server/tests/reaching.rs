//! How a server reaches a phone in its dialog, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use server::config::Flags;
use server::{Config, Running, Server};
use sip::{
    Frame, HeaderName, Message, Method, Request, Response, StatusCode, StreamFramer, parse_datagram,
};
use socket2::SockRef;

/// Longer than anything here takes on the slowest machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

fn start(ip: &str) -> Running {
    let ip: IpAddr = ip.parse().expect("an address");
    let admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let flags = Flags { sip: Some((ip, 0).into()), admin, ..Flags::default() };
    Server::start(&Config::from_flags(&flags).expect("good"), false).expect("started")
}

/// A server with SIP and media over both families, in this order, and what a file says of them.
fn start_both(text: &str) -> Running {
    let text = format!("{text}\n[admin]\nbind = \"127.0.0.1:0\"");
    let config = Config::from_toml("convoke.toml", &text, &Flags::default()).expect("good");
    Server::start(&config, false).expect("started")
}

/// A phone that calls over UDP, or over TCP if it has a stream; it listens for TCP on the same port or does not.
struct Phone {
    udp: UdpSocket,
    tcp: Option<TcpListener>,
    stream: Option<TcpStream>,
    own: SocketAddr,
    server: SocketAddr,
    user: String,
    cseq: u32,
}

impl Phone {
    fn new(server: &Running, user: &str) -> Self {
        Self::at(server.sip()[0], user)
    }

    /// A phone of the family of this address of a server.
    fn at(server: SocketAddr, user: &str) -> Self {
        let udp = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a port");
        udp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let own = udp.local_addr().expect("bound");
        Self { udp, tcp: None, stream: None, own, server, user: user.to_owned(), cseq: 0 }
    }

    /// The same phone, which calls over a connection.
    fn by_stream(self) -> Self {
        let stream = TcpStream::connect(self.server).expect("connected");
        Self { stream: Some(stream), ..self }
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

    fn response(&mut self) -> Response {
        loop {
            match self.message() {
                Message::Response(response) if response.status.is_final() => return response,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    fn request(&mut self, method: &Method) -> Request {
        loop {
            match self.message() {
                Message::Request(request) if request.method == *method => return request,
                Message::Response(_) | Message::Request(_) => {}
            }
        }
    }

    /// Asks the factory; gives the URI in the 302.
    fn conference(&mut self) -> String {
        let factory = format!("sip:conference@{}", self.server);
        self.send("INVITE", &factory, "", &self.offer());
        let moved = self.response();
        assert_eq!(moved.status, StatusCode::MOVED_TEMPORARILY);
        self.send("ACK", &factory, &to_tag(&moved), "");
        let contact = moved.headers.contact().expect("good").expect("a Contact");
        contact.uri.to_string()
    }

    /// Asks the factory, follows it and joins; gives the 200.
    fn join(&mut self) -> Response {
        let conference = self.conference();
        self.send("INVITE", &conference, "", &self.offer());
        let joined = self.response();
        assert_eq!(joined.status, StatusCode::OK, "{}", joined.reason);
        self.send("ACK", &conference, &to_tag(&joined), "");
        joined
    }

    fn answer(&mut self, request: &Request) {
        let response = Response::answering(request, StatusCode::OK).to_bytes();
        match &mut self.stream {
            Some(stream) => stream.write_all(&response).expect("written"),
            None => drop(self.udp.send_to(&response, self.server).expect("sent")),
        }
    }

    /// Waits for a connection, and goes on by that.
    fn accept(self) -> Self {
        let (stream, _) = self.tcp.as_ref().expect("a listener").accept().expect("connected");
        Self { stream: Some(stream), ..self }
    }
}

fn to_tag(response: &Response) -> String {
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
    let mut phone = phone.accept();
    let bye = phone.request(&Method::Bye);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "TCP");
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// RFC 3261 §18.1.1, RFC 5923 §5: what a phone has opened is used for requests to it too.
#[test]
fn a_phone_that_called_over_a_connection_gets_its_bye_by_it() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, "alice").by_stream().with_tcp();
    phone.join();
    server.stop();
    let bye = phone.request(&Method::Bye);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "TCP");
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// A09's other half · RFC 3261 §18.1.1, §12.2.1.1: a new connection goes to the remote target.
#[test]
fn when_that_connection_is_gone_a_new_one_goes_to_the_contact() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, "alice").by_stream().with_tcp();
    phone.join();
    phone.stream = None;
    server.stop();
    let mut phone = phone.accept();
    let bye = phone.request(&Method::Bye);
    phone.answer(&bye);
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

/// RFC 3261 §18, §19.1.1, §20.42; RFC 8866 §5.7: the whole way over IPv6: brackets where a port may follow, none in
/// `received`, and media of the same family.
#[test]
fn a_phone_on_ipv6_gets_a_conference_on_ipv6() {
    for by_stream in [false, true] {
        let mut server = start(V6);
        let mut phone = Phone::new(&server, "alice");
        if by_stream {
            phone = phone.by_stream();
        }
        let joined = phone.join();
        let at = server.sip()[0];
        let contact = joined.headers.contact().expect("good").expect("a Contact").uri.to_string();
        assert!(
            contact.starts_with("sip:conf-") && contact.ends_with(&format!("@{at}")),
            "{contact}"
        );
        assert_eq!(joined.headers.top_via().expect("a Via").received(), Some(at.ip()));
        let description = String::from_utf8(joined.body.clone()).expect("text");
        assert!(description.contains("c=IN IP6 ::1\r\n"), "{description}");
        server.stop();
        let bye = phone.request(&Method::Bye);
        assert_eq!(bye.headers.top_via().expect("a Via").host.to_string(), "[::1]");
        phone.answer(&bye);
        assert_eq!(server.finish().expect("no panic").legs_left, 0);
    }
}

/// B12 · RFC 4579 §4.2: one conference for both families: each is answered from the address that it asked, with media of
/// its own.
#[test]
fn phones_of_both_families_meet_in_one_conference() {
    let mut server =
        start_both("[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[[sip.listen]]\nbind = \"[::1]:0\"\n");
    let [v4, v6] = server.sip()[..] else { panic!("two") };
    let mut alice = Phone::at(v4, "alice");
    let mut bob = Phone::at(v6, "bob");
    let conference = alice.conference();
    for phone in [&mut alice, &mut bob] {
        phone.udp.connect(phone.server).expect("answers of no other address are taken");
        phone.send("INVITE", &conference, "", &phone.offer());
        let joined = phone.response();
        assert_eq!(joined.status, StatusCode::OK, "{}", joined.reason);
        phone.send("ACK", &conference, &to_tag(&joined), "");
        let family =
            if phone.own.is_ipv4() { "c=IN IP4 127.0.0.1\r\n" } else { "c=IN IP6 ::1\r\n" };
        let description = String::from_utf8(joined.body.clone()).expect("text");
        assert!(description.contains(family), "{description}");
        let contact = joined.headers.contact().expect("good").expect("a Contact");
        assert_eq!(contact.uri.to_string(), conference, "the same string to all");
    }
    server.stop();
    for phone in [&mut alice, &mut bob] {
        let bye = phone.request(&Method::Bye);
        phone.answer(&bye);
    }
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// RFC 3261 §13.3.1.3, §20.43 (301): media of a family that we have no address of.
#[test]
fn a_family_without_a_media_address_is_refused_with_488() {
    let mut server = start_both(
        "[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[[sip.listen]]\nbind = \"[::1]:0\"\n\
         [[media.listen]]\nbind = \"127.0.0.1\"\n",
    );
    let mut phone = Phone::at(server.sip()[1], "alice");
    let conference = phone.conference();
    phone.send("INVITE", &conference, "", &phone.offer());
    let refused = phone.response();
    assert_eq!(refused.status.code(), 488);
    let warnings = refused.headers.warnings().expect("good");
    assert_eq!(warnings[0].code, 301);
    // The signalling's family does not matter.
    let v4 = phone.offer().replace("IP6 ::1", "IP4 127.0.0.1");
    phone.send("INVITE", &conference, "", &v4);
    let joined = phone.response();
    assert_eq!(joined.status, StatusCode::OK);
    phone.send("ACK", &conference, &to_tag(&joined), "");
    server.stop();
    let bye = phone.request(&Method::Bye);
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

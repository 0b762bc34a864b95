//! A server in this process, asked over real sockets.

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use server::config::Flags;
use server::{Config, EndCause, Running, Server};
use socket2::SockRef;

/// Longer than anything here takes on the slowest machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(bind: &str) -> Running {
    start_with(bind, "")
}

/// With this configuration.
fn start_with(bind: &str, text: &str) -> Running {
    let bind: SocketAddr = bind.parse().expect("an address");
    let admin: SocketAddr = ([127, 0, 0, 1], 0).into();
    let flags = Flags { sip: Some(bind), admin: Some(admin), ..Flags::default() };
    let config = Config::from_toml("convoke.toml", text, &flags).expect("a good configuration");
    Server::start(&config, false).expect("started")
}

/// A request to the factory, with a Via for `transport` and `sent_by`.
fn request(method: &str, transport: &str, sent_by: SocketAddr, body: &str) -> String {
    format!(
        "{method} sip:conference@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {sent_by};rport;branch=z9hG4bK-{method}-{transport}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\nTo: <sip:conference@127.0.0.1>\r\n\
         Call-ID: {method}-{transport}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{sent_by}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn udp(like: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(like.ip(), 0)).expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8\r\n";

/// A header field's value.
fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}

/// The head of the next message that is no 1xx.
fn final_head(stream: &mut TcpStream) -> String {
    loop {
        let head = head(stream);
        if !head.starts_with("SIP/2.0 1") {
            return head;
        }
    }
}

/// Reads the head of one message.
fn head(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("more of the answer");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text")
}

fn datagram(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// A05 · RFC 3261 §18.1.1, §18.2.1
#[test]
fn options_is_answered_over_udp_and_tcp_on_one_port() {
    let server = start("127.0.0.1:0");
    let sip = server.sip()[0];
    let socket = udp(sip);
    let own = socket.local_addr().expect("bound");
    socket.send_to(request("OPTIONS", "UDP", own, "").as_bytes(), sip).expect("sent");
    assert!(datagram(&socket).starts_with("SIP/2.0 200 "));

    let mut stream = connect(sip);
    let own = stream.local_addr().expect("connected");
    // In pieces, after a ping, and two at once.
    stream.write_all(b"\r\n\r\n").expect("written");
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).expect("a pong");
    assert_eq!(&pong, b"\r\n");
    let asked = request("OPTIONS", "TCP", own, "");
    let (one, two) = asked.split_at(40);
    stream.write_all(one.as_bytes()).expect("written");
    let again = asked.replace("z9hG4bK", "z9hG4bK-2").replace("CSeq: 1", "CSeq: 2");
    stream.write_all(format!("{two}{again}").as_bytes()).expect("written");
    let (first, second) = (head(&mut stream), head(&mut stream));
    assert!(first.starts_with("SIP/2.0 200 ") && first.contains("CSeq: 1 "), "{first}");
    assert!(second.starts_with("SIP/2.0 200 ") && second.contains("CSeq: 2 "), "{second}");
}

/// A05 · RFC 3261 §18.1.1: a datagram may have 65,535 bytes, headers of IP and UDP included.
#[test]
fn an_invite_of_sixty_thousand_bytes_is_answered_over_udp() {
    let server = start("127.0.0.1:0");
    let sip = server.sip()[0];
    let socket = udp(sip);
    let own = socket.local_addr().expect("bound");
    let body = format!("{OFFER}a=x:{}\r\n", "a".repeat(60_000));
    let invite = request("INVITE", "UDP", own, &body);
    assert!(invite.len() > 60_000);
    socket.send_to(invite.as_bytes(), sip).expect("sent");
    let answer = datagram(&socket);
    assert!(answer.starts_with("SIP/2.0 302 "), "{answer}");
}

/// A04, T05 · RFC 3261 §18.3, RFC 4475 §3.1.2.3, §3.3.9
#[test]
fn a_bad_content_length_is_answered_and_the_connection_closed() {
    let server = start("127.0.0.1:0");
    for length in ["-1", "0\r\nContent-Length: 5", "1 1"] {
        let mut stream = connect(server.sip()[0]);
        let own = stream.local_addr().expect("connected");
        let bad = request("OPTIONS", "TCP", own, "")
            .replace("Content-Length: 0", &format!("Content-Length: {length}"));
        stream.write_all(bad.as_bytes()).expect("written");
        let answer = head(&mut stream);
        assert!(answer.starts_with("SIP/2.0 400 "), "{answer}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the end");
        assert_eq!(rest, b"");
    }
}

/// A09 · RFC 3261 §18.2.2: the connection is dropped between INVITE and the 200 that is sent again.
#[test]
fn an_answer_whose_connection_is_gone_opens_one_to_sent_by() {
    let server = start("127.0.0.1:0");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let own = listener.local_addr().expect("bound");
    let mut stream = connect(server.sip()[0]);
    stream.write_all(request("INVITE", "TCP", own, OFFER).as_bytes()).expect("written");
    // Over a connection the source address is proved: the 302 may have come after a 100.
    let moved = final_head(&mut stream);
    assert!(moved.starts_with("SIP/2.0 302 "), "{moved}");
    let conference = field(&moved, "Contact");
    let conference = &conference[conference.find("sip:").expect("a URI")..];
    let conference = &conference[..conference.find('>').unwrap_or(conference.len())];
    let join = |method: &str, cseq: u32, more: &str, body: &str| {
        let text = request(method, "TCP", own, body)
            .replace("sip:conference@127.0.0.1 SIP", &format!("{conference} SIP"));
        let text = text.replace(&format!("Call-ID: {method}-TCP"), "Call-ID: join");
        text.replace("CSeq: 1 ", &format!("CSeq: {cseq} ")).replace(
            "To: <sip:conference@127.0.0.1>",
            &format!("To: <sip:conference@127.0.0.1>{more}"),
        )
    };
    stream
        .write_all(join("INVITE", 2, "", OFFER).replace("z9hG4bK", "z9hG4bK-j").as_bytes())
        .expect("written");
    let joined = final_head(&mut stream);
    assert!(joined.starts_with("SIP/2.0 200 "), "{joined}");
    drop(stream);

    let (mut stream, _) = listener.accept().expect("a new connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let again = head(&mut stream);
    assert_eq!(again, joined);
    let to = field(&joined, "To");
    let tag = &to[to.find(";tag=").expect("a tag")..];
    let body = field(&joined, "Content-Length").parse().expect("a number");
    stream.read_exact(&mut vec![0; body]).expect("the body");
    stream.write_all(join("ACK", 2, tag, "").as_bytes()).expect("written");
    stream.write_all(join("BYE", 3, tag, "").as_bytes()).expect("written");
    let ended = head(&mut stream);
    assert!(ended.starts_with("SIP/2.0 200 ") && ended.contains("CSeq: 3 BYE"), "{ended}");
}

/// T13 · Ten INVITEs, and a reset before anybody could read an answer: the server is well, and nothing is left but what the
/// transactions keep for their time.
#[test]
fn a_reset_before_the_answers_harms_nobody() {
    let server = start("127.0.0.1:0");
    let sip = server.sip()[0];
    let mut stream = connect(sip);
    let own = stream.local_addr().expect("connected");
    for n in 0..10 {
        let invite = request("INVITE", "TCP", own, OFFER);
        let invite = invite.replace("-TCP", &format!("-{n}"));
        stream.write_all(invite.as_bytes()).expect("written");
    }
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("to be reset");
    drop(stream);
    let socket = udp(sip);
    let own = socket.local_addr().expect("bound");
    socket.send_to(request("OPTIONS", "UDP", own, "").as_bytes(), sip).expect("sent");
    assert!(datagram(&socket).starts_with("SIP/2.0 200 "));
    let report = server.finish().expect("no panic");
    assert_eq!((report.end, report.legs_left, report.mixer_legs_left), (EndCause::Told, 0, 0));
}

/// T27 · RFC 7339 §5.10.2: three thousand calls at once on one connection, where twenty a second are admitted: each has its answer, and
/// each answer says how much less to send.
#[test]
fn three_thousand_calls_on_one_connection_are_answered_one_by_one() {
    const CALLS: usize = 3_000;
    let server = start_with("127.0.0.1:0", "[overload]\nper_second = 20\n");
    let mut stream = connect(server.sip()[0]);
    let own = stream.local_addr().expect("connected");
    let mut writer = stream.try_clone().expect("cloned");
    let sent = std::thread::spawn(move || {
        for n in 0..CALLS {
            let invite = request("INVITE", "TCP", own, OFFER);
            let invite = invite.replace("INVITE-TCP", &format!("{n}"));
            let invite = invite.replace(";rport", ";rport;oc;oc-algo=\"loss\"");
            writer.write_all(invite.as_bytes()).expect("taken");
        }
    });
    let mut reader = std::io::BufReader::new(&mut stream);
    let mut answered = BTreeSet::new();
    let mut refused = 0;
    while answered.len() < CALLS {
        let head = head(&mut reader);
        let call = field(&head, "Call-ID").to_owned();
        refused += usize::from(head.starts_with("SIP/2.0 503 "));
        assert!(!head.starts_with("SIP/2.0 503 ") || !head.contains("Retry-After"), "{head}");
        assert!(field(&head, "Via").contains(";oc=") && head.contains("oc-validity="), "{head}");
        assert!(answered.insert(call), "one answer each: {head}");
    }
    sent.join().expect("all written");
    assert!(refused > CALLS / 2 && refused < CALLS, "{refused}");
    let report = server.finish().expect("no panic");
    assert_eq!((report.end, report.legs_left, report.mixer_legs_left), (EndCause::Told, 0, 0));
}

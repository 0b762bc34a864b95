//! A proxy that follows the factory's 302 itself stands between the terminal and the factory.
//!
//! Proxy and terminal are written here over plain UDP, without a line of the crates under test: they read and write SIP
//! as text, so that a mistake of ours cannot hide on both sides.

mod text;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::processes::{Alone, Process};
use text::Message;

/// How long a packet on loopback may take before the test says that it will not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// B05 · RFC 4579 §5.4: the creator may see only the answers of the focus. RFC 3261 §16.5 lets a proxy follow a 302 by itself;
/// it keeps Call-ID, From tag and CSeq, so the focus gets an INVITE that differs from the factory's in its Request-URI and
/// branch only, and must not take it for a merged one (RFC 3261 §8.2.2.2).
#[test]
fn creator_behind_a_recursing_proxy_sees_only_the_answer_of_the_focus() {
    let _alone = Alone::wait();
    let server = Process::serve(&[]);
    let proxy = Proxy::start(&server.greeting("factory"));
    let terminal = Terminal::new();

    let invite = terminal.invite(proxy.address);
    terminal.send(&invite, proxy.address);
    let answer = terminal.final_answer();
    let Followed { asked, redirect, followed } = proxy.finish();

    // What the proxy saw: a 302 with a URI of a focus, and the INVITE that it made of it.
    assert_eq!(redirect.start, "SIP/2.0 302 Moved Temporarily");
    assert!(redirect.header("Contact").ends_with(">;isfocus"), "{}", redirect.header("Contact"));
    let conference = redirect.contact_uri();
    assert_eq!(followed.start, format!("INVITE {conference} SIP/2.0"));
    for kept in ["Call-ID", "From", "CSeq"] {
        assert_eq!(asked.header(kept), followed.header(kept), "{kept}");
    }
    assert_ne!(asked.header("Via"), followed.header("Via"));

    // What the terminal saw: nothing but the focus's own answer.
    assert_eq!(answer.start, "SIP/2.0 200 OK");
    assert_eq!(answer.header("Contact"), format!("<{conference}>;isfocus"));
    assert_eq!(answer.header("Call-ID"), invite.header("Call-ID"));
    assert!(answer.body.contains("m=audio "), "{}", answer.body);
    let conferences = server.status()["conferences"].clone();
    assert_eq!(conferences.as_array().map(Vec::len), Some(1), "{conferences}");
    assert_eq!(conferences[0]["uri"], conference);

    // The dialog is with the focus: no Record-Route, so ACK and BYE go past the proxy.
    let focus = address_in(&conference);
    terminal.send(&terminal.in_dialog("ACK", 1, &conference, &answer), focus);
    terminal.send(&terminal.in_dialog("BYE", 2, &conference, &answer), focus);
    let bye = terminal.answer_to("BYE");
    assert_eq!(bye.start, "SIP/2.0 200 OK");
    server.until_nothing_is_left();
}

/// The address in `sip:user@127.0.0.1:5060`.
fn address_in(uri: &str) -> SocketAddr {
    let (_, host) = uri.split_once('@').expect("a user");
    let host = host.split(';').next().expect("a host");
    host.parse().unwrap_or_else(|_| format!("{host}:5060").parse().expect("an address"))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket
}

/// A terminal that knows one call.
struct Terminal {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Terminal {
    fn new() -> Self {
        let socket = socket();
        let address = socket.local_addr().expect("bound");
        Self { socket, address }
    }

    /// The first message: an INVITE to the factory, as the proxy is known by.
    fn invite(&self, proxy: SocketAddr) -> Message {
        let address = self.address;
        let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                    m=audio 40000 RTP/AVP 0\r\n";
        let headers = format!(
            "Via: SIP/2.0/UDP {address};branch=z9hG4bK-terminal-1\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:alice@{address}>;tag=alice-1\r\n\
             To: <sip:conference@{proxy}>\r\n\
             Call-ID: recursing@{address}\r\n\
             CSeq: 1 INVITE\r\n\
             Contact: <sip:alice@{address}>\r\n\
             Content-Type: application/sdp\r\n"
        );
        Message::new(&format!("INVITE sip:conference@{proxy} SIP/2.0"), &headers, body)
    }

    /// A request in the dialog that `answer` made.
    fn in_dialog(&self, method: &str, cseq: u32, target: &str, answer: &Message) -> Message {
        let headers = format!(
            "Via: SIP/2.0/UDP {};branch=z9hG4bK-terminal-{method}\r\n\
             Max-Forwards: 70\r\n\
             From: {}\r\n\
             To: {}\r\n\
             Call-ID: {}\r\n\
             CSeq: {cseq} {method}\r\n",
            self.address,
            answer.header("From"),
            answer.header("To"),
            answer.header("Call-ID"),
        );
        Message::new(&format!("{method} {target} SIP/2.0"), &headers, "")
    }

    fn send(&self, message: &Message, to: SocketAddr) {
        self.socket.send_to(message.to_text().as_bytes(), to).expect("sent");
    }

    /// The first answer to the INVITE that is not provisional; a provisional one of the focus is welcome, a 302 is not.
    fn final_answer(&self) -> Message {
        loop {
            let answer = self.answer_to("INVITE");
            if !answer.start.starts_with("SIP/2.0 1") {
                return answer;
            }
        }
    }

    /// The next answer to such a request; copies of earlier answers are passed over.
    fn answer_to(&self, method: &str) -> Message {
        loop {
            let (message, _) = Message::receive(&self.socket).expect("an answer");
            assert!(message.start.starts_with("SIP/2.0 "), "{}", message.start);
            if message.header("CSeq").ends_with(method) {
                return message;
            }
        }
    }
}

/// What the proxy did for its one call.
struct Followed {
    /// The INVITE as it went to the factory.
    asked: Message,
    /// The factory's answer.
    redirect: Message,
    /// The INVITE as it went where the answer said.
    followed: Message,
}

/// A proxy for one call.
struct Proxy {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Followed>,
}

impl Proxy {
    /// Starts a proxy that asks `factory`.
    fn start(factory: &str) -> Self {
        let (socket, factory) = (socket(), factory.to_owned());
        let address = socket.local_addr().expect("bound");
        let ended = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || relay(&socket, address, &factory, &ended)
        });
        Self { address, ended, thread }
    }

    /// Ends the proxy and takes what it saw.
    fn finish(self) -> Followed {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().expect("the proxy got through")
    }
}

/// The INVITE as a proxy sends it on: RFC 3261 §16.6, a new Request-URI, one hop less, a Via of its own on top.
fn forwarded(invite: &Message, uri: &str, own: SocketAddr, branch: &str) -> Message {
    let mut forwarded = invite.clone();
    forwarded.start = format!("INVITE {uri} SIP/2.0");
    for (name, value) in &mut forwarded.headers {
        if name == "Max-Forwards" {
            *value = "69".to_owned();
        }
    }
    let via = format!("SIP/2.0/UDP {own};branch=z9hG4bK-{branch}");
    forwarded.headers.insert(0, ("Via".to_owned(), via));
    forwarded
}

/// The ACK of the proxy's own transaction: RFC 3261 §17.1.1.3.
fn ack(invite: &Message, answer: &Message) -> Message {
    let cseq = invite.header("CSeq").replace("INVITE", "ACK");
    let headers = format!(
        "Via: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq}\r\n",
        invite.header("Via"),
        invite.header("From"),
        answer.header("To"),
        invite.header("Call-ID"),
    );
    Message::new(&invite.start.replacen("INVITE", "ACK", 1), &headers, "")
}

/// Takes one INVITE to the factory, follows the 302 and hands back what the focus says.
fn relay(socket: &UdpSocket, own: SocketAddr, factory: &str, ended: &AtomicBool) -> Followed {
    let send = |message: &Message, to: SocketAddr| {
        socket.send_to(message.to_text().as_bytes(), to).expect("sent");
    };
    let (invite, terminal) = Message::receive(socket).expect("an INVITE");
    let asked = forwarded(&invite, factory, own, "proxy-factory");
    send(&asked, address_in(factory));
    let redirect = loop {
        let (answer, _) = Message::receive(socket).expect("an answer of the factory");
        if !answer.start.starts_with("SIP/2.0 1") {
            break answer;
        }
    };
    send(&ack(&asked, &redirect), address_in(factory));
    let target = redirect.contact_uri();
    let followed = forwarded(&invite, &target, own, "proxy-focus");
    send(&followed, address_in(&target));
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    while !ended.load(Ordering::Relaxed) {
        let Some((mut answer, from)) = Message::receive(socket) else { continue };
        // Only answers come here: the dialog goes past a proxy that did not record its route. One more answer of the
        // factory would be a copy of its 302, which is this hop's matter.
        if from == terminal || answer.header("Via") != followed.header("Via") {
            continue;
        }
        answer.headers.retain({
            let mut top = true;
            move |(name, _)| name != "Via" || !std::mem::take(&mut top)
        });
        send(&answer, terminal);
    }
    Followed { asked, redirect, followed }
}

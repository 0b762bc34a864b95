//! Names: terminals and servers that ask a name server on loopback (RFC 3263). It knows what it was told, over UDP.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread::{JoinHandle, spawn};

use nix::sys::signal::Signal;

use crate::processes::{Alone, Process, text};

/// What it says of one name.
#[derive(Clone, Debug)]
enum Record {
    /// An address of that name.
    A(Ipv4Addr),
    /// Priority, weight, port and host of a service.
    Srv(u16, u16, u16, String),
}

/// A name server that runs until it is dropped.
#[derive(Debug)]
struct NameServer {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts one on loopback. Names are written without a dot at the end.
    fn start(zone: Vec<(String, Record)>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("bound");
        let serve = move || {
            let mut buffer = [0; 512];
            // An empty datagram is the end.
            while let Ok((length @ 1.., from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..length], &zone) {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        };
        Self { address, thread: Some(spawn(serve)) }
    }

    /// Where it is asked.
    const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let end = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let told = end.and_then(|socket| socket.send_to(&[], self.address));
        if let (Ok(_), Some(thread)) = (told, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// RFC 1035 §4.1: the question again, and the records that fit it.
fn answer(query: &[u8], zone: &[(String, Record)]) -> Option<Vec<u8>> {
    let (name, end) = name_at(query, 12)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let fits = |record: &Record| match record {
        Record::A(_) => kind == 1,
        Record::Srv(..) => kind == 33,
    };
    let known = zone.iter().any(|(known, _)| *known == name);
    let found: Vec<_> = zone.iter().filter(|(known, it)| *known == name && fits(it)).collect();
    let mut answer = query[..2].to_vec();
    // An answer with authority, or no such name.
    answer.extend([
        0x85,
        if known { 0x80 } else { 0x83 },
        0,
        1,
        0,
        u8::try_from(found.len()).ok()?,
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&query[12..end + 4]);
    for (_, record) in found {
        // The name of the question, class IN, one minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        let data = data_of(record);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

fn data_of(record: &Record) -> Vec<u8> {
    match record {
        Record::A(ip) => ip.octets().to_vec(),
        Record::Srv(priority, weight, port, host) => {
            let mut data: Vec<u8> =
                [priority, weight, port].iter().flat_map(|number| number.to_be_bytes()).collect();
            for label in host.split('.') {
                data.push(u8::try_from(label.len()).unwrap_or(0));
                data.extend(label.as_bytes());
            }
            data.push(0);
            data
        }
    }
}

/// A name at this place, and where it ends.
fn name_at(query: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join(".").to_ascii_lowercase(), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).into_owned());
        at += length;
    }
}

/// The port of a URI.
fn port_of(uri: &str) -> u16 {
    let (_, port) = uri.rsplit_once(':').expect("a port");
    port.parse().expect("a number")
}

/// A port of this machine where nobody listens.
fn dead_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

fn zone(host: &str, transport: &str, ports: &[u16]) -> Vec<(String, Record)> {
    let mut zone = vec![(format!("a.{host}"), Record::A(Ipv4Addr::LOCALHOST))];
    let service = |(priority, port)| Record::Srv(priority, 0, port, format!("a.{host}"));
    let named = (0..).zip(ports.iter().copied());
    zone.extend(named.map(|it| (format!("_sip._{transport}.{host}"), service(it))));
    zone
}

/// A35 · RFC 3263 §4-4.3: two services, nobody at the first: over TCP that is known at once.
#[test]
fn a_factory_by_name_is_found_at_the_service_that_answers() {
    let alone = Alone::wait();
    let config = alone.write("names.toml", "[[factory]]\nhosts = [\"conf.test\"]\n");
    let mut server = Process::serve(&["--config", &config]);
    let ports = [dead_port(), port_of(&server.greeting("factory"))];
    let names = NameServer::start(zone("conf.test", "tcp", &ports));
    let dns = names.address().to_string();
    let factory = "sip:conference@conf.test;transport=tcp";
    let mut alice = Process::conference(factory, &["--dns", &dns]);
    let conference = text(&alice.until("joined"), "conference");
    assert!(conference.contains("@127.0.0.1:"), "{conference}");
    let asked = alice.all("message").into_iter().filter(|message| {
        let line = message["start_line"].as_str().unwrap_or_default();
        message["dir"] == "sent" && line.starts_with("INVITE sip:conference@conf.test")
    });
    assert_eq!(asked.count(), 2, "one for each service");
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success());
    server.until("ended");
}

/// A35, B21 · RFC 4579 §5.5: the server calls somebody by name, and asks the name servers that its file names.
#[test]
fn a_conference_calls_somebody_by_name() {
    let alone = Alone::wait();
    let mut bob = Process::answer("bob", &[]);
    let names = NameServer::start(zone("phones.test", "udp", &[port_of(&bob.greeting("uri"))]));
    let config = format!(
        "[dial_out]\nallow = [\"sip:*@phones.test\"]\n[dns]\nservers = [\"{}\"]\n",
        names.address()
    );
    let mut server = Process::serve(&["--config", &alone.write("dials.toml", &config)]);
    let words = ["--refer", "focus", "--invite", "sip:bob@phones.test"];
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    alice.until("invitee-joined");
    for terminal in [&mut alice, &mut bob] {
        terminal.signal(Signal::SIGINT);
        assert!(terminal.ended().success());
    }
    server.until("ended");
}

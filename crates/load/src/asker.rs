//! Asks an address for conferences, as fast as it answers: INVITE, a final answer, ACK, and never a call.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde::Serialize;
use units::Instant;

use crate::clock::now;
use crate::process::{Process, Usage};
use crate::report::{Cost, Millis, ratio};
use crate::spread::Spread;

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// How long it was asked.
    pub seconds: f64,
    /// Final answers, by their status.
    pub answers: BTreeMap<u16, u64>,
    /// 302s a second.
    pub redirects_per_second: f64,
    /// 302s for each second of the server's processor.
    pub redirects_per_cpu_second: Option<f64>,
    /// INVITEs that had no answer within a second.
    pub lost: u64,
    /// From INVITE to answer.
    pub answer_ms: Option<Millis>,
    /// Of the process that was named.
    pub server: Option<Cost>,
    /// Our own.
    pub generator: Cost,
}

/// Hosts that ask, each with an address of its own: a server may give one host few at a time.
const HOSTS: u8 = 8;

/// Questions that each has open.
const OPEN: usize = 8;

/// Then it counts as lost, and another is asked.
const PATIENCE: Duration = Duration::from_secs(1);

const DATAGRAM_BYTES_MAX: usize = 4_096;

struct Host {
    socket: UdpSocket,
    address: SocketAddr,
    /// Number and time of each open question.
    open: BTreeMap<u64, Instant>,
}

/// Asks a server on loopback for so long.
///
/// # Errors
/// What the system says, and where the server is not on this machine.
pub fn ask(server: SocketAddr, user: &str, time: Duration, pid: Option<u32>) -> io::Result<Asked> {
    if !server.ip().is_loopback() {
        return Err(io::Error::other("only a server on this machine is asked so fast"));
    }
    let watched = pid.and_then(Process::of);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + number));
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(number)))?;
        let address = socket.local_addr()?;
        hosts.push(Host { socket, address, open: BTreeMap::new() });
    }
    let usage = |process: Option<&Process>| process.and_then(Process::usage).unwrap_or_default();
    let usages = || [usage(watched.as_ref()), usage(Some(&Process::own()))];
    let (before, begin) = (usages(), now());
    let mut run =
        Run { server, user, next: 0, answers: BTreeMap::new(), lost: 0, spread: Spread::new() };
    let mut bytes = [0; DATAGRAM_BYTES_MAX];
    let mut ready = [EpollEvent::empty(); HOSTS as usize];
    while now().since(begin) < time {
        for host in &mut hosts {
            run.fill(host);
        }
        let count = epoll.wait(&mut ready, EpollTimeout::from(10_u8)).unwrap_or(0);
        for event in &ready[..count] {
            let host = usize::try_from(event.data()).ok().and_then(|number| hosts.get_mut(number));
            let Some(host) = host else { continue };
            while let Ok((length, _)) = host.socket.recv_from(&mut bytes) {
                run.answered(host, &bytes[..length]);
            }
        }
    }
    let (after, took) = (usages(), now().since(begin));
    Ok(run.report((before, after), took, watched.is_some()))
}

struct Run<'a> {
    server: SocketAddr,
    user: &'a str,
    next: u64,
    answers: BTreeMap<u16, u64>,
    lost: u64,
    spread: Spread,
}

impl Run<'_> {
    /// Asks as many questions as may be open.
    fn fill(&mut self, host: &mut Host) {
        let at = now();
        while let Some((number, asked)) = host.open.first_key_value() {
            if at.since(*asked) < PATIENCE {
                break;
            }
            let number = *number;
            host.open.remove(&number);
            self.lost += 1;
        }
        while host.open.len() < OPEN {
            self.next += 1;
            let text = self.invite(host.address, self.next);
            if host.socket.send_to(text.as_bytes(), self.server).is_err() {
                return;
            }
            host.open.insert(self.next, at);
        }
    }

    fn answered(&mut self, host: &mut Host, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let status = text.get(8..11).and_then(|status| status.parse().ok()).unwrap_or(0);
        let call = text.lines().find_map(|line| line.strip_prefix("Call-ID: ask"));
        let number = call.and_then(|call| call.trim().parse().ok());
        let Some(number) = number.filter(|_| status >= 200) else { return };
        let Some(asked) = host.open.remove(&number) else { return };
        self.spread.add(now().since(asked));
        *self.answers.entry(status).or_default() += 1;
        let to = text.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
        let text = self.head("ACK", host.address, number, to) + "Content-Length: 0\r\n\r\n";
        // If it is lost the server does without; it is asked the next thing all the same.
        let _ = host.socket.send_to(text.as_bytes(), self.server);
    }

    fn head(&self, method: &str, from: SocketAddr, number: u64, to: &str) -> String {
        let Self { server, user, .. } = self;
        format!(
            "{method} sip:{user}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bKask{number};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:asker@{from}>;tag=a{number}\r\n\
             {to}\r\n\
             Call-ID: ask{number}\r\n\
             CSeq: 1 {method}\r\n"
        )
    }

    fn invite(&self, from: SocketAddr, number: u64) -> String {
        let Self { server, user, .. } = self;
        let (ip, port) = (from.ip(), from.port());
        let body = format!(
            "v=0\r\no=- {number} 0 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=ptime:20\r\na=sendrecv\r\n"
        );
        let head = self.head("INVITE", from, number, &format!("To: <sip:{user}@{server}>"));
        format!(
            "{head}Contact: <sip:asker@{from}>\r\nAllow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY\r\n\
             Supported: timer, replaces\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn report(
        self,
        (before, after): ([Usage; 2], [Usage; 2]),
        took: Duration,
        named: bool,
    ) -> Asked {
        let cost = |which: usize| {
            let [before, after] = [&before[which], &after[which]];
            Cost::between((before, after), before, 1, took)
        };
        let found = self.answers.get(&302).copied().unwrap_or(0);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let [before_server, after_server] = [&before[0], &after[0]];
        let used = (after_server.user + after_server.system)
            .saturating_sub(before_server.user + before_server.system);
        Asked {
            seconds: took.as_secs_f64(),
            redirects_per_second: 1_000.0 * ratio(found, millis(took)),
            redirects_per_cpu_second: named.then(|| 1_000.0 * ratio(found, millis(used))),
            answers: self.answers,
            lost: self.lost,
            answer_ms: Millis::of(&self.spread),
            server: named.then(|| cost(0)),
            generator: cost(1),
        }
    }
}

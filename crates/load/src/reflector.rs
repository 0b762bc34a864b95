//! The floor program: what a server cannot do without, and nothing else.
//!
//! It answers every INVITE with 200, receives every leg's packets, and sends packets like them: no mixer, no jitter
//! buffer, no transactions. What a real server costs above it is its own. It also loses packets, when told to, so that
//! what measures it can be tested.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use sdp::{Codec, Direction, LocalMedia, SessionDescription};
use sip::{
    HeaderName, Message, Method, NameAddr, Request, Response, SipUri, StatusCode, parse_datagram,
};

use crate::wire::bind;

/// Whom a packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflect {
    /// Back to who sent it: as many packets out as in, as in a conference where all send.
    Echo,
    /// What the first leg sends, to all other legs: as in a conference that one talks in.
    Fan,
}

/// A floor program.
#[derive(Debug)]
pub struct Reflector {
    reflect: Reflect,
    /// Of a hundred packets so many are not sent.
    drop_percent: u32,
    ip: IpAddr,
    sip: UdpSocket,
    epoll: Epoll,
    legs: Vec<Leg>,
    /// Which leg a call is.
    calls: BTreeMap<String, usize>,
    /// Packets that were to be sent.
    count: u32,
}

#[derive(Debug)]
struct Leg {
    socket: UdpSocket,
    /// Where its packets go; `None`: it has hung up.
    to: Option<SocketAddr>,
}

impl Reflector {
    /// Binds a SIP socket on a free port.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(ip: IpAddr, reflect: Reflect, drop_percent: u32) -> io::Result<Self> {
        let sip = bind(ip)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&sip, EpollEvent::new(EpollFlags::EPOLLIN, TOKEN_SIP))?;
        let (legs, calls) = (Vec::new(), BTreeMap::new());
        Ok(Self { reflect, drop_percent, ip, sip, epoll, legs, calls, count: 0 })
    }

    /// Where it is called.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.sip.local_addr()
    }

    /// Works until the system refuses to go on.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&mut self) -> io::Result<()> {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let count = match self.epoll.wait(&mut ready, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            for event in &ready[..count] {
                match usize::try_from(event.data()) {
                    _ if event.data() == TOKEN_SIP => self.signal(&mut bytes)?,
                    Ok(leg) => self.reflect(leg, &mut bytes),
                    Err(_) => {}
                }
            }
        }
    }

    fn reflect(&mut self, number: usize, bytes: &mut [u8]) {
        let Some(leg) = self.legs.get(number) else { return };
        let Ok((length, _)) = leg.socket.recv_from(bytes) else { return };
        let targets = match self.reflect {
            Reflect::Echo => number..number + 1,
            Reflect::Fan if number == 0 => 1..self.legs.len(),
            Reflect::Fan => 0..0,
        };
        for leg in &self.legs[targets] {
            self.count = (self.count + 1) % 100;
            let Some(to) = leg.to else { continue };
            // Evenly: every tenth of a hundred, for ten.
            let is_dropped = (self.count * self.drop_percent) % 100 < self.drop_percent;
            if !is_dropped {
                // It may fail as a real server's does: then the packet is lost.
                let _ = leg.socket.send_to(&bytes[..length], to);
            }
        }
    }

    fn signal(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let Ok((length, from)) = self.sip.recv_from(bytes) else { return Ok(()) };
        let Ok(Message::Request(request)) = parse_datagram(&bytes[..length]) else { return Ok(()) };
        let answer = match request.method {
            Method::Invite => self.invited(&request)?,
            Method::Ack => return Ok(()),
            Method::Bye => {
                let call = request.headers.call_id().unwrap_or_default();
                if let Some(leg) = self.calls.get(call).and_then(|leg| self.legs.get_mut(*leg)) {
                    leg.to = None;
                }
                Response::answering(&request, StatusCode::OK)
            }
            _ => Response::answering(&request, StatusCode::NOT_IMPLEMENTED),
        };
        // On loopback nothing is lost but what finds no room: then the request comes again.
        let _ = self.sip.send_to(&answer.to_bytes(), from);
        Ok(())
    }

    fn invited(&mut self, request: &Request) -> io::Result<Response> {
        let refused = |status| Ok(Response::answering(request, status).with_to_tag("floor"));
        let call = request.headers.call_id().unwrap_or_default().to_owned();
        let Ok(offer) = SessionDescription::parse(&request.body) else {
            return refused(StatusCode::BAD_REQUEST);
        };
        let number = match self.calls.get(&call) {
            Some(number) => *number,
            None => {
                let (socket, number) = (bind(self.ip)?, self.legs.len());
                let token = u64::try_from(number).unwrap_or(TOKEN_SIP);
                self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
                self.legs.push(Leg { socket, to: None });
                self.calls.insert(call, number);
                number
            }
        };
        let leg = &mut self.legs[number];
        let local = LocalMedia {
            address: self.ip,
            port: leg.socket.local_addr()?.port(),
            codecs: vec![Codec::Pcmu],
            direction: Direction::SendRecv,
            session_id: 1,
            version: 0,
            ptime_ms: 20,
            keys_payload_type: None,
        };
        let Ok((answer, agreed)) = sdp::answer(&offer, &local) else {
            return refused(StatusCode::NOT_ACCEPTABLE_HERE);
        };
        leg.to = agreed.remote;
        let own = self.sip.local_addr()?;
        let contact = NameAddr::new(SipUri::new(own.ip().into(), Some(own.port())));
        Ok(Response::answering(request, StatusCode::OK)
            .with_to_tag("floor")
            .with_header(HeaderName::Contact, contact.to_string())
            .with_body("application/sdp", answer.to_string()))
    }
}

/// Above every leg's number.
const TOKEN_SIP: u64 = u64::MAX;

const READY_MAX: usize = 256;

/// The largest there is.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Lets this process open as many files as it may: one for each leg.
///
/// # Errors
/// What the system says.
pub fn open_all_files() -> io::Result<()> {
    crate::wire::open_files(u64::MAX).or_else(|error| match error {
        Errno::EMFILE => Ok(()), // all that there are, then
        error => Err(error.into()),
    })
}

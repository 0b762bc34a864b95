//! The legs' signalling: each has a user agent of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use sdp::{Codec, Direction, LocalMedia, Negotiated};
use sip::{Arrival, Packet, Source, Target, Transport, Uri, Wanted};
use ua::{CallId, CallOptions, Event, Output, Ua, UaConfig};
use units::{Instant, Rng};

use crate::ears::Ears;
use crate::mouth::Mouth;
use crate::plan::{Plan, Reach, Role};
use crate::spread::Spread;
use crate::wire::{MediaSocket, bind};

/// All legs of a run.
pub(crate) struct Legs {
    legs: Vec<Leg>,
    conferences: Vec<Address>,
    /// When which user agent has something to do.
    due: BTreeSet<(Instant, usize)>,
    plan: Plan,
    rng: Rng,
    /// From the first INVITE to the answer that joined, redirections included.
    pub(crate) setup: Spread,
    pub(crate) failures: BTreeMap<String, u64>,
    /// Legs that were in and were put out.
    pub(crate) dropped_out: u64,
}

/// One leg.
pub(crate) struct Leg {
    pub(crate) conference: usize,
    pub(crate) role: Role,
    pub(crate) media: MediaSocket,
    pub(crate) ears: Ears,
    /// What it sends, and where to, while it is in.
    pub(crate) mouth: Option<(Mouth, SocketAddr)>,
    ua: Ua,
    sip: UdpSocket,
    local: SocketAddr,
    state: State,
    due: Option<Instant>,
    /// Where the server has sent it.
    redirected: Option<Uri>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Calling { call: CallId, since: Instant },
    Up { call: CallId },
    Over,
}

/// Where the legs of a conference call.
#[derive(Clone, Debug)]
enum Address {
    /// The first of them will find out.
    Unasked,
    /// It is on its way.
    Asked,
    Known(Uri),
    /// There will be none.
    Failed,
}

/// What became of a call that was to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Done,
    /// Nobody knows yet where to.
    NotYet,
}

impl Legs {
    /// Binds all sockets and has `sip` and `media` watch them, by the leg's number.
    pub(crate) fn new(
        plan: &Plan,
        ip: IpAddr,
        mut rng: Rng,
        sip: &Epoll,
        media: &Epoll,
    ) -> io::Result<Self> {
        let readable = |leg: usize| EpollEvent::new(EpollFlags::EPOLLIN, token(leg));
        let mut legs = Vec::with_capacity(plan.legs);
        for number in 0..plan.legs {
            let leg = Leg::new(plan, number, ip, &mut rng)?;
            sip.add(&leg.sip, readable(number))?;
            media.add(leg.media.socket(), readable(number))?;
            legs.push(leg);
        }
        let address = |conference| match plan.target.uri(conference) {
            Some(uri) if plan.target.is_numbered() => Address::Known(uri),
            Some(_) => Address::Unasked,
            None => Address::Failed,
        };
        Ok(Self {
            legs,
            conferences: (0..plan.conferences).map(address).collect(),
            due: BTreeSet::new(),
            plan: plan.clone(),
            rng,
            setup: Spread::new(),
            failures: BTreeMap::new(),
            dropped_out: 0,
        })
    }

    pub(crate) fn leg(&mut self, number: usize) -> Option<&mut Leg> {
        self.legs.get_mut(number)
    }

    pub(crate) fn all(&self) -> &[Leg] {
        &self.legs
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Leg] {
        &mut self.legs
    }

    /// Legs that are in now.
    pub(crate) fn up(&self) -> usize {
        self.legs.iter().filter(|leg| matches!(leg.state, State::Up { .. })).count()
    }

    /// Whether no leg waits for anything.
    pub(crate) fn all_settled(&self) -> bool {
        let settled = |leg: &Leg| match leg.state {
            State::Up { .. } | State::Over => true,
            State::Waiting | State::Calling { .. } => false,
        };
        self.legs.iter().all(settled)
    }

    /// Whether every call is over, its BYE answered.
    pub(crate) fn all_quiet(&self) -> bool {
        self.legs.iter().all(|leg| leg.ua.is_quiet())
    }

    /// Has a leg call its conference.
    pub(crate) fn place(&mut self, now: Instant, number: usize) -> Placed {
        let Some(leg) = self.legs.get_mut(number) else { return Placed::Done };
        let conference = leg.conference;
        let target = match &self.conferences[conference] {
            Address::Asked => return Placed::NotYet,
            Address::Known(uri) => Some(uri.clone()),
            Address::Unasked => {
                self.conferences[conference] = Address::Asked;
                self.plan.target.uri(conference)
            }
            Address::Failed => None,
        };
        let Some(target) = target else {
            self.fail(number, "its conference did not come about".to_owned());
            return Placed::Done;
        };
        let options = CallOptions::new(leg.offer(self.plan.ptime_ms, &mut self.rng));
        match leg.ua.call(now, &target, options) {
            Ok(call) => leg.state = State::Calling { call, since: now },
            Err(error) => self.fail(number, error.to_string()),
        }
        self.pump(now, number);
        Placed::Done
    }

    /// Has a leg hang up, or give up.
    pub(crate) fn hang_up(&mut self, now: Instant, number: usize) {
        let Some(leg) = self.legs.get_mut(number) else { return };
        if let State::Calling { call, .. } | State::Up { call } = leg.state {
            leg.state = State::Over;
            leg.mouth = None;
            leg.ua.hangup(now, call);
            self.pump(now, number);
        }
    }

    /// Takes what has come to a leg's SIP socket.
    pub(crate) fn receive(&mut self, now: Instant, number: usize, bytes: &mut [u8]) {
        for _ in 0..MESSAGES_PER_PASS_MAX {
            let Some(leg) = self.legs.get_mut(number) else { return };
            let (length, remote) = match leg.sip.recv_from(bytes) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue, // tells of an earlier packet that met nobody
            };
            let path = Source {
                transport: Transport::Udp,
                local: leg.local,
                remote,
                flow: sip::FlowId::NONE,
            };
            leg.ua.handle_packet(now, Packet { path, bytes: bytes[..length].to_vec() });
            self.pump(now, number);
        }
    }

    /// Has every user agent do what is due.
    pub(crate) fn handle_deadlines(&mut self, now: Instant) {
        while let Some((due, number)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, number));
            if let Some(leg) = self.legs.get_mut(number) {
                leg.due = None;
                leg.ua.handle_deadline(now);
                self.pump(now, number);
            }
        }
    }

    /// Does what a user agent wants, and notes when it is due next.
    fn pump(&mut self, now: Instant, number: usize) {
        while let Some(output) = self.legs.get_mut(number).and_then(|leg| leg.ua.poll_output()) {
            match output {
                Output::Send(packet) => self.send(now, number, &packet),
                Output::Resolve { id, wanted } => {
                    let targets = self.look_up(&wanted);
                    self.legs[number].ua.resolved(now, id, &targets);
                }
                Output::Event(event) => self.event(now, number, event),
            }
        }
        let Some(leg) = self.legs.get_mut(number) else { return };
        let due = leg.ua.deadline();
        if due != leg.due {
            if let Some(before) = leg.due {
                self.due.remove(&(before, number));
            }
            leg.due = due;
            self.due.extend(due.map(|due| (due, number)));
        }
    }

    fn send(&mut self, now: Instant, number: usize, packet: &Packet) {
        let Source { remote, transport, .. } = packet.path;
        let may = self.may_reach(remote.ip()) && transport == Transport::Udp;
        let Some(leg) = self.legs.get_mut(number) else { return };
        if may && leg.sip.send_to(&packet.bytes, remote).is_ok() {
            return;
        }
        // To its user agent nothing arrives there: that ends the call.
        leg.ua.handle_arrival(now, Arrival::Failed(packet.path));
    }

    fn may_reach(&self, ip: IpAddr) -> bool {
        match self.plan.reach {
            Reach::Loopback => ip.is_loopback(),
            Reach::Anywhere => true,
        }
    }

    /// Asks the system, which may take a while: names are for a handful of legs. Loopback has numbers.
    fn look_up(&self, wanted: &Wanted) -> Vec<Target> {
        let port = wanted.port.unwrap_or(SIP_PORT);
        let found = (wanted.host.as_str(), port).to_socket_addrs().into_iter().flatten();
        let target = |remote| Target { transport: Transport::Udp, remote };
        found.filter(|remote| self.may_reach(remote.ip())).take(1).map(target).collect()
    }

    fn event(&mut self, now: Instant, number: usize, event: Event) {
        let leg = &mut self.legs[number];
        match event {
            Event::Redirected { to, .. } => leg.redirected = Some(to),
            Event::Established { media, conference, .. } => {
                self.established(now, number, &media, conference);
            }
            Event::MediaChanged { media, .. } => {
                if let (Some((_, to)), Some(remote)) = (&mut leg.mouth, media.remote) {
                    *to = remote;
                }
            }
            Event::CallFailed { why, .. } => {
                if leg.state != State::Over {
                    self.fail(number, why.to_string());
                }
            }
            Event::CallEnded { .. } => {
                if leg.state != State::Over {
                    leg.state = State::Over;
                    leg.mouth = None;
                    self.dropped_out += 1;
                }
            }
            Event::IncomingCall { call, .. } => {
                // It is no phone; and there is nothing to be told when it is refused.
                let _ = leg.ua.reject(now, call, sip::StatusCode::BUSY_HERE);
            }
            Event::IncomingReferral { referral, .. } => {
                let _ = leg.ua.reject_referral(now, referral, sip::StatusCode::DECLINE);
            }
            Event::Ringing { .. }
            | Event::HoldEnded { .. }
            | Event::ReferAccepted { .. }
            | Event::ReferProgress { .. }
            | Event::ReferEnded { .. }
            | Event::Watchable { .. }
            | Event::RosterChanged { .. }
            | Event::RosterUnreadable { .. }
            | Event::WatchEnded { .. }
            | Event::ReferralEnded { .. }
            | Event::Registration(_) => {}
        }
    }

    fn established(
        &mut self,
        now: Instant,
        number: usize,
        media: &Negotiated,
        conference: Option<Uri>,
    ) {
        let allowed = media.remote.filter(|remote| self.may_reach(remote.ip()));
        let leg = &mut self.legs[number];
        let State::Calling { call, since } = leg.state else { return };
        if let Address::Asked = self.conferences[leg.conference] {
            let own = (self.plan.conferences == 1).then(|| self.plan.target.uri(0)).flatten();
            let address = leg.redirected.clone().or(conference).or(own);
            self.conferences[leg.conference] = address.map_or(Address::Failed, Address::Known);
        }
        let failed = match (&self.conferences[leg.conference], allowed) {
            (Address::Failed, _) => Some(NO_CONFERENCE),
            (_, None) => Some("its media would leave this machine"),
            (Address::Known(_) | Address::Asked | Address::Unasked, Some(_)) => None,
        };
        if let Some(why) = failed {
            self.hang_up(now, number);
            self.fail(number, why.to_owned());
            return;
        }
        self.setup.add(now.since(since));
        let payload_type = media.send_payload_type;
        let mouth = Mouth::new(leg.role, payload_type, self.plan.ptime_ms, &mut self.rng);
        leg.mouth = allowed.map(|remote| (mouth, remote));
        leg.state = State::Up { call };
    }

    fn fail(&mut self, number: usize, why: String) {
        let leg = &mut self.legs[number];
        leg.state = State::Over;
        leg.mouth = None;
        if let Address::Asked = self.conferences[leg.conference] {
            self.conferences[leg.conference] = Address::Failed;
        }
        *self.failures.entry(why).or_default() += 1;
    }
}

impl Leg {
    fn new(plan: &Plan, number: usize, ip: IpAddr, rng: &mut Rng) -> io::Result<Self> {
        let sip = bind(ip)?;
        let local = sip.local_addr()?;
        let mut config = UaConfig::new(&format!("load{number}"), local);
        config.product = concat!("convoke-load/", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Self {
            conference: plan.conference_of(number),
            role: plan.role_of(number),
            media: MediaSocket::bind(ip)?,
            ears: Ears::default(),
            mouth: None,
            ua: Ua::new(config, rng.fork()),
            sip,
            local,
            state: State::Waiting,
            due: None,
            redirected: None,
        })
    }

    /// Whether it is in.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    fn offer(&self, ptime_ms: u32, rng: &mut Rng) -> LocalMedia {
        let port = self.media.socket().local_addr().map_or(0, |address| address.port());
        LocalMedia {
            address: self.local.ip(),
            port,
            codecs: vec![Codec::Pcmu],
            direction: Direction::SendRecv,
            // RFC 8866 §5.2: a number that is not used twice, positive also where it is read as signed.
            session_id: rng.u64() >> 2,
            version: 0,
            ptime_ms,
            keys_payload_type: None,
        }
    }
}

/// A leg's number, for epoll.
fn token(leg: usize) -> u64 {
    u64::try_from(leg).unwrap_or(u64::MAX)
}

/// RFC 3261 §19.1.2
const SIP_PORT: u16 = 5060;

/// A leg seldom has more than an answer and what was sent again.
const MESSAGES_PER_PASS_MAX: usize = 8;

/// What is wrong where several conferences are wanted of an address that makes none.
const NO_CONFERENCE: &str =
    "this address makes no conferences: put {n} in it, for the number of the conference";

/// How long a set-up may take at most before all that have not joined are given up: 64*T1 (RFC 3261 §17.1.1.2).
pub(crate) const SETUP_MAX: Duration = Duration::from_secs(32);

//! The sockets of one shard, bound ahead of need: two for each leg.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use mix::message::{Channel, LentPort};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use socket2::{Domain, Protocol, Socket, Type};
use units::Instant;

use crate::rest::Rest;

/// Binds ports in turn, and takes them back.
///
/// A port that came back [rests](Rest), still bound and read, and is used again only when all others had their turn.
#[derive(Debug)]
pub(crate) struct Sockets {
    pools: Vec<Pool>,
    bound: BTreeMap<u32, Bound>,
    rest: Rest,
    /// DSCP of what is sent (RFC 2474).
    dscp: u8,
    last_id: u32,
    bind_failures: u64,
    last_error: Option<io::Error>,
}

/// The ports of one address.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) ip: IpAddr,
    /// Even ports not bound, the longest unused first.
    pub(crate) free: VecDeque<u16>,
}

#[derive(Debug)]
struct Bound {
    /// On an even port.
    rtp: UdpSocket,
    /// On the next one (RFC 3550 §11).
    rtcp: UdpSocket,
    pool: usize,
}

/// Whether this port is one of that pool.
fn is_of(bound: &BTreeMap<u32, Bound>, pool: usize, id: u32) -> bool {
    bound.get(&id).is_some_and(|bound| bound.pool == pool)
}

/// How long a port rests in any case: some round trips.
const REST_LEAST: Duration = Duration::from_secs(1);

/// What `epoll` knows a socket by.
pub(crate) fn token(id: u32, channel: Channel) -> u64 {
    u64::from(id) | if channel == Channel::Rtcp { RTCP_BIT } else { 0 }
}

/// The socket that a token is of, if it is one.
pub(crate) fn of_token(token: u64) -> Option<(u32, Channel)> {
    let channel = if token & RTCP_BIT == 0 { Channel::Rtp } else { Channel::Rtcp };
    u32::try_from(token & !RTCP_BIT).ok().map(|id| (id, channel))
}

/// Above every number of a lending.
const RTCP_BIT: u64 = 1 << 32;

impl Sockets {
    /// One pool for each address family.
    pub(crate) fn new(pools: Vec<Pool>, rest: Rest, dscp: u8) -> Self {
        let (bound, last_id, bind_failures, last_error) = (BTreeMap::new(), 0, 0, None);
        Self { pools, bound, rest, dscp, last_id, bind_failures, last_error }
    }

    /// The addresses that sockets are bound to.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.pools.iter().map(|pool| SocketAddr::new(pool.ip, 0))
    }

    /// Binds the next port of an address and has `epoll` watch it, under its number. Others may sit on some of the
    /// range: tries as many as asked. `None`: none is to be had now.
    pub(crate) fn lend(
        &mut self,
        epoll: &Epoll,
        like: SocketAddr,
        tries: usize,
    ) -> Option<LentPort> {
        let pool = self.pool_like(like)?;
        for _ in 0..self.pools[pool].free.len().min(tries) {
            let port = self.pools[pool].free.pop_front()?;
            match self.bind(epoll, pool, port) {
                Ok(lent) => return Some(lent),
                Err(error) => {
                    self.pools[pool].free.push_back(port);
                    self.bind_failures += 1;
                    self.last_error = Some(error);
                }
            }
        }
        None
    }

    /// Takes a leg's sockets back.
    pub(crate) fn release(&mut self, now: Instant, id: u32) {
        if self.bound.contains_key(&id) {
            self.rest.begin(now, id);
        }
    }

    /// Closes what has rested enough; whether that was anything.
    pub(crate) fn close_rested(&mut self, now: Instant, epoll: &Epoll) -> bool {
        let mut any = false;
        while let Some(id) = self.rest.rested(now) {
            self.close(id, epoll);
            any = true;
        }
        any
    }

    /// Binds a port of an address anew that still rests: no other is left, and somebody was promised a seat. By [`REST_LEAST`]
    /// whoever ended a call knows it; who sends all the same is kept out by the latch of the next leg.
    pub(crate) fn lend_resting(
        &mut self,
        now: Instant,
        epoll: &Epoll,
        like: SocketAddr,
    ) -> Option<LentPort> {
        let pool = self.pool_like(like)?;
        let Self { bound, rest, .. } = self;
        let id = rest.longest(now, REST_LEAST, |id| is_of(bound, pool, id))?;
        self.close(id, epoll);
        self.lend(epoll, like, 1)
    }

    /// Whether an address has ports that rest.
    pub(crate) fn has_resting(&self, like: SocketAddr) -> bool {
        let pool = self.pool_like(like);
        pool.is_some_and(|pool| self.rest.any(|id| is_of(&self.bound, pool, id)))
    }

    fn pool_like(&self, like: SocketAddr) -> Option<usize> {
        self.pools.iter().position(|pool| pool.ip == like.ip())
    }

    /// When something has rested enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.rest.deadline()
    }

    /// A packet came; whether to a port that rests.
    pub(crate) fn disturb(&mut self, now: Instant, id: u32) -> bool {
        self.rest.disturb(now, id)
    }

    fn close(&mut self, id: u32, epoll: &Epoll) {
        let Some(Bound { rtp, rtcp, pool }) = self.bound.remove(&id) else { return };
        if let Ok(address) = rtp.local_addr() {
            self.pools[pool].free.push_back(address.port());
        }
        // Closing takes them out as well; this only says it.
        let _ = epoll.delete(&rtp);
        let _ = epoll.delete(&rtcp);
    }

    pub(crate) fn socket(&self, id: u32, channel: Channel) -> Option<&UdpSocket> {
        self.bound.get(&id).map(|bound| match channel {
            Channel::Rtp => &bound.rtp,
            Channel::Rtcp => &bound.rtcp,
        })
    }

    /// Lets `epoll` tell of a socket, or not for now.
    pub(crate) fn watch(&self, epoll: &Epoll, (id, channel): (u32, Channel), events: EpollFlags) {
        if let Some(socket) = self.socket(id, channel) {
            // It fails only for a descriptor that is not in it.
            let _ = epoll.modify(socket, &mut EpollEvent::new(events, token(id, channel)));
        }
    }

    /// Ports that rest.
    pub(crate) fn resting(&self) -> usize {
        self.rest.count()
    }

    /// Sockets that are open.
    pub(crate) fn count(&self) -> usize {
        2 * self.bound.len()
    }

    /// Whether this address has no port left to bind.
    pub(crate) fn all_bound(&self, like: SocketAddr) -> bool {
        self.pools.iter().all(|pool| pool.ip != like.ip() || pool.free.is_empty())
    }

    /// How often a port could not be bound.
    pub(crate) const fn bind_failures(&self) -> u64 {
        self.bind_failures
    }

    /// Why a port could not be bound the last time.
    pub(crate) const fn last_error(&self) -> Option<&io::Error> {
        self.last_error.as_ref()
    }

    fn bind(&mut self, epoll: &Epoll, pool: usize, port: u16) -> io::Result<LentPort> {
        // 4 billion lendings: years. Then no more are lent, and the process has to be started anew.
        let id = self.last_id.checked_add(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        let ip = self.pools[pool].ip;
        let rtp = bind(SocketAddr::new(ip, port), self.dscp)?;
        // An even number has a next one.
        let rtcp = bind(SocketAddr::new(ip, port | 1), self.dscp)?;
        datagram::stamp(&rtp);
        datagram::stamp(&rtcp);
        let address = rtp.local_addr()?;
        let event = |channel| EpollEvent::new(EpollFlags::EPOLLIN, token(id, channel));
        epoll.add(&rtp, event(Channel::Rtp))?;
        epoll.add(&rtcp, event(Channel::Rtcp))?;
        self.bound.insert(id, Bound { rtp, rtcp, pool });
        self.last_id = id;
        Ok(LentPort { id, address })
    }
}

/// `::` is IPv6 alone: IPv4 has a pool of its own, with the same ports.
fn bind(address: SocketAddr, dscp: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let traffic_class = u32::from(dscp) << 2;
    // A wish: where it is not granted, packets go as all others do.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        let _ = socket.set_tclass_v6(traffic_class);
    } else {
        let _ = socket.set_tos_v4(traffic_class);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn what_is_sent_is_marked_over_both_families() {
        for ip in [IpAddr::from([127, 0, 0, 1]), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            let socket = bind(SocketAddr::new(ip, 0), 46).expect("bound");
            let socket = SockRef::from(&socket);
            let class = if ip.is_ipv6() { socket.tclass_v6() } else { socket.tos_v4() };
            assert_eq!(class.expect("told"), 46 << 2);
        }
    }

    /// T53 · Calls that come and go would else leave no port for those who were promised a seat: of what rests nothing is counted as
    /// taken.
    #[test]
    fn where_no_other_port_is_left_one_that_rests_is_lent() {
        let at = |ms| Instant::from_millis(ms);
        let epoll = Epoll::new(nix::sys::epoll::EpollCreateFlags::empty()).expect("epoll");
        // One port, whichever is free.
        let ip = IpAddr::from([127, 0, 0, 1]);
        let even = || {
            let free = UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr());
            let port = free.expect("a port").port() & !1;
            let both = [port, port | 1].map(|port| UdpSocket::bind((ip, port)).is_ok());
            (both == [true, true]).then_some(port)
        };
        let port = (0..100).find_map(|_| even()).expect("two ports next to each other");
        let pool = Pool { ip, free: VecDeque::from([port]) };
        let mut sockets = Sockets::new(vec![pool], Rest::new(Duration::from_secs(10)), 0);
        let like = SocketAddr::new(ip, 0);
        let lent = sockets.lend(&epoll, like, 1).expect("a port");
        assert_eq!(
            (sockets.lend_resting(at(0), &epoll, like), sockets.has_resting(like)),
            (None, false)
        );
        sockets.release(at(0), lent.id);
        assert!(sockets.disturb(at(900), lent.id));
        assert_eq!(sockets.lend(&epoll, like, 1), None);
        assert_eq!(
            (sockets.lend_resting(at(999), &epoll, like), sockets.has_resting(like)),
            (None, true)
        );
        let again = sockets.lend_resting(at(1_000), &epoll, like).expect("it has rested a second");
        assert_eq!((again.address, sockets.resting()), (lent.address, 0));
        assert_ne!(again.id, lent.id);
    }

    #[test]
    fn a_token_says_whose_socket_it_is() {
        for id in [0, 1, u32::MAX] {
            for channel in [Channel::Rtp, Channel::Rtcp] {
                assert_eq!(of_token(token(id, channel)), Some((id, channel)));
            }
        }
        assert_eq!(of_token(u64::MAX), None);
    }
}

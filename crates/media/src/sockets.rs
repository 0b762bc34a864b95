//! The sockets of one shard, bound ahead of need.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use mix::message::LentPort;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use socket2::{Domain, Protocol, Socket, Type};

/// Binds ports in turn, and takes them back.
///
/// A port that came back is used again only when all others had their turn, so that what a peer
/// still sends to an ended leg seldom meets the next one.
#[derive(Debug)]
pub(crate) struct Sockets {
    pools: Vec<Pool>,
    bound: BTreeMap<u32, Bound>,
    last_id: u32,
    bind_failures: u64,
    last_error: Option<io::Error>,
}

/// The ports of one address.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) ip: IpAddr,
    /// Ports not bound, the longest unused first.
    pub(crate) free: VecDeque<u16>,
}

#[derive(Debug)]
struct Bound {
    socket: UdpSocket,
    pool: usize,
}

impl Sockets {
    /// One pool for each address family.
    pub(crate) fn new(pools: Vec<Pool>) -> Self {
        Self { pools, bound: BTreeMap::new(), last_id: 0, bind_failures: 0, last_error: None }
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
        let pool = self.pools.iter().position(|pool| pool.ip == like.ip())?;
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

    /// Closes a socket.
    pub(crate) fn close(&mut self, id: u32, epoll: &Epoll) {
        let Some(Bound { socket, pool }) = self.bound.remove(&id) else { return };
        if let Ok(address) = socket.local_addr() {
            self.pools[pool].free.push_back(address.port());
        }
        // Closing takes it out as well; this only says it.
        let _ = epoll.delete(&socket);
    }

    pub(crate) fn socket(&self, id: u32) -> Option<&UdpSocket> {
        self.bound.get(&id).map(|bound| &bound.socket)
    }

    pub(crate) fn count(&self) -> usize {
        self.bound.len()
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
        let socket = bind(SocketAddr::new(self.pools[pool].ip, port))?;
        let address = socket.local_addr()?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(id)))?;
        self.bound.insert(id, Bound { socket, pool });
        self.last_id = id;
        Ok(LentPort { id, address })
    }
}

/// `::` is IPv6 alone: IPv4 has a pool of its own, with the same ports.
fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

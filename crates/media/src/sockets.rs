//! The sockets of one shard, bound ahead of need.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use mix::message::LentPort;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

/// Binds ports in turn, and takes them back.
///
/// A port that came back is used again only when all others had their turn, so that what a peer
/// still sends to an ended leg seldom meets the next one.
#[derive(Debug)]
pub(crate) struct Sockets {
    ip: IpAddr,
    /// Ports not bound, the longest unused first.
    free: VecDeque<u16>,
    bound: BTreeMap<u32, UdpSocket>,
    last_id: u32,
    bind_failures: u64,
    last_error: Option<io::Error>,
}

impl Sockets {
    pub(crate) fn new(ip: IpAddr, ports: VecDeque<u16>) -> Self {
        Self {
            ip,
            free: ports,
            bound: BTreeMap::new(),
            last_id: 0,
            bind_failures: 0,
            last_error: None,
        }
    }

    /// Binds the next port and has `epoll` watch it, under its number. Others may sit on some of the
    /// range: tries as many as asked. `None`: none is to be had now.
    pub(crate) fn lend(&mut self, epoll: &Epoll, tries: usize) -> Option<LentPort> {
        for _ in 0..self.free.len().min(tries) {
            let port = self.free.pop_front()?;
            match self.bind(epoll, port) {
                Ok(lent) => return Some(lent),
                Err(error) => {
                    self.free.push_back(port);
                    self.bind_failures += 1;
                    self.last_error = Some(error);
                }
            }
        }
        None
    }

    /// Closes a socket.
    pub(crate) fn close(&mut self, id: u32, epoll: &Epoll) {
        let Some(socket) = self.bound.remove(&id) else { return };
        if let Ok(address) = socket.local_addr() {
            self.free.push_back(address.port());
        }
        // Closing takes it out as well; this only says it.
        let _ = epoll.delete(&socket);
    }

    pub(crate) fn socket(&self, id: u32) -> Option<&UdpSocket> {
        self.bound.get(&id)
    }

    pub(crate) fn count(&self) -> usize {
        self.bound.len()
    }

    /// Whether no port of the range is left to bind.
    pub(crate) fn all_bound(&self) -> bool {
        self.free.is_empty()
    }

    /// How often a port could not be bound.
    pub(crate) const fn bind_failures(&self) -> u64 {
        self.bind_failures
    }

    /// Why a port could not be bound the last time.
    pub(crate) const fn last_error(&self) -> Option<&io::Error> {
        self.last_error.as_ref()
    }

    fn bind(&mut self, epoll: &Epoll, port: u16) -> io::Result<LentPort> {
        // 4 billion lendings: years. Then no more are lent, and the process has to be started anew.
        let id = self.last_id.checked_add(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        let socket = UdpSocket::bind(SocketAddr::new(self.ip, port))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(id)))?;
        self.bound.insert(id, socket);
        self.last_id = id;
        Ok(LentPort { id, address })
    }
}

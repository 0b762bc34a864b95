//! A port, bound for UDP and TCP before anything else is started.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::SockRef;

/// What the system is asked to keep for us while the loop is busy: some thousand SIP messages. Less
/// is what it gives without special rights, and less is fine.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// How many free UDP ports are tried for one that is free for TCP too. On a machine where half of all
/// are taken, one in 65,536 starts fails.
const BIND_TRIES_MAX: usize = 16;

/// A bound port that speaks SIP over UDP and TCP (RFC 3261 §18.2.1: both, on the same port).
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    pub(crate) local: SocketAddr,
}

impl Endpoint {
    /// Binds an address; port 0 picks one that is free for both.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        // Those that were free for UDP only: held, or the system might give them again.
        let mut held = Vec::new();
        loop {
            let udp = UdpSocket::bind(address)?;
            let local = udp.local_addr()?;
            match TcpListener::bind(local) {
                Ok(tcp) => return Self::new(udp, tcp, local),
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && address.port() == 0
                        && held.len() < BIND_TRIES_MAX =>
                {
                    held.push(udp);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The address that is bound.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    fn new(udp: UdpSocket, tcp: TcpListener, local: SocketAddr) -> io::Result<Self> {
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        // A wish: the system cuts it to what it allows.
        let _ = SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        Ok(Self { udp, tcp, local })
    }
}

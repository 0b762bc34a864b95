//! A port, bound for UDP and TCP before anything else is started.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, SockRef, Socket, Type};

/// What the system is asked to keep for us while the loop is busy: some thousand SIP messages. Less is what it gives without
/// special rights (`net.core.rmem_max`, 208 KiB as a rule: some hundred messages), and less is fine: the loop looks at its
/// sockets every millisecond, and what has to wait longer waits with it. Where floods are to be expected,
/// `sysctl net.core.rmem_max=4194304` keeps more of what belongs to calls.
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
    pub(crate) dscp: u8,
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
            let udp: UdpSocket = socket(address, Type::DGRAM)?.into();
            let local = udp.local_addr()?;
            match listen(local) {
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
        datagram::stamp(&udp);
        Ok(Self { udp, tcp, local, dscp: 0 })
    }

    /// Marks what is sent with this DSCP, 0-63 (RFC 2474), over UDP and over connections both ways. A wish: where the
    /// system does not grant it, packets go as all others do.
    #[must_use]
    pub fn with_dscp(self, dscp: u8) -> Self {
        // Those that are accepted have it from the listener.
        mark(&SockRef::from(&self.udp), self.local, dscp);
        mark(&SockRef::from(&self.tcp), self.local, dscp);
        Self { dscp, ..self }
    }
}

/// Sets the DSCP of what a socket of this address's family sends.
pub(crate) fn mark(socket: &SockRef<'_>, address: SocketAddr, dscp: u8) {
    let traffic_class = u32::from(dscp) << 2;
    let _ = match address.is_ipv6() {
        true => socket.set_tclass_v6(traffic_class),
        false => socket.set_tos_v4(traffic_class),
    };
}

/// The most connections that wait to be accepted; the system cuts it to what it allows.
const BACKLOG: i32 = 128;

/// A bound socket. `::` is IPv6 alone: an IPv4 address that comes in the clothes of IPv6 would be another one in every
/// list, and `0.0.0.0` may have the same port.
fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // A server that starts again finds connections of its last life waiting for their end.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn what_is_sent_is_marked_over_both_families_and_by_accepted_connections() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            let endpoint = Endpoint::bind(address).expect("bound").with_dscp(24);
            let _caller = TcpStream::connect(endpoint.local()).expect("connected");
            endpoint.tcp.set_nonblocking(false).expect("waits");
            let (accepted, _) = endpoint.tcp.accept().expect("accepted");
            for socket in [SockRef::from(&endpoint.udp), SockRef::from(&accepted)] {
                let class = match address.is_ipv6() {
                    true => socket.tclass_v6(),
                    false => socket.tos_v4(),
                };
                assert_eq!(class.expect("told") >> 2, 24, "{address}");
            }
        }
    }
}

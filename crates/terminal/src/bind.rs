//! Sockets, bound before anything else is done.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use transport::Endpoint;
use ua::MediaSlot;

/// How often a port from the system is thrown back for being odd. RTP ports are even
/// (RFC 3550 §11); half of all are. After that an odd one does as well: nothing here takes the
/// next port for RTCP.
const EVEN_TRIES_MAX: usize = 16;

/// A terminal's sockets: one port for SIP, some for media on the same address.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) sip: Endpoint,
    pub(crate) media: Vec<UdpSocket>,
    pub(crate) slots: Vec<MediaSlot>,
}

/// Why a terminal has no sockets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum BindError {
    #[error(
        "{0} is taken by another program: choose another port with --sip, or port 0 for a free one"
    )]
    Taken(SocketAddr),
    #[error("{0} is no address of this machine: choose another with --sip")]
    NotOurs(IpAddr),
    #[error("{0} needs more rights: choose a port above 1023 with --sip")]
    Forbidden(SocketAddr),
    #[error("{0} says nothing about how others reach us: give one address with --sip")]
    Unspecified(IpAddr),
    #[error("cannot bind {address}: {kind}")]
    Other { address: SocketAddr, kind: io::ErrorKind },
}

impl Sockets {
    /// Binds `address` for SIP (port 0 picks a free one) and `media_count` sockets for media.
    ///
    /// # Errors
    /// The address cannot be bound, in one line that says what to do.
    pub fn bind(address: SocketAddr, media_count: usize) -> Result<Self, BindError> {
        if address.ip().is_unspecified() {
            return Err(BindError::Unspecified(address.ip()));
        }
        let sip = Endpoint::bind(address).map_err(|error| BindError::new(address, &error))?;
        let media =
            (0..media_count).map(|_| bind_even(address.ip())).collect::<Result<Vec<_>, _>>()?;
        let local = |socket: &UdpSocket| {
            socket.local_addr().map_err(|error| BindError::new(address, &error))
        };
        let slots = media
            .iter()
            .map(|socket| Ok(MediaSlot { advertised: local(socket)? }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sip, media, slots })
    }

    /// Where SIP comes in.
    pub const fn sip(&self) -> SocketAddr {
        self.sip.local()
    }
}

impl BindError {
    fn new(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::Taken(address),
            io::ErrorKind::AddrNotAvailable => Self::NotOurs(address.ip()),
            io::ErrorKind::PermissionDenied => Self::Forbidden(address),
            kind => Self::Other { address, kind },
        }
    }
}

/// The address of this machine from which packets to `remote` leave. Sends nothing.
///
/// # Errors
/// There is no way to `remote`.
pub fn source_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr =
        if remote.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    // Connecting a UDP socket only asks the routing table.
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

fn bind(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let socket = UdpSocket::bind(address).map_err(|error| BindError::new(address, &error))?;
    socket.set_nonblocking(true).map_err(|error| BindError::new(address, &error))?;
    Ok(socket)
}

/// Odd ones are held until an even one is found: else the system might give the same again.
fn bind_even(ip: IpAddr) -> Result<UdpSocket, BindError> {
    let mut odd = Vec::new();
    loop {
        let address = SocketAddr::new(ip, 0);
        let socket = bind(address)?;
        let port = socket.local_addr().map_err(|error| BindError::new(address, &error))?.port();
        if port % 2 == 0 || odd.len() == EVEN_TRIES_MAX {
            return Ok(socket);
        }
        odd.push(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("a good address")
    }

    #[test]
    fn port_zero_picks_one_and_media_ports_are_even() {
        let sockets = Sockets::bind(address("127.0.0.1:0"), 8).expect("bound");
        assert_ne!(sockets.sip().port(), 0);
        assert_eq!(sockets.slots.len(), 8);
        assert!(sockets.slots.iter().all(|slot| slot.advertised.port() % 2 == 0));
    }

    #[test]
    fn what_cannot_be_bound_says_what_to_do() {
        let first = Sockets::bind(address("127.0.0.1:0"), 0).expect("bound");
        let taken = Sockets::bind(first.sip(), 0).expect_err("taken");
        assert_eq!(taken, BindError::Taken(first.sip()));
        assert!(taken.to_string().ends_with("or port 0 for a free one"));

        let bad = |text: &str| Sockets::bind(address(text), 0).expect_err("not to be bound");
        assert_eq!(bad("192.0.2.1:0"), BindError::NotOurs(address("192.0.2.1:0").ip()));
        assert_eq!(bad("0.0.0.0:0"), BindError::Unspecified(address("0.0.0.0:0").ip()));
        assert_eq!(bad("[::]:0"), BindError::Unspecified(address("[::]:0").ip()));
    }

    #[test]
    fn packets_to_loopback_leave_from_loopback() {
        let ip = source_towards(address("127.0.0.1:5060")).expect("a route");
        assert_eq!(ip, address("127.0.0.1:0").ip());
    }
}

//! Sockets, bound before anything else is done.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use transport::Endpoint;
use ua::MediaSlot;

/// How often a port from the system is thrown back for being odd, or for having a neighbour that is taken. Half of all
/// are even, as those of RTP are (RFC 3550 §11); so one start in millions fails.
const EVEN_TRIES_MAX: usize = 64;

/// A terminal's sockets: one port for SIP, some for media on the same address.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) sip: Endpoint,
    pub(crate) media: Vec<MediaSockets>,
    pub(crate) slots: Vec<MediaSlot>,
}

/// The two sockets of one call: RFC 3550 §11.
#[derive(Debug)]
pub(crate) struct MediaSockets {
    /// On an even port.
    pub(crate) rtp: UdpSocket,
    /// On the next, for peers that do not take RTCP on the port of RTP.
    pub(crate) rtcp: UdpSocket,
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
    /// Binds `address` for SIP (port 0 picks a free one) and `media_count` pairs of sockets for media.
    ///
    /// # Errors
    /// The address cannot be bound, in one line that says what to do.
    pub fn bind(address: SocketAddr, media_count: usize) -> Result<Self, BindError> {
        if address.ip().is_unspecified() {
            return Err(BindError::Unspecified(address.ip()));
        }
        let sip = Endpoint::bind(address).map_err(|error| BindError::new(address, &error))?;
        let media =
            (0..media_count).map(|_| bind_pair(address.ip())).collect::<Result<Vec<_>, _>>()?;
        let local = |socket: &UdpSocket| {
            socket.local_addr().map_err(|error| BindError::new(address, &error))
        };
        let slots = media
            .iter()
            .map(|sockets| Ok(MediaSlot { advertised: local(&sockets.rtp)?, keys: false }))
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

/// Those that do not do are held until a pair is found: else the system might give the same again.
fn bind_pair(ip: IpAddr) -> Result<MediaSockets, BindError> {
    let mut held = Vec::new();
    loop {
        let address = SocketAddr::new(ip, 0);
        let rtp = bind(address)?;
        let port = rtp.local_addr().map_err(|error| BindError::new(address, &error))?.port();
        if port % 2 == 0 {
            match bind(SocketAddr::new(ip, port | 1)) {
                Ok(rtcp) => return Ok(MediaSockets { rtp, rtcp }),
                Err(error) if held.len() >= EVEN_TRIES_MAX => return Err(error),
                Err(_) => {}
            }
        } else if held.len() >= EVEN_TRIES_MAX {
            return Err(BindError::Other { address, kind: io::ErrorKind::AddrInUse });
        }
        held.push(rtp);
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

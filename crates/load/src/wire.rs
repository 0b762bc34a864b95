//! The sockets of the legs.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use units::Instant;

/// A media socket: what comes is stamped by the kernel, what finds its queue full is counted.
#[derive(Debug)]
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    /// Datagrams that found the queue full, as of the last one that did not.
    dropped: u32,
}

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) bytes: usize,
    /// When it came, by the clock of receive timestamps; `None`: the kernel did not say.
    pub(crate) at: Option<Instant>,
    /// Datagrams before it that found the queue full.
    pub(crate) dropped: u32,
}

/// Where control messages are read into; one for all sockets.
pub(crate) struct ControlBuffer(Vec<u8>);

impl ControlBuffer {
    pub(crate) fn new() -> Self {
        Self(nix::cmsg_space!(TimeSpec, u32))
    }
}

impl MediaSocket {
    pub(crate) fn bind(ip: IpAddr) -> io::Result<Self> {
        let socket = bind(ip)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        Ok(Self { socket, dropped: 0 })
    }

    pub(crate) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Takes the next datagram; `None`: there is none.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut [u8],
        control: &mut ControlBuffer,
    ) -> Option<Datagram> {
        let mut parts = [IoSliceMut::new(bytes)];
        let (fd, control) = (self.socket.as_raw_fd(), Some(&mut control.0[..]));
        // An error of an earlier send is told here too, and read away.
        let flags = MsgFlags::MSG_DONTWAIT;
        let got = recvmsg::<SockaddrStorage>(fd, &mut parts, control, flags).ok()?;
        let mut datagram = Datagram { bytes: got.bytes, at: None, dropped: 0 };
        for message in got.cmsgs().into_iter().flatten() {
            match message {
                ControlMessageOwned::ScmTimestampns(time) => {
                    datagram.at = Some(Instant::ZERO + Duration::from(time));
                }
                ControlMessageOwned::RxqOvfl(dropped) => {
                    datagram.dropped = dropped.wrapping_sub(self.dropped);
                    self.dropped = dropped;
                }
                _ => {} // nothing else was asked for
            }
        }
        Some(datagram)
    }
}

/// A non-blocking socket on a free port.
pub(crate) fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let at = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// The address from which this one is reached.
pub(crate) fn way_to(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote.ip() {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    // Sends nothing; it only chooses the route.
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// Lets this process open so many files, as far as it may; whether it may.
pub(crate) fn open_files(wanted: u64) -> Result<(), Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    if hard >= wanted { Ok(()) } else { Err(Errno::EMFILE) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn what_comes_is_stamped_and_what_finds_no_place_is_counted() {
        let mut socket = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let sender = bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let to = socket.socket().local_addr().unwrap();
        let (mut bytes, mut control) = ([0; 64], ControlBuffer::new());
        assert_eq!(socket.receive(&mut bytes, &mut control), None);
        let before = crate::clock::stamp();
        sender.send_to(b"one", to).unwrap();
        let got = socket.receive(&mut bytes, &mut control).unwrap();
        assert_eq!((&bytes[..got.bytes], got.dropped), (&b"one"[..], 0));
        let at = got.at.unwrap();
        assert!(before <= at && at <= crate::clock::stamp());

        // More than any queue holds.
        for _ in 0..10_000 {
            sender.send_to(&[0; 1_000], to).unwrap();
        }
        let mut came = 0;
        while socket.receive(&mut bytes, &mut control).is_some() {
            came += 1;
        }
        sender.send_to(b"last", to).unwrap();
        let dropped = socket.receive(&mut bytes, &mut control).unwrap().dropped;
        assert_eq!(came + dropped, 10_000);
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        let ip = way_to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5060)).unwrap();
        assert!(ip.is_loopback());
    }
}

//! The sockets of the legs.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use datagram::Reader;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use units::Instant;

/// A media socket: what comes is stamped by the kernel, what finds its queue full is counted.
#[derive(Debug)]
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    /// Datagrams that found the queue full, as of the last one that did not.
    overflows: u32,
}

/// A packet that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// So many bytes.
    pub(crate) length: usize,
    pub(crate) at: Instant,
    /// Packets before it that found the queue full.
    pub(crate) dropped: u32,
}

impl MediaSocket {
    pub(crate) fn bind(ip: IpAddr) -> io::Result<Self> {
        let socket = bind(ip)?;
        datagram::stamp(&socket);
        datagram::count_overflows(&socket)?;
        Ok(Self { socket, overflows: 0 })
    }

    pub(crate) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Takes the next packet; `None`: there is none.
    pub(crate) fn receive(&mut self, reader: &mut Reader, bytes: &mut [u8]) -> Option<Came> {
        // An error of an earlier send is told here too, and read away.
        let got = reader.read(&self.socket, bytes).ok()?;
        let dropped = got.overflows.wrapping_sub(self.overflows);
        self.overflows = got.overflows;
        Some(Came { length: got.length, at: got.at, dropped })
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
    use std::time::Duration;

    #[test]
    fn what_comes_is_dated_and_what_finds_no_place_is_counted_once() {
        let mut socket = MediaSocket::bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let sender = bind(Ipv4Addr::LOCALHOST.into()).unwrap();
        let to = socket.socket().local_addr().unwrap();
        let (mut bytes, mut reader) = ([0; 64], Reader::new(Duration::from_secs(10)));
        assert_eq!(socket.receive(&mut reader, &mut bytes), None);
        let looked = Instant::from_millis(90_000);
        // Until the first socket of a machine is stamped, it may take the kernel a moment.
        let is_dated = (0..5_000).any(|_| {
            sender.send_to(b"one", to).unwrap();
            reader.look_at_clocks(looked);
            let got = socket.receive(&mut reader, &mut bytes).unwrap();
            assert_eq!((&bytes[..got.length], got.dropped), (&b"one"[..], 0));
            got.at < looked
        });
        assert!(is_dated, "when it came, and not when it was read");

        // More than any queue holds.
        for _ in 0..10_000 {
            sender.send_to(&[0; 1_000], to).unwrap();
        }
        let mut came = 0;
        while socket.receive(&mut reader, &mut bytes).is_some() {
            came += 1;
        }
        let mut dropped = || {
            sender.send_to(b"last", to).unwrap();
            socket.receive(&mut reader, &mut bytes).unwrap().dropped
        };
        assert_eq!((came + dropped(), dropped()), (10_000, 0));
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        let ip = way_to(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5060)).unwrap();
        assert!(ip.is_loopback());
    }
}

//! Sockets, bound before anything else is started.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use sip::Host;
use transport::Endpoint;

use crate::config::{Config, SipListen};

/// Why an address cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    #[error(
        "{address} is taken by another program: choose another port with {flag}, or port 0 for a free one"
    )]
    Taken { address: SocketAddr, flag: &'static str },
    #[error("{ip} is no address of this machine: choose another with {flag}")]
    NotOurs { ip: IpAddr, flag: &'static str },
    #[error("{address} needs more rights: choose a port above 1023 with {flag}")]
    Forbidden { address: SocketAddr, flag: &'static str },
    #[error("cannot bind {address}: {kind}")]
    Other { address: SocketAddr, kind: io::ErrorKind },
}

impl BindError {
    pub(crate) fn new(address: SocketAddr, flag: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { address, flag },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { ip: address.ip(), flag },
            io::ErrorKind::PermissionDenied => Self::Forbidden { address, flag },
            kind => Self::Other { address, kind },
        }
    }
}

/// A bound port and what others are told about it.
#[derive(Debug)]
pub(crate) struct SipSocket {
    pub(crate) endpoint: Endpoint,
    pub(crate) local: SocketAddr,
    pub(crate) advertise: (Host, u16),
}

/// Every address that speaks SIP.
pub(crate) fn all_sip(config: &Config) -> Result<Vec<SipSocket>, BindError> {
    config.sip.iter().map(|listen| sip(listen, config.sip_dscp)).collect()
}

pub(crate) fn sip(listen: &SipListen, dscp: u8) -> Result<SipSocket, BindError> {
    let address = listen.bind;
    let bind = || {
        let endpoint = Endpoint::bind(address)?.with_dscp(dscp);
        let local = endpoint.local();
        io::Result::Ok(SipSocket { advertise: listen.advertise.over(local), endpoint, local })
    };
    bind().map_err(|error| BindError::new(address, "--sip", &error))
}

pub(crate) fn admin(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    bind().map_err(|error| BindError::new(address, "--admin", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Advertise;

    fn listen(bind: &str) -> SipListen {
        let bind = bind.parse().expect("an address");
        SipListen { bind, advertise: Advertise::default() }
    }

    #[test]
    fn port_zero_picks_one_and_that_one_is_advertised() {
        let bound = sip(&listen("127.0.0.1:0"), 0).expect("bound");
        assert_ne!(bound.local.port(), 0);
        assert_eq!(bound.advertise, (Host::from(bound.local.ip()), bound.local.port()));
    }

    #[test]
    fn a_taken_port_says_which_flag_chooses_another() {
        let first = sip(&listen("127.0.0.1:0"), 0).expect("bound");
        let second = SipListen { bind: first.local, advertise: Advertise::default() };
        let error = sip(&second, 0).expect_err("taken");
        assert_eq!(error, BindError::Taken { address: first.local, flag: "--sip" });

        let (_listener, local) = admin("127.0.0.1:0".parse().expect("an address")).expect("bound");
        let error = admin(local).expect_err("taken");
        assert_eq!(error, BindError::Taken { address: local, flag: "--admin" });
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let error = sip(&listen("192.0.2.1:0"), 0).expect_err("not ours");
        assert!(matches!(error, BindError::NotOurs { flag: "--sip", .. }));
    }
}

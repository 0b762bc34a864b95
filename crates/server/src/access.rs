//! Which source addresses may speak to us at all.

use std::net::IpAddr;

use node::Network;

/// The source networks that are let in; everything else is dropped at the socket and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowList {
    /// Everybody: only loopback binds, or the operator said `--open`.
    Everybody,
    /// Only these.
    Only(Vec<Network>),
}

impl AllowList {
    /// Whether a packet from `source` is looked at.
    pub fn allows(&self, source: IpAddr) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(networks) => networks.iter().any(|network| network.contains(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a good network")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a good address")
    }

    #[test]
    fn an_allow_list_lets_in_only_what_it_names() {
        let list = AllowList::Only(vec![network("127.0.0.0/8"), network("10.0.0.0/8")]);
        assert!(list.allows(ip("127.0.0.1")) && list.allows(ip("10.9.9.9")));
        assert!(!list.allows(ip("192.0.2.1")));
        assert!(!AllowList::Only(vec![]).allows(ip("127.0.0.1")));
        assert!(AllowList::Everybody.allows(ip("192.0.2.1")));
    }
}

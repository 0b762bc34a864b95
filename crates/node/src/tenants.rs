//! Who pays for a conference: by the user who asks, by where he asks from, by the address that he asks at.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pool::TenantId;
use sip::Incoming;

use crate::Network;
use crate::auth::Caller;
use crate::node::Node;

/// Who belongs to which tenant. A user's own goes before that of his network, and that before the
/// factory's: what is proved tells more than where somebody is, and that more than what he dialled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantRules {
    /// By the name of an authenticated user.
    pub users: BTreeMap<String, TenantId>,
    /// By source address: the first network that has it.
    pub networks: Vec<(Network, TenantId)>,
    /// By the factory, in the order of the configuration.
    pub factories: Vec<Option<TenantId>>,
}

impl TenantRules {
    fn tenant(&self, user: Option<&str>, source: IpAddr, factory: usize) -> TenantId {
        let by_user = user.and_then(|user| self.users.get(user).copied());
        let by_network = || {
            let mut networks = self.networks.iter();
            networks.find(|(network, _)| network.contains(source)).map(|(_, tenant)| *tenant)
        };
        by_user.or_else(by_network).unwrap_or_else(|| self.of_factory(factory))
    }

    /// Who pays for what nobody asks this factory for by SIP.
    pub(crate) fn of_factory(&self, factory: usize) -> TenantId {
        self.factories.get(factory).copied().flatten().unwrap_or(TenantId::NOBODYS)
    }
}

impl Node {
    /// Who pays for what this caller asks this factory for.
    pub(crate) fn tenant_of(
        &self,
        incoming: &Incoming,
        caller: &Caller,
        factory: usize,
    ) -> TenantId {
        self.tenants.tenant(caller.user(), incoming.source.remote.ip(), factory)
    }
}

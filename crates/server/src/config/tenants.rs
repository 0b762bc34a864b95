//! `[tenants.NAME]`: who shares the room.

use std::collections::{BTreeMap, BTreeSet};

use node::Network;
use pool::{TENANTS_MAX, TenantTerms};
use serde::Deserialize;
use toml::Spanned;

use super::Tenant;
use super::check::{Origin, seats, within};
use super::error::{ConfigError, Problem};
use super::file::Text;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    users: Vec<Spanned<String>>,
    networks: Vec<Text<Network>>,
    quota: Option<Spanned<u64>>,
    reserved: Option<Spanned<u64>>,
    per_minute: Option<Spanned<u64>>,
}

/// A hundred thousand conferences a second: more than a core makes is no limit.
const PER_MINUTE: (u64, u64) = (1, 6_000_000);

/// All that can be used; the rest is noted.
pub(super) fn check(
    written: BTreeMap<String, Spanned<Written>>,
    origin: &Origin<'_>,
    room: u32,
) -> Vec<Tenant> {
    // The first place of the pool's table is nobody's.
    if let (Some(one), count @ TENANTS_MAX..) = (written.values().next(), written.len()) {
        let problem = Problem::TooManyTenants { count, most: TENANTS_MAX - 1 };
        origin.keep::<()>(Err(origin.error(&one.span(), problem)));
        return Vec::new();
    }
    let mut checked = Checked { users: BTreeSet::new(), reserved: 0, room };
    let tenants = written.into_iter().map(|(name, table)| checked.tenant(name, table, origin));
    tenants.filter_map(|tenant| origin.keep(tenant)).collect()
}

/// What the tenants so far have.
struct Checked {
    users: BTreeSet<String>,
    /// Seats that are reserved for them.
    reserved: u32,
    /// Seats there are.
    room: u32,
}

impl Checked {
    fn tenant(
        &mut self,
        name: String,
        table: Spanned<Written>,
        origin: &Origin<'_>,
    ) -> Result<Tenant, ConfigError> {
        let span = table.span();
        let blame = |problem| Err(origin.error(&span, problem));
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        {
            return blame(Problem::BadTenant { name });
        }
        let Written { users, networks, quota, reserved, per_minute } = table.into_inner();
        let quota = seats("quota", quota, origin)?;
        let reserved_span = reserved.as_ref().map(Spanned::span);
        let reserved = seats("reserved", reserved, origin)?.unwrap_or(0);
        let at = reserved_span.unwrap_or_else(|| span.clone());
        if let Some(quota) = quota.filter(|quota| *quota < reserved) {
            return Err(origin.error(&at, Problem::ReservedAboveQuota { reserved, quota }));
        }
        self.reserved = self.reserved.saturating_add(reserved);
        if self.reserved > self.room {
            let problem = Problem::ReservedAboveRoom { reserved: self.reserved, room: self.room };
            return Err(origin.error(&at, problem));
        }
        let per_minute = per_minute.map(|number| within("per_minute", &number, PER_MINUTE, origin));
        for user in &users {
            if !self.users.insert(user.get_ref().clone()) {
                let user_name = user.get_ref().clone();
                let problem = Problem::TenantUserTwice { user: user_name };
                return Err(origin.error(&user.span(), problem));
            }
        }
        Ok(Tenant {
            terms: TenantTerms { name, quota, reserved, per_minute: per_minute.transpose()? },
            users: users.into_iter().map(Spanned::into_inner).collect(),
            networks: networks.into_iter().map(|network| network.0).collect(),
        })
    }
}

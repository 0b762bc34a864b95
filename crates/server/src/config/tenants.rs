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

pub(super) fn check(
    written: BTreeMap<String, Spanned<Written>>,
    origin: &Origin<'_>,
    room: u32,
) -> Result<Vec<Tenant>, ConfigError> {
    let (mut taken, mut reserved_all, count) = (BTreeSet::new(), 0_u32, written.len());
    let mut tenants = Vec::new();
    for (name, table) in written {
        let span = table.span();
        let blame = |problem| Err(origin.error(&span, problem));
        // The first place of the pool's table is nobody's.
        if count >= TENANTS_MAX {
            return blame(Problem::TooManyTenants { count, most: TENANTS_MAX - 1 });
        }
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
        reserved_all = reserved_all.saturating_add(reserved);
        if reserved_all > room {
            let problem = Problem::ReservedAboveRoom { reserved: reserved_all, room };
            return Err(origin.error(&at, problem));
        }
        let per_minute = per_minute.map(|number| within("per_minute", &number, PER_MINUTE, origin));
        for user in &users {
            if !taken.insert(user.get_ref().clone()) {
                let user_name = user.get_ref().clone();
                let problem = Problem::TenantUserTwice { user: user_name };
                return Err(origin.error(&user.span(), problem));
            }
        }
        tenants.push(Tenant {
            terms: TenantTerms { name, quota, reserved, per_minute: per_minute.transpose()? },
            users: users.into_iter().map(Spanned::into_inner).collect(),
            networks: networks.into_iter().map(|network| network.0).collect(),
        });
    }
    Ok(tenants)
}

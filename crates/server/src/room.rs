//! How much room there is: from the configuration, and from what was measured on this machine.

use node::TenantRules;
use pool::{Cost, CostModel, PoolConfig, TenantId, TenantTerms};
use units::UnixTime;

use crate::Config;
use crate::calibration::{Calibration, Unmeasured};
use crate::mixers;

/// Packets and kilobits that are not looked at: no network has them.
const UNLIMITED: u64 = u64::MAX / 1_000_000;

/// The pool's configuration for this machine.
pub(crate) fn pool_config(config: &Config, calibration: Option<&Calibration>) -> PoolConfig {
    let costs = calibration.map_or_else(CostModel::default, |it| it.costs);
    let shards = u32::from(config.mixers);
    let terms = &config.room;
    let files = mixers::file_legs(config, media::raise_file_limit());
    let places = mixers::port_legs(&config.media).min(files);
    let shard = match config.capacity {
        // Whoever gives a number of legs has measured it otherwise: it is kept, whatever legs cost.
        Some(legs) => costs.plain_leg().times(legs.div_ceil(shards)),
        None => Cost {
            cpu_us_per_s: u64::from(terms.cpu_percent) * 10_000,
            sockets: (places / shards).into(),
            tx_pps: terms.packets_per_second.map_or(UNLIMITED, |all| (all / shards).into()),
            kbit_per_s: terms.kbit_per_second.map_or(UNLIMITED, |all| (all / shards).into()),
        },
    };
    let mut tenants = vec![TenantTerms::default()];
    tenants.extend(config.tenants.iter().map(|tenant| tenant.terms.clone()));
    PoolConfig {
        tenants,
        bookable_percent: terms.bookable_percent,
        ahead: terms.reserve_ahead,
        ..PoolConfig::of_shards(vec![shard; usize::from(config.mixers)], costs)
    }
}

/// Who belongs to which tenant.
pub(crate) fn tenant_rules(config: &Config) -> TenantRules {
    let mut rules = TenantRules::default();
    // The first place is nobody's: see `pool_config`.
    for (tenant, id) in config.tenants.iter().zip((1_u16..).map(TenantId)) {
        rules.users.extend(tenant.users.iter().map(|user| (user.clone(), id)));
        rules.networks.extend(tenant.networks.iter().map(|network| (*network, id)));
    }
    let id = |name: &String| {
        let at = config.tenants.iter().position(|tenant| tenant.terms.name == *name)?;
        u16::try_from(at + 1).ok().map(TenantId)
    };
    rules.factories =
        config.factories.iter().map(|factory| factory.tenant.as_ref().and_then(id)).collect();
    rules
}

/// Whether the room was measured, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// It was given by hand.
    ByHand,
    /// It was measured on this machine.
    Calibrated {
        /// When.
        at: UnixTime,
    },
    /// It is assumed.
    Assumed(Unmeasured),
}

impl Measured {
    pub(crate) fn of(config: &Config, calibration: &Result<Calibration, Unmeasured>) -> Self {
        match (config.capacity, calibration) {
            (Some(_), _) => Self::ByHand,
            (None, Ok(calibration)) => Self::Calibrated { at: calibration.at },
            (None, Err(why)) => Self::Assumed(*why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn config(text: &str) -> Config {
        Config::from_toml("convoke.toml", text, &Flags::default()).expect("good")
    }

    #[test]
    fn without_measurements_a_shard_has_room_for_500_plain_legs() {
        let pool = pool_config(&config(""), None);
        assert_eq!(pool.shards[0].count_of(&pool.costs.plain_leg()), 500);
        assert_eq!(
            Measured::of(&config(""), &Err(Unmeasured::Never)),
            Measured::Assumed(Unmeasured::Never)
        );
    }

    #[test]
    fn measurements_and_limits_decide_what_fits() {
        let costs = CostModel { packet_ns: 5_000, leg_us_per_s: 150, conference_us_per_s: 100 };
        let calibration = Calibration::new(costs, UnixTime(7));
        let fits = |text: &str| {
            let pool = pool_config(&config(text), Some(&calibration));
            pool.shards[0].count_of(&pool.costs.plain_leg())
        };
        assert_eq!(fits(""), 1_750);
        assert_eq!(fits("[pool]\ncpu_percent = 40"), 1_000);
        assert_eq!(fits("[pool]\npackets_per_second = 5000"), 100);
        assert_eq!(fits("[pool]\nkbit_per_second = 1000"), 11);
        assert_eq!(fits("[pool]\ncapacity = 37"), 37, "by hand it is what was said");
        assert_eq!(fits("[[media.listen]]\nbind = \"127.0.0.1\"\nports = \"20000-20019\""), 10);
    }

    #[test]
    fn tenants_are_found_by_user_network_and_factory() {
        let rules = tenant_rules(&config(
            "[[factory]]\nusers = [\"a\"]\n[[factory]]\nusers = [\"b\"]\ntenant = \"bell\"\n\
             [tenants.acme]\nusers = [\"alice\"]\n[tenants.bell]\nnetworks = [\"192.0.2.0/24\"]\n",
        ));
        assert_eq!(rules.users["alice"], TenantId(1));
        assert_eq!(rules.networks[0].1, TenantId(2));
        assert_eq!(rules.factories, [None, Some(TenantId(2))]);
    }
}

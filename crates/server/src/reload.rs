//! Another configuration for a server that runs: what of it can be taken over, and what needs a restart.

use node::Settings;

use crate::AllowList;
use crate::config::{Config, Factory};
use crate::webhooks::Hook;

/// What has changed, by the names of the keys in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Taken over: it counts from now on.
    pub applied: Vec<&'static str>,
    /// Not taken over: what was counts until the server is started anew.
    pub needs_restart: Vec<&'static str>,
}

/// What the loop is given.
#[derive(Debug)]
pub(crate) struct NewSettings {
    pub(crate) settings: Settings,
    pub(crate) access: AllowList,
    pub(crate) webhooks: Vec<Hook>,
}

impl Changed {
    /// Compares. A key that is not named here does not compile.
    pub(crate) fn between(old: &Config, new: &Config) -> Self {
        let Config {
            sip,
            nat,
            sip_dscp,
            media,
            media_dscp,
            mixers,
            heard,
            factories,
            admin,
            capacity,
            room,
            tenants,
            state_dir,
            access,
            is_open,
            records,
            pcap,
            dns,
            auth,
            dial_out,
            lab_registrar,
            limits,
            webhooks,
            overload,
            fault_in_conference,
        } = old;
        let mut changed = Self::default();
        let mut restart = |key, differs| {
            if differs {
                changed.needs_restart.push(key);
            }
        };
        restart("[[sip.listen]]", *sip != new.sip);
        restart("[sip] nat", *nat != new.nat);
        restart("[sip] dscp", *sip_dscp != new.sip_dscp);
        restart("[[media.listen]]", *media != new.media);
        restart("[media] dscp", *media_dscp != new.media_dscp);
        restart("[media] mixers", *mixers != new.mixers);
        restart("[debug]", *fault_in_conference != new.fault_in_conference);
        restart("[media] heard", *heard != new.heard);
        restart("[[factory]] users and hosts", addresses(factories) != addresses(&new.factories));
        restart("[admin]", *admin != new.admin);
        restart("[pool]", *capacity != new.capacity || *room != new.room);
        restart("[tenants]", *tenants != new.tenants);
        restart("--state-dir", *state_dir != new.state_dir);
        restart("[records]", *records != new.records);
        restart("[trace]", *pcap != new.pcap);
        restart("[dns]", *dns != new.dns);
        restart("--lab-registrar", *lab_registrar != new.lab_registrar);
        let same_addresses = addresses(factories) == addresses(&new.factories);
        let mut apply = |key, differs| {
            if differs {
                changed.applied.push(key);
            }
        };
        apply("[[factory]]", same_addresses && *factories != new.factories);
        apply("[access]", *access != new.access || *is_open != new.is_open);
        apply("[auth]", *auth != new.auth);
        apply("[dial_out]", *dial_out != new.dial_out);
        apply("[limits]", *limits != new.limits);
        apply("[[webhook]]", *webhooks != new.webhooks);
        apply("[overload]", *overload != new.overload);
        changed
    }
}

/// What counts once all that can be taken over is.
pub(crate) fn merged(old: &Config, new: Config) -> Config {
    let factories = if addresses(&old.factories) == addresses(&new.factories) {
        new.factories
    } else {
        old.factories.clone()
    };
    Config {
        factories,
        access: new.access,
        is_open: new.is_open,
        auth: new.auth,
        dial_out: new.dial_out,
        limits: new.limits,
        webhooks: new.webhooks,
        overload: new.overload,
        ..old.clone()
    }
}

/// Users and hosts of each factory: what its conferences are known by.
fn addresses(factories: &[Factory]) -> Vec<(&[String], &[sip::Host])> {
    factories.iter().map(|factory| (&factory.users[..], &factory.hosts[..])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn read(text: &str) -> Config {
        Config::from_toml("c.toml", text, &Flags::default()).expect("good")
    }

    #[test]
    fn each_key_is_taken_over_or_needs_a_restart_and_that_is_told_by_name() {
        let old = read("");
        let all = read(
            "[sip]\nnat = \"off\"\n[[sip.listen]]\nbind = \"127.0.0.1:5070\"\n\
             [media]\nheard = 5\n[[media.listen]]\nports = \"21000-21999\"\n[admin]\nbind = \"127.0.0.1:5081\"\n\
             [pool]\ncapacity = 7\n[records]\nfile = \"r\"\n[trace]\npcap = \"p\"\n\
             [dns]\nservers = [\"127.0.0.1:53\"]\n[access]\nallow = [\"127.0.0.0/8\"]\n\
             [auth]\nrealm = \"h\"\nusers = \"u\"\n[dial_out]\nallow = [\"sip:*@h\"]\n\
             [limits]\nburst = 7\n[overload]\nper_second = 9\n[[factory]]\nhold = \"5s\"\n",
        );
        let changed = Changed::between(&old, &all);
        assert_eq!(
            changed.applied,
            ["[[factory]]", "[access]", "[auth]", "[dial_out]", "[limits]", "[overload]"]
        );
        assert_eq!(
            changed.needs_restart,
            [
                "[[sip.listen]]",
                "[sip] nat",
                "[[media.listen]]",
                "[media] heard",
                "[admin]",
                "[pool]",
                "[records]",
                "[trace]",
                "[dns]",
            ]
        );
        // What was taken over is what the next comparison begins from; the rest is told again.
        let now = merged(&old, all.clone());
        let again = Changed::between(&now, &all);
        assert_eq!((again.applied.len(), again.needs_restart), (0, changed.needs_restart));
        assert_eq!(Changed::between(&old, &old), Changed::default());
    }

    #[test]
    fn a_factory_at_another_address_needs_a_restart_with_all_its_rules() {
        let old = read("[[factory]]\nusers = [\"a\"]\n");
        let new = read("[[factory]]\nusers = [\"b\"]\nhold = \"5s\"\n");
        let changed = Changed::between(&old, &new);
        assert_eq!(changed.needs_restart, ["[[factory]] users and hosts"]);
        assert_eq!(changed.applied, [""; 0]);
        assert_eq!(merged(&old, new).factories, old.factories);
    }
}

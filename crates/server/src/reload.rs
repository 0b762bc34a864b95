//! Another configuration for a server that runs: what of it can be taken over, and what needs a restart.

use std::collections::BTreeMap;
use std::path::PathBuf;

use node::Settings;
use sha2::{Digest as _, Sha256};

use crate::AllowList;
use crate::config::{Config, Factory, Webhook};
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
        restart("[state] dir", *state_dir != new.state_dir);
        restart("[records]", *records != new.records);
        restart("[trace]", *pcap != new.pcap);
        restart("[dns]", *dns != new.dns);
        restart("[sip] lab_registrar", *lab_registrar != new.lab_registrar);
        let same_addresses = addresses(factories) == addresses(&new.factories);
        let same_tenants = tenants_of(factories) == tenants_of(&new.factories);
        restart("[[factory]] tenant", same_addresses && !same_tenants);
        let new_factories = with_tenants_of(factories, new.factories.clone());
        let mut apply = |key, differs| {
            if differs {
                changed.applied.push(key);
            }
        };
        apply("[[factory]]", same_addresses && *factories != new_factories);
        apply("[access]", *access != new.access || *is_open != new.is_open);
        apply("[auth]", *auth != new.auth);
        apply("[dial_out]", *dial_out != new.dial_out);
        apply("[limits]", *limits != new.limits);
        apply("[[webhook]]", *webhooks != new.webhooks);
        apply("[overload]", *overload != new.overload);
        changed
    }

    /// Of these keys something has changed that counts at once.
    pub(crate) fn note(&mut self, keys: impl Iterator<Item = &'static str>) {
        for key in keys {
            if !self.applied.contains(&key) {
                self.applied.push(key);
            }
        }
    }
}

/// What stands in the files that a configuration names, by the key that names them: that may change, and no key with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named(BTreeMap<&'static str, [u8; 32]>);

const TOKENS: &str = "[admin] tokens";

impl Named {
    pub(crate) fn read(config: &Config) -> Self {
        let of_hook = |hook: &'_ Webhook| [Some(hook.secret_file.clone()), hook.ca_file.clone()];
        let hooks: Vec<_> = config.webhooks.iter().flat_map(of_hook).flatten().collect();
        let users = config.auth.iter().map(|auth| auth.users.clone()).collect();
        let tokens = config.admin.tokens.iter().cloned().collect();
        let all = [("[auth]", users), ("[[webhook]]", hooks), (TOKENS, tokens)];
        Self(all.into_iter().map(|(key, files)| (key, print_of(&files))).collect())
    }

    /// The keys whose files say something else now.
    pub(crate) fn changed(&self, new: &Self) -> impl Iterator<Item = &'static str> {
        new.0.iter().filter(|(key, print)| self.0.get(*key) != Some(print)).map(|(key, _)| *key)
    }

    /// Of the tokens file alone.
    pub(crate) fn tokens(&self) -> Option<&[u8; 32]> {
        self.0.get(TOKENS)
    }
}

/// A print: what they hold is secret, and need not be kept. One that cannot be read says nothing; whoever needs it says so.
fn print_of(files: &[PathBuf]) -> [u8; 32] {
    let mut print = Sha256::new();
    for file in files {
        print.update(Sha256::digest(std::fs::read(file).unwrap_or_default()));
    }
    print.finalize().into()
}

/// What counts once all that can be taken over is.
pub(crate) fn merged(old: &Config, new: Config) -> Config {
    let factories = if addresses(&old.factories) == addresses(&new.factories) {
        with_tenants_of(&old.factories, new.factories)
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

/// Who pays for each factory.
fn tenants_of(factories: &[Factory]) -> Vec<Option<&String>> {
    factories.iter().map(|factory| factory.tenant.as_ref()).collect()
}

/// These, but paid for as before: who pays is looked up in the tenants, which need a restart too.
fn with_tenants_of(old: &[Factory], mut new: Vec<Factory>) -> Vec<Factory> {
    for (new, old) in new.iter_mut().zip(old) {
        new.tenant.clone_from(&old.tenant);
    }
    new
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

    /// Who pays is not taken over while the server runs, so that must not be said.
    #[test]
    fn another_tenant_for_a_factory_needs_a_restart_and_its_rules_do_not() {
        let tenants = "[tenants.a]\n[tenants.b]\n";
        let old = read(&format!("[[factory]]\ntenant = \"a\"\n{tenants}"));
        let other = read(&format!("[[factory]]\ntenant = \"b\"\n{tenants}"));
        let both = read(&format!("[[factory]]\ntenant = \"b\"\nhold = \"5s\"\n{tenants}"));
        let restart = vec!["[[factory]] tenant"];
        let changed = Changed::between(&old, &other);
        assert_eq!((changed.applied, changed.needs_restart), (vec![], restart.clone()));
        let changed = Changed::between(&old, &both);
        assert_eq!((changed.applied, changed.needs_restart), (vec!["[[factory]]"], restart));
        let now = merged(&old, both);
        assert_eq!(now.factories[0].tenant, old.factories[0].tenant);
        assert_ne!(now.factories, old.factories);
    }

    #[test]
    fn what_has_changed_in_a_file_that_is_named_is_told_by_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("written");
        write("tokens", "a");
        let mut config = read("");
        config.admin.tokens = Some(path("tokens"));
        let before = Named::read(&config);
        assert_eq!(before.changed(&Named::read(&config)).count(), 0);
        write("tokens", "b");
        let after = Named::read(&config);
        assert_eq!(before.changed(&after).collect::<Vec<_>>(), ["[admin] tokens"]);
        assert_ne!(before.tokens(), after.tokens());
        let mut changed = Changed { applied: vec!["[admin] tokens"], ..Changed::default() };
        changed.note(before.changed(&after));
        assert_eq!(changed.applied, ["[admin] tokens"], "once");
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

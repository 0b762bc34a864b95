//! Other settings for a node that runs: nobody who is in notices, whoever comes next does.

use std::time::Duration;

use focus::DialRules;
use focus::factory::FactoryConfig;
use node::{Limits, OverloadConfig, Settings, SettingsError};

use crate::rig::{Caller, FACTORY, Rig, Setting};

fn settings(factory: FactoryConfig) -> Settings {
    Settings {
        factories: vec![factory],
        auth: None,
        dial_out: DialRules::default(),
        limits: Limits::default(),
        overload: OverloadConfig::default(),
    }
}

#[test]
fn a_factorys_rules_count_for_conferences_that_are_asked_for_later() {
    let mut rig = Rig::new();
    let usual = Setting::default().factory;
    let mut alice = Caller::new("alice", 1);
    let uri = rig.conference(&alice);
    assert_eq!(rig.used_and_held(), (0, 4));
    let other = FactoryConfig { expect: 7, hold: Duration::from_secs(5), ..usual.clone() };
    assert_eq!(rig.node.apply(settings(other)), Ok(()));
    rig.conference(&Caller::new("bob", 2));
    assert_eq!(rig.used_and_held(), (0, 11));
    rig.pass(Duration::from_secs(6));
    assert_eq!(rig.used_and_held(), (0, 4), "the newer hold was the shorter one");
    assert_eq!(rig.join(&mut alice, &uri).status.code(), 200);

    // Whose address is another, or none, is another factory.
    let moved = FactoryConfig { users: vec!["elsewhere".to_owned()], ..usual.clone() };
    assert_eq!(rig.node.apply(settings(moved)), Err(SettingsError::OtherFactories));
    let none = Settings { factories: vec![], ..settings(usual.clone()) };
    assert_eq!(rig.node.apply(none), Err(SettingsError::OtherFactories));
    let nobody = FactoryConfig { expect: 0, ..usual };
    assert!(matches!(rig.node.apply(settings(nobody)), Err(SettingsError::Factory(_))));
    rig.conference(&Caller::new("carol", 3));
    assert_eq!(rig.used_and_held(), (1, 3 + 7), "an error has changed nothing");
}

#[test]
fn limits_count_at_once() {
    let mut rig = Rig::new();
    let stranger = Caller::new("mallory", 9);
    let options = |rig: &mut Rig, cseq: u32| {
        let caller = Caller { cseq, ..stranger.clone() };
        let text = caller.request("OPTIONS", "sip:nobody@127.0.0.1:5060");
        !rig.receive(caller.address, &text).is_empty()
    };
    assert!((1..50).all(|cseq| options(&mut rig, cseq)));
    let limits = Limits { per_second: 1, burst: 1 };
    let narrow = Settings { limits, ..settings(Setting::default().factory) };
    assert_eq!(rig.node.apply(narrow), Ok(()));
    assert!((50..60).all(|cseq| !options(&mut rig, cseq)));
    assert_eq!(rig.ask(stranger.address, &stranger.invite(FACTORY)).status.code(), 302);
}

//! Who pays, and what he may have.

use node::{Refusal, TenantRules};
use pool::{TenantId, TenantTerms};
use sip::HeaderName;

use crate::rig::{Caller, FACTORY, Rig, Setting, header};

fn setting(rules: TenantRules) -> Setting {
    let acme =
        TenantTerms { name: "acme".to_owned(), quota: Some(6), reserved: 2, per_minute: Some(2) };
    let tenants = (vec![TenantTerms::default(), acme], rules);
    Setting { seats: 10, tenants, ..Setting::default() }
}

fn by_network(network: &str) -> TenantRules {
    let network = network.parse().expect("a network");
    TenantRules { networks: vec![(network, TenantId(1))], ..TenantRules::default() }
}

/// RFC 3261 §21.4.24: his own limit is 486, for there may be room for others; and the Warning says whose.
#[test]
fn tenant_over_its_quota_hears_486_and_whose_limit_it_is() {
    let mut rig = Rig::with(setting(by_network("127.0.0.0/8")));
    let alice = Caller::new("alice", 1);
    rig.conference(&alice);
    let bob = Caller::new("bob", 2);
    let response = rig.ask(bob.address, &bob.invite(FACTORY));
    assert_eq!(response.status.code(), 486);
    let warning = header(&response, &HeaderName::Warning).expect("a Warning");
    assert!(warning.contains("acme has 4 of its 6 seats") && warning.contains("its own limit"));
    assert_eq!(response.headers.retry_after().expect("well formed"), None);
    assert_eq!(rig.node.figures().tallies.refusals.of(Refusal::TenantFull), 1);
    let response = rig.ask(bob.address, &bob.invite(&format!("{FACTORY};seats=2")));
    assert_eq!(response.status.code(), 302);
}

#[test]
fn tenant_that_asks_too_fast_hears_when_to_try_again() {
    let mut rig = Rig::with(setting(by_network("127.0.0.0/8")));
    for number in 1..3 {
        let caller = Caller::new("caller", number);
        let text = caller.invite(&format!("{FACTORY};seats=1"));
        assert_eq!(rig.ask(caller.address, &text).status.code(), 302);
        assert_eq!(rig.ask(caller.address, &text).status.code(), 302, "a copy counts once");
    }
    let caller = Caller::new("caller", 3);
    let response = rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=1")));
    assert_eq!(response.status.code(), 486);
    assert!(response.headers.retry_after().expect("well formed").is_some());
    assert_eq!(rig.node.figures().tallies.refusals.of(Refusal::TenantRate), 1);
    rig.pass(std::time::Duration::from_secs(31));
    let response = rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=1")));
    assert_eq!(response.status.code(), 302);
}

#[test]
fn room_reserved_for_a_tenant_is_refused_to_others_with_480() {
    let mut rig = Rig::with(setting(by_network("192.0.2.0/24")));
    let alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(&format!("{FACTORY};seats=9")));
    assert_eq!(response.status.code(), 480);
    let warning = header(&response, &HeaderName::Warning).expect("a Warning");
    assert!(warning.contains("8 seats are free"), "{warning}");
}

/// The factory's tenant pays where neither user nor network says otherwise.
#[test]
fn factory_names_who_pays() {
    let rules = TenantRules { factories: vec![Some(TenantId(1))], ..TenantRules::default() };
    let mut rig = Rig::with(setting(rules));
    rig.conference(&Caller::new("alice", 1));
    assert_eq!(rig.node.holds(rig.now)[0].tenant, "acme");
    let mut rig = Rig::with(setting(TenantRules::default()));
    rig.conference(&Caller::new("alice", 1));
    assert_eq!(rig.node.holds(rig.now)[0].tenant, "");
}

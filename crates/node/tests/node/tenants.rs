//! Who pays, and what he may have.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use node::{
    Asker, ConferenceView, ExplainQuery, ExplainedState, NewConference, Notice, Refusal,
    ReserveError, ReserveRequest, SteerError, TenantRules,
};
use pool::{TenantId, TenantTerms};
use sip::HeaderName;
use units::UnixTime;

use crate::reserving::{later, reserve};
use crate::rig::{Caller, FACTORY, Rig, Setting, contact, header};

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
    let mut alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    rig.prove(&mut alice, FACTORY, &response);
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
        let mut caller = Caller::new("caller", number);
        let uri = format!("{FACTORY};seats=1");
        let text = caller.invite(&uri);
        let response = rig.ask(caller.address, &text);
        assert_eq!(response.status.code(), 302);
        rig.prove(&mut caller, &uri, &response);
        assert_eq!(rig.ask(caller.address, &text).status.code(), 302, "a copy counts once");
    }
    let caller = Caller::new("caller", 3);
    let response = rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=1")));
    assert_eq!(response.status.code(), 486);
    assert!(response.headers.retry_after().expect("well formed").is_some());
    assert_eq!(rig.node.figures().tallies.refusals.of(Refusal::TenantRate), 1);
    rig.pass(Duration::from_secs(31));
    let response = rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats=1")));
    assert_eq!(response.status.code(), 302);
}

/// T58 · Forged addresses of a tenant's network ask, prove nothing and never join: who belongs to it gets his conference, with all
/// that joins beyond its promise, and the tenant's rate is for those who do.
#[test]
fn forged_askers_take_neither_quota_nor_rate_from_a_tenant() {
    let mut setting = setting(by_network("127.0.0.0/8"));
    setting.seats = 100;
    let mut rig = Rig::with(setting);
    let forged = |rig: &mut Rig, first: u16| {
        for number in first..first + 40 {
            let nobody = Caller {
                address: SocketAddr::from((
                    [127, 1, 0, u8::try_from(number).expect("small")],
                    5060,
                )),
                ..Caller::new("nobody", number)
            };
            let status = rig.ask(nobody.address, &nobody.invite(FACTORY)).status.code();
            assert_eq!(status, 302, "{number}");
        }
    };
    forged(&mut rig, 100);
    let mut alice = Caller::new("alice", 1);
    let response = rig.ask(alice.address, &alice.invite(FACTORY));
    forged(&mut rig, 150);
    rig.prove(&mut alice, FACTORY, &response);
    let uri = contact(&response);
    for (number, name) in ["alice", "bob", "carol", "dave", "erin"].into_iter().enumerate() {
        let mut caller = Caller::new(name, 20 + u16::try_from(number).expect("small"));
        assert_eq!(rig.join(&mut caller, &uri).status.code(), 200, "{name}");
    }
    let mut frank = Caller::new("frank", 3);
    let one = format!("{FACTORY};seats=1");
    let response = rig.ask(frank.address, &frank.invite(&one));
    assert_eq!(response.status.code(), 302, "the rate is two, and one was made");
    rig.prove(&mut frank, &one, &response);
    assert_eq!(rig.used_and_held(), (5, 1));
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
    assert_eq!(rig.node.holds()[0].tenant, "acme");
    let mut rig = Rig::with(setting(TenantRules::default()));
    rig.conference(&Caller::new("alice", 1));
    assert_eq!(rig.node.holds()[0].tenant, "");
}

/// What a tenant reserved and what it took meanwhile are one room: together they are never more than its quota.
#[test]
fn quota_is_for_reserved_and_other_room_together() {
    let mut setting = setting(by_network("127.0.0.0/8"));
    setting.seats = 40;
    setting.tenants.0[1] =
        TenantTerms { name: "acme".to_owned(), quota: Some(6), ..TenantTerms::default() };
    let mut rig = Rig::with(setting).with_disk(BTreeMap::new());
    let reserve_for = |rig: &mut Rig, legs| {
        reserve(rig, ReserveRequest { tenant: Some("acme".to_owned()), ..later(legs) })
    };
    let uri = reserve_for(&mut rig, 4).expect("within the quota");
    assert!(matches!(reserve_for(&mut rig, 3), Err(ReserveError::TenantFull { has: 4, .. })));
    // Until its time comes the quota is for others.
    let ask = |rig: &mut Rig, number, seats| {
        let caller = Caller::new("caller", number);
        rig.ask(caller.address, &caller.invite(&format!("{FACTORY};seats={seats}"))).status.code()
    };
    let mut alice = Caller::new("alice", 1);
    let running = rig.conference(&alice);
    assert_eq!(rig.join(&mut alice, &running).status.code(), 200);
    assert_eq!(ask(&mut rig, 2, 3), 486, "four and three are more than six");
    rig.pass(Duration::from_secs(46 * 60));
    // Four promised to who runs, so two of the four that were reserved; and no seat for anybody else.
    assert_eq!(rig.used_and_held(), (1, 3 + 2));
    assert_eq!(rig.node.reservations(rig.now)[0].missing, 2);
    assert_eq!(ask(&mut rig, 3, 1), 486);
    let now = rig.wall_now();
    let at_once = ReserveRequest {
        tenant: Some("acme".to_owned()),
        from: now,
        until: UnixTime(now.0 + 600),
        ..later(1)
    };
    assert!(matches!(reserve(&mut rig, at_once), Err(ReserveError::TenantFull { .. })));
    let mut bob = Caller::new("bob", 4);
    assert_eq!(rig.join(&mut bob, &uri).status.code(), 200);
    rig.leave(&mut alice, &running);
    assert_eq!(rig.used_and_held(), (1, 3), "the rest of the reservation is there");
    assert_eq!(rig.node.reservations(rig.now)[0].missing, 0);
    assert_eq!((ask(&mut rig, 5, 3), ask(&mut rig, 6, 2)), (486, 302));
    rig.leave(&mut bob, &uri);
    let pays = |record: &node::Record| match record {
        node::Record::Conference(record) => Some(record.tenant.clone()),
        node::Record::Leg(_) => None,
    };
    let pays: Vec<String> = rig.records.iter().filter_map(pays).collect();
    assert_eq!(pays, ["acme", "acme"], "and the books say who pays");
}

fn create(rig: &mut Rig, seats: u32, tenant: Option<&str>) -> Result<ConferenceView, SteerError> {
    let tenant = tenant.map(str::to_owned);
    let new = NewConference { seats: Some(seats), tenant, ..NewConference::default() };
    let asker = Asker { name: "ops".to_owned(), key: None };
    rig.steer(|node, now| node.create_conference(now, &new, &asker)).0
}

/// Who asks by HTTP names who pays; quota, reserved share and rate are the same as for callers.
#[test]
fn administrator_names_who_pays_and_the_tenants_limits_count() {
    let mut rig = Rig::with(setting(TenantRules::default()));
    let refused = create(&mut rig, 1, Some("acne")).expect_err("nobody");
    assert_eq!(refused, SteerError::NoTenant("acne".to_owned()));
    assert!(refused.to_string().contains("name one of [tenants]"), "{refused}");
    assert_eq!(create(&mut rig, 1, Some("")), Err(SteerError::NoTenant(String::new())));
    // Two of the ten seats are acme's: nobody's conference of nine does not fit, acme's of six does.
    assert!(matches!(create(&mut rig, 9, None), Err(SteerError::Refused(_))));
    let over = create(&mut rig, 7, Some("acme")).expect_err("above its quota").to_string();
    assert!(over.contains("acme has 0 of its 6 seats") && over.contains("its own limit"), "{over}");
    assert_eq!(rig.used_and_held(), (0, 0), "no refusal holds anything");
    let made = create(&mut rig, 4, Some("acme")).expect("within its quota");
    assert_eq!((made.tenant.as_deref(), made.seats), (Some("acme"), 4));
    assert_eq!(rig.node.holds()[0].tenant, "acme");
    assert_eq!(create(&mut rig, 1, None).expect("nobody's").tenant, None);
    assert!(create(&mut rig, 2, Some("acme")).is_ok());
    let fast = create(&mut rig, 1, Some("acme")).expect_err("full, and the third in a minute");
    assert!(matches!(fast, SteerError::Refused(_)), "{fast}");
    assert!(matches!(rig.notices.last(), Some(Notice::Refused { status: 486, .. })));

    // Both what was given and what was not is explained as the tenant's.
    let explained = rig.node.explain(rig.now, &ExplainQuery::Recent).expect("of late");
    let of = |state, tenant: &str| {
        explained.decisions.iter().filter(|it| it.state == state && it.tenant == tenant).count()
    };
    assert_eq!((of(ExplainedState::Held, "acme"), of(ExplainedState::Held, "")), (2, 1));
    assert_eq!((of(ExplainedState::Refused, "acme"), of(ExplainedState::Refused, "")), (2, 1));
    // Or of that tenant alone.
    let acmes = ExplainQuery::OfTenant("acme".to_owned());
    let acmes = rig.node.explain(rig.now, &acmes).expect("of late").decisions;
    assert_eq!((acmes.len(), acmes.iter().all(|it| it.tenant == "acme")), (4, true));
    assert!(rig.node.explain(rig.now, &ExplainQuery::OfTenant("acne".to_owned())).is_err());
}

#[test]
fn administrator_asks_too_fast_for_a_tenant() {
    let mut rig = Rig::with(setting(TenantRules::default()));
    for _ in 0..2 {
        create(&mut rig, 1, Some("acme")).expect("as fast as it may");
    }
    let fast = create(&mut rig, 1, Some("acme")).expect_err("too fast").to_string();
    assert!(fast.contains("acme") && fast.contains('2'), "{fast}");
    assert!(create(&mut rig, 1, None).is_ok(), "others may");
    rig.pass(Duration::from_secs(31));
    assert!(create(&mut rig, 1, Some("acme")).is_ok());
}

/// Where nobody is named the factory's tenant pays, and a restart makes no gift of it.
#[test]
fn who_pays_for_what_an_administrator_made_is_the_same_after_a_restart() {
    let rules = TenantRules { factories: vec![Some(TenantId(1))], ..TenantRules::default() };
    let mut rig = Rig::with(setting(rules.clone())).with_disk(BTreeMap::new());
    let made = create(&mut rig, 3, None).expect("made");
    assert_eq!(made.tenant.as_deref(), Some("acme"));
    let mut rig = rig.killed(Duration::from_secs(3), setting(rules));
    let mut alice = Caller::new("alice", 1);
    assert_eq!(rig.join(&mut alice, &made.uri).status.code(), 200);
    let shown = rig.node.conference(rig.now, made.id).expect("there");
    assert_eq!(shown.tenant.as_deref(), Some("acme"));
}

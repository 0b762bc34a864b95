//! One line per mistake, and defaults that are what the help says.

use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml("convoke.toml", text, &Flags::default())
}

fn error(text: &str) -> String {
    read(text).expect_err("this configuration is wrong").to_string()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a good address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn host(text: &str) -> Host {
    text.parse().expect("a good host")
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = read("").expect("defaults are right");
    assert_eq!(Ok(&config), Config::from_flags(&Flags::default()).as_ref());
    assert_eq!(config.sip[0].bind, address("127.0.0.1:5060"));
    assert_eq!(config.media[0].bind, ip("127.0.0.1"));
    assert_eq!(config.media[0].advertise, ip("127.0.0.1"));
    assert_eq!(config.media[0].ports.to_string(), "20000-29999");
    assert_eq!(config.media[0].ports.count(), 10_000);
    assert_eq!(config.factories, [Factory::default()]);
    assert_eq!(config.admin.bind, address("127.0.0.1:5080"));
    assert_eq!(config.access, AllowList::Everybody);
    assert_eq!((config.capacity, config.heard), (None, 3));
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        [sip]
        nat = "off"
        [dns]
        servers = ["127.0.0.1:53"]
        [[sip.listen]]
        bind = "0.0.0.0:5070"
        advertise = "mix.example.com:5060"
        [[sip.listen]]
        bind = "127.0.0.1:0"

        [[media.listen]]
        bind = "0.0.0.0"
        advertise = "203.0.113.5"
        ports = "30000-30999"

        [[factory]]
        users = ["conference", "8000"]
        hosts = ["example.com", "192.0.2.1"]
        answer = "deliver"
        hold = "90s"
        expect = 10
        end = "creator-leaves"
        max = 20
        max_time = "90m"
        pin = "471147"
        moderator_pin = "80047"
        lobby = true
        [[factory.answer_rule]]
        user_agent = "Grand*"
        source = "10.0.0.0/8"
        transport = "TCP"
        answer = "redirect"
        [[factory.answer_rule]]
        transport = "udp"
        answer = "deliver"

        [media]
        heard = 5

        [admin]
        bind = "127.0.0.1:0"
        [pool]
        capacity = 100
        [access]
        allow = ["127.0.0.0/8", "192.0.2.0/24"]
        "#,
    )
    .expect("a good file");
    assert_eq!(config.sip[0].advertise.over(config.sip[0].bind), (host("mix.example.com"), 5060));
    assert_eq!(config.sip[1].advertise.over(address("127.0.0.1:9")), (host("127.0.0.1"), 9));
    assert_eq!((config.nat, &config.dns[..]), (Nat::Off, &[address("127.0.0.1:53")][..]));
    assert_eq!(config.media[0].advertise, ip("203.0.113.5"));
    assert_eq!(config.media[0].ports, PortRange { first: 30_000, last: 30_999 });
    let [factory] = config.factories.as_slice() else { panic!("one factory") };
    assert_eq!(factory.users, ["conference", "8000"]);
    assert_eq!(factory.hosts, [host("example.com"), host("192.0.2.1")]);
    assert_eq!((factory.answer, factory.end), (Answer::Deliver, End::CreatorLeaves));
    assert_eq!((factory.hold, factory.expect), (Duration::from_secs(90), 10));
    let rules: Vec<(String, AnswerForm)> =
        factory.answer_rules.iter().map(|rule| (rule.to_string(), rule.answer)).collect();
    let all = "user_agent = \"grand*\", source = \"10.0.0.0/8\", transport = \"tcp\"".to_owned();
    let udp = "transport = \"udp\"".to_owned();
    assert_eq!(rules, [(all, AnswerForm::Redirect), (udp, AnswerForm::Deliver)]);
    let pin = |text: &str| Some(text.parse().expect("a PIN"));
    let entry = EntryRules { pin: pin("471147"), moderator_pin: pin("80047"), lobby: true };
    assert_eq!(factory.entry, entry);
    assert_eq!((factory.max, factory.max_time), (Some(20), Some(Duration::from_secs(5_400))));
    assert_eq!((config.admin.bind.port(), config.capacity), (0, Some(100)));
    assert_eq!(config.heard, 5);
    assert!(config.access.allows("192.0.2.77".parse().expect("an address")));
    assert!(!config.access.allows("198.51.100.1".parse().expect("an address")));
}

/// The whole line that a person sees, for every kind of mistake.
#[test]
fn a_bad_file_is_told_in_one_line_with_its_number() {
    for (text, line) in MISTAKES {
        assert_eq!(error(text), *line, "for {text:?}");
    }
}

const MISTAKES: &[(&str, &str)] = &[
    (
        "[[factory]]\n[[factory.answer_rule]]\nanswer = \"deliver\"",
        "convoke.toml:2: this rule fits everybody: name user_agent, source or transport, or write answer under [[factory]] itself",
    ),
    (
        "[[factory]]\n[[factory.answer_rule]]\ntransport = \"tls\"\nsource = \"10.0.0.0/8\"\nanswer = \"deliver\"",
        r#"convoke.toml:3: "tls" is no transport: write "udp" or "tcp""#,
    ),
    (
        "[[factory]]\n[[factory.answer_rule]]\nuser_agent = \"\"\ntransport = \"tcp\"\nanswer = \"deliver\"",
        r#"convoke.toml:3: "" is no pattern: write 1 to 128 characters, as in "AudioCodes*""#,
    ),
    (
        "[[factory]]\n[[factory.answer_rule]]\nsource = \"10.0.0.1/8\"\ntransport = \"tcp\"\nanswer = \"deliver\"",
        r#"convoke.toml:3: "10.0.0.1/8" names a host inside a network: write 10.0.0.0/8"#,
    ),
    (
        "[[factory]]\n[[factory.answer_rule]]\ntransport = \"udp\"",
        "convoke.toml:2: missing key `answer`",
    ),
    ("[sip]\nnat = \"on\"", "convoke.toml:2: unknown value `on`, expected `auto` or `off`"),
    ("[sip]\nlisten = 5", r#"convoke.toml:2: invalid type: integer `5`, expected a sequence"#),
    (
        "[[sip.listen]]\nbind = \"x\"",
        r#"convoke.toml:2: "x" is no address with a port: write 127.0.0.1:5060"#,
    ),
    (
        "[[sip.listen]]\nbnd = \"x\"",
        "convoke.toml:2: unknown key `bnd`, expected `bind` or `advertise`",
    ),
    ("[[sip.listen]]\nadvertise = \"h\"", "convoke.toml:1: missing key `bind`"),
    (
        "[[sip.listen]]\nbind = \"127.0.0.1:1\"\nadvertise = \"a b\"",
        r#"convoke.toml:3: "a b" is no host or host:port: write mix.example.com or 203.0.113.5:5060"#,
    ),
    (
        "[access]\nallow = [\"127.0.0.0/8\"]\n[[sip.listen]]\nbind = \"0.0.0.0:5060\"",
        "convoke.toml:4: 0.0.0.0 says nothing about how others reach us: bind one address, or add advertise = \"HOST\" in the --config file",
    ),
    (
        "[[sip.listen]]\nbind = \"192.0.2.1:5060\"",
        "convoke.toml:2: others can reach 192.0.2.1:5060, and anybody could make conferences: in the --config file ask who calls by [auth] (convoke help user), or name your networks by [access] allow = [\"192.0.2.0/24\"]; or pass --open to let everybody in",
    ),
    (
        "[[sip.listen]]\nbind = \"127.0.0.1:7\"\n[[sip.listen]]\nbind = \"127.0.0.1:7\"",
        "convoke.toml:4: 127.0.0.1:7 is bound twice",
    ),
    (
        "[[media.listen]]\nbind = \"host\"",
        r#"convoke.toml:2: "host" is no address: write 127.0.0.1"#,
    ),
    (
        "[[media.listen]]\nports = \"9-8\"",
        r#"convoke.toml:2: "9-8" is no port range: write two ports, the lower first, as in 20000-29999"#,
    ),
    (
        "[[media.listen]]\nadvertise = \"2001:db8::1\"",
        "convoke.toml:2: 2001:db8::1 is not of the family of 127.0.0.1: what is sent to one cannot come to the other",
    ),
    (
        "[[media.listen]]\n[[media.listen]]",
        "convoke.toml:2: 127.0.0.1 is the second address of its family: there may be one [[media.listen]] for IPv4 and one for IPv6",
    ),
    (
        "\n[[factory]]\nuser = [\"a\"]",
        "convoke.toml:3: unknown key `user`, expected one of `users`, `hosts`, `answer`, `answer_rule`, `hold`, `expect`, `end`, `max`, `max_time`, `pin`, `moderator_pin`, `lobby`, `tenant`",
    ),
    (
        "[[factory]]\nusers = []",
        "convoke.toml:2: users is empty: name at least one, as in users = [\"conference\"]",
    ),
    (
        "[[factory]]\n[[factory]]\nusers = [\"a\", \"conference\"]",
        "convoke.toml:3: user \"conference\" is named twice: one address makes one kind of conference",
    ),
    (
        "[[factory]]\nhosts = [\"a.example:5060\"]",
        r#"convoke.toml:2: "a.example:5060" is no host: write example.com, without a port"#,
    ),
    (
        "[[factory]]\nanswer = \"relay\"",
        "convoke.toml:2: unknown value `relay`, expected `redirect` or `deliver`",
    ),
    (
        "[[factory]]\nhold = \"60\"",
        r#"convoke.toml:2: "60" is no duration: write a number and ms, s, m or h, as in 60s"#,
    ),
    (
        "[[factory]]\nhold = \"2h\"",
        "convoke.toml:2: hold in milliseconds must be 100 to 3600000, found 7200000",
    ),
    ("[[factory]]\nhold = 60", "convoke.toml:2: invalid type: integer `60`, expected a string"),
    ("[[factory]]\nexpect = 0", "convoke.toml:2: expect must be 1 to 30000, found 0"),
    (
        "[[factory]]\nmax = 3\nexpect = 4",
        "convoke.toml:3: expect = 4 is more than max = 3: no conference could be that large",
    ),
    (
        "[[factory]]\nend = \"never\"",
        "convoke.toml:2: unknown value `never`, expected `last-leaves` or `creator-leaves`",
    ),
    (
        "[admin]\nbind = \"192.0.2.1:80\"",
        "convoke.toml:2: others can reach the admin interface at 192.0.2.1:80: make tokens with `convoke token add NAME --role admin --tokens FILE` and name the file as tokens under [admin], or use 127.0.0.1",
    ),
    ("[media]\nheard = 0", "convoke.toml:2: heard must be 1 to 16, found 0"),
    ("[pool]\ncapacity = 99999", "convoke.toml:2: capacity must be 1 to 30000, found 99999"),
    (
        "[access]\nallow = [\"10.0.0.1/8\"]",
        r#"convoke.toml:2: "10.0.0.1/8" names a host inside a network: write 10.0.0.0/8"#,
    ),
    (
        "\n[access]\nallow = []",
        "convoke.toml:3: allow is empty, so nobody could call: name networks, as in allow = [\"127.0.0.0/8\"]",
    ),
    (
        "[[factory]]\nusers = [\"a\", \"b c\"]",
        "convoke.toml:2: user \"b c\" cannot stand in a SIP URI: write letters, digits, `-` and `_`, anything else as in %20",
    ),
    (
        "[[factory]]\nusers = [\"\"]",
        "convoke.toml:2: user \"\" cannot stand in a SIP URI: write letters, digits, `-` and `_`, anything else as in %20",
    ),
    (
        "[[factory]]\nexpect = 10\n[pool]\ncapacity = 9",
        "convoke.toml:2: expect = 10 is more than there is room for, 9: every caller would be refused",
    ),
    (
        "[[media.listen]]\nports = \"4000-4005\"\n[pool]\ncapacity = 4",
        "convoke.toml:4: capacity = 4 is more than the 3 legs that ports 4000-4005 are enough for: each takes an even port and the next",
    ),
    ("[factory]", "convoke.toml:1: there may be several: write two brackets, as in [[factory]]"),
    ("pool = 3", "convoke.toml:1: invalid type: integer `3`, expected a table"),
    (
        "[pool]\ncapacity = \"9\"",
        "convoke.toml:2: invalid type: string \"9\", expected a whole number",
    ),
    (
        "[access]",
        "convoke.toml:1: allow is empty, so nobody could call: name networks, as in allow = [\"127.0.0.0/8\"]",
    ),
    ("\n[auth]\nusers = \"u\"", "convoke.toml:2: missing key `realm`"),
    ("[auth]\nrealm = \"r\"", "convoke.toml:1: missing key `users`"),
    (
        "[auth]\nusers = \"u\"\nrealm = \"a b\"",
        "convoke.toml:3: a realm has 1 to 128 characters, none of them a space, `:`, `\"` or `\\`: write realm = \"example.com\", the one that the users were added for",
    ),
    (
        "[auth]\nrealm = \"r\"\nusers = \"\"",
        "convoke.toml:3: users is empty: name the file that `convoke user add` made",
    ),
    (
        "[auth]\nrealm = \"r\"\nusers = \"u\"\nmd5 = \"yes\"",
        "convoke.toml:4: invalid value: string \"yes\", expected true, false or \"only\"",
    ),
    (
        "[auth]\nrealm = \"r\"\nusers = \"u\"\njoin = \"closed\"",
        "convoke.toml:4: unknown value `closed`, expected `open` or `required`",
    ),
    (
        "[auth]\nrealm = \"r\"\nusers = \"u\"\npassword = \"x\"",
        "convoke.toml:4: unknown key `password`, expected one of `realm`, `users`, `md5`, `factory`, `join`, `subscribe`",
    ),
    ("pool = {capacity = 1", "convoke.toml:1: unclosed inline table, expected `}`"),
    (
        "[cluster]",
        "convoke.toml:1: unknown key `cluster`, expected one of `sip`, `media`, `factory`, `tenants`, `state`, `admin`, `pool`, `access`, `dns`, `auth`, `dial_out`, `limits`, `overload`, `records`, `trace`, `webhook`, `debug`",
    ),
];

/// Each family has an address of its own, by default that of its SIP.
#[test]
fn ipv6_stands_beside_ipv4() {
    let text = "[[sip.listen]]\nbind = \"127.0.0.1:1\"\n[[sip.listen]]\nbind = \"[::1]:1\"\n\
                [[sip.listen]]\nbind = \"[::1]:2\"";
    let config = read(text).expect("good");
    assert_eq!(config.sip[1].advertise.over(address("[::1]:1")), (host("[::1]"), 1));
    let media: Vec<_> = config.media.iter().map(|listen| listen.bind).collect();
    assert_eq!(media, [ip("127.0.0.1"), ip("::1")]);
    let text = "[[media.listen]]\nbind = \"::1\"\n[[media.listen]]\nports = \"4000-4001\"\n";
    let config = read(text).expect("good");
    let listens = config.media.iter();
    let media: Vec<_> = listens.map(|listen| (listen.bind, listen.ports.count())).collect();
    assert_eq!(media, [(ip("::1"), 10_000), (ip("127.0.0.1"), 2)]);
    let flags = Flags { sip: Some(address("[::1]:0")), ..Flags::default() };
    assert_eq!(Config::from_flags(&flags).expect("good").media[0].bind, ip("::1"));
}

#[test]
fn flags_win_over_the_file() {
    let text = "[[sip.listen]]\nbind = \"127.0.0.1:1\"\n[[sip.listen]]\nbind = \"127.0.0.1:2\"\n\
                [[media.listen]]\nbind = \"127.0.0.2\"\nadvertise = \"203.0.113.5\"\n\
                [admin]\nbind = \"127.0.0.1:3\"\n";
    let flags = Flags {
        sip: Some(address("127.0.0.1:9")),
        media_ip: Some(ip("127.0.0.3")),
        rtp_ports: Some(PortRange { first: 4_000, last: 4_001 }),
        admin: Some(address("127.0.0.1:0")),
        admin_tokens: None,
        admin_open: false,
        records: Some("-".into()),
        pcap: Some("flag.pcap".into()),
        open: false,
        lab_registrar: false,
        state_dir: Some("state".into()),
    };
    let text = format!("{text}[records]\nfile = \"x\"\n[trace]\npcap = \"file.pcap\"\n");
    let config = Config::from_toml("convoke.toml", &text, &flags).expect("good");
    assert_eq!(config.records, Some(RecordsTo::Stdout));
    assert_eq!(config.pcap, Some("flag.pcap".into()));
    assert_eq!(config.state_dir, Some("state".into()));
    assert_eq!(config.sip.iter().map(|listen| listen.bind.port()).collect::<Vec<_>>(), [9]);
    assert_eq!(config.media[0].bind, ip("127.0.0.3"));
    assert_eq!(config.media[0].advertise, config.media[0].bind);
    assert_eq!(config.media[0].ports.count(), 2);
    assert_eq!(config.admin.bind.port(), 0);
}

#[test]
fn files_are_named_from_where_the_configuration_is() {
    let text = "[records]\nfile = \"calls.jsonl\"\n[trace]\npcap = \"/tmp/x.pcap\"\n";
    let config = Config::from_toml("/etc/convoke/c.toml", text, &Flags::default()).expect("good");
    assert_eq!(config.records, Some(RecordsTo::File("/etc/convoke/calls.jsonl".into())));
    assert_eq!(config.pcap, Some("/tmp/x.pcap".into()));
    let stdout = "[records]\nfile = \"-\"\n";
    let config = Config::from_toml("/etc/convoke/c.toml", stdout, &Flags::default()).expect("good");
    assert_eq!((config.records, config.pcap), (Some(RecordsTo::Stdout), None));
}

/// Architecture §9.9.
#[test]
fn a_non_loopback_bind_needs_an_allow_list_or_open() {
    let sip = Some(address("192.0.2.1:5060"));
    let closed = Flags { sip, ..Flags::default() };
    let refused = Config::from_flags(&closed).expect_err("no allow list");
    assert_eq!(refused.problem, Problem::OpenToOthers(address("192.0.2.1:5060")));
    assert_eq!(refused.place, None);

    let open = Config::from_flags(&Flags { open: true, ..closed.clone() }).expect("--open");
    assert_eq!(open.access, AllowList::Everybody);
    assert_eq!(open.media[0].bind, ip("192.0.2.1"));

    let listed = "[access]\nallow = [\"192.0.2.0/24\"]";
    let listed = Config::from_toml("c", listed, &closed).expect("an allow list");
    assert!(!listed.access.allows("127.0.0.1".parse().expect("an address")));

    let media = Flags { media_ip: Some(ip("192.0.2.1")), ..Flags::default() };
    let refused = Config::from_flags(&media).expect_err("media is reachable too");
    assert!(matches!(refused.problem, Problem::OpenToOthers(_)));
}

/// A stranger can make nothing where making needs a user. Where it does not, `[auth]` is no door.
#[test]
fn a_non_loopback_bind_needs_no_more_than_users() {
    let closed = Flags { sip: Some(address("192.0.2.1:5060")), ..Flags::default() };
    let auth = "[auth]\nrealm = \"example.com\"\nusers = \"users\"\n";
    let config = Config::from_toml("/etc/convoke/c.toml", auth, &closed).expect("users");
    let expected = Auth {
        realm: "example.com".to_owned(),
        users: "/etc/convoke/users".into(),
        md5: Md5::No,
        factory: Entry::Required,
        join: Entry::Open,
        subscribe: Entry::Required,
    };
    assert_eq!((config.auth, config.access), (Some(expected), AllowList::Everybody));

    let open = format!(
        "{auth}md5 = true\nfactory = \"open\"\njoin = \"required\"\nsubscribe = \"open\"\n"
    );
    let refused = Config::from_toml("c", &open, &closed).expect_err("everybody makes conferences");
    assert!(matches!(refused.problem, Problem::OpenToOthers(_)));
    let config = Config::from_toml("c", &open, &Flags { open: true, ..closed }).expect("--open");
    let auth = config.auth.expect("users");
    assert_eq!(auth.md5, Md5::Also);
    assert_eq!(
        (auth.factory, auth.join, auth.subscribe),
        (Entry::Open, Entry::Required, Entry::Open)
    );
}

#[test]
fn md5_may_be_all_that_is_offered() {
    let config = read("[auth]\nrealm = \"r\"\nusers = \"u\"\nmd5 = \"only\"").expect("good");
    assert_eq!(config.auth.expect("users").md5, Md5::Only);
}

#[test]
fn small_conferences_expect_no_more_than_their_maximum() {
    let config = read("[[factory]]\nmax = 2").expect("good");
    assert_eq!((config.factories[0].expect, config.factories[0].max), (2, Some(2)));
}

/// Else a server with few ports would refuse whoever does not say how many will come.
#[test]
fn no_more_is_expected_by_default_than_there_is_room_for() {
    let config = read("[pool]\ncapacity = 3\n[[factory]]").expect("good");
    assert_eq!(config.factories[0].expect, 3);
    let config = read("[[media.listen]]\nports = \"4001-4005\"").expect("good");
    assert_eq!(config.factories[0].expect, 2);
}

#[test]
fn every_pair_of_ports_is_enough_for_a_leg() {
    let legs = |first, last| PortRange { first, last }.legs();
    assert_eq!((legs(4_000, 4_000), legs(4_001, 4_001), legs(4_001, 4_002)), (0, 0, 0));
    assert_eq!((legs(4_000, 4_003), legs(4_001, 4_004), legs(1, u16::MAX)), (2, 1, 32_767));
    assert_eq!((legs(4_000, 4_001), legs(4_001, 4_005)), (1, 2));
}

#[test]
fn durations_have_units() {
    assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_duration("20s"), Ok(Duration::from_secs(20)));
    assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
    assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7_200)));
    for bad in ["", "s", "20", "20 s", "-1s", "1.5s", "99999999999999999999s", "20sec"] {
        assert_eq!(parse_duration(bad), Err(ValueError::NotADuration), "{bad:?}");
    }
}

/// T31: whom a conference may call is written down, or it calls nobody.
#[test]
fn whom_conferences_may_call_is_written_down() {
    let nobody = read("").expect("defaults are right").dial_out;
    assert_eq!((nobody.allow.len(), nobody.refers_per_minute), (0, 60));
    let text =
        "[dial_out]\nallow = [\"sip:*@example.com\", \"192.0.2.0/24\"]\nrefers_per_minute = 5\n";
    let some = read(text).expect("a good table").dial_out;
    let allows = |target: &str| some.allows(&target.parse().expect("a good URI"));
    assert!(allows("sip:bob@example.com") && allows("sip:bob@192.0.2.9"));
    assert!(!allows("sip:bob@example.org"));
    assert_eq!(some.refers_per_minute, 5);
    for (text, told) in [
        ("[dial_out]\nallow = [\"*\"]\n", "sip:*@example.com"),
        ("[dial_out]\nallow = [\"10.0.0.5/8\"]\n", "write 10.0.0.0/8"),
        ("[dial_out]\nrefers_per_minute = 0\n", "refers_per_minute"),
    ] {
        let error = error(text);
        assert!(error.contains(told) && error.contains("convoke.toml:2"), "{error}");
    }
}

/// T22
#[test]
fn limits_for_scanners_have_defaults_and_bounds() {
    let usual = read("").expect("defaults are right").limits;
    assert_eq!((usual.per_second, usual.burst), (10, 100));
    let text = "[limits]\nper_second = 1\nburst = 7\n";
    let some = read(text).expect("a good table").limits;
    assert_eq!((some.per_second, some.burst), (1, 7));
    let error = read("[limits]\nburst = 0\n").expect_err("nobody would learn of a wrong number");
    assert!(error.to_string().contains("burst"), "{error}");
}

#[test]
fn overload_control_has_defaults_and_bounds() {
    let usual = read("").expect("defaults are right").overload;
    assert_eq!((usual.target.as_millis(), usual.per_second), (10, None));
    let text = "[overload]\ntarget = \"25ms\"\nper_second = 200\n";
    let some = read(text).expect("a good table").overload;
    assert_eq!((some.target.as_millis(), some.per_second), (25, Some(200)));
    for (text, told) in [("target = \"61ms\"", "target"), ("per_second = 0", "per_second")] {
        let error = error(&format!("[overload]\n{text}\n"));
        assert!(error.contains(told) && error.contains("convoke.toml:2"), "{error}");
    }
}

#[test]
fn the_admin_interface_is_elsewhere_only_with_tokens() {
    let text = "[admin]\nbind = \"192.0.2.1:80\"\ntokens = \"tokens\"\n";
    let admin = read(text).expect("with tokens").admin;
    assert_eq!((admin.bind, admin.is_open), (address("192.0.2.1:80"), false));
    assert!(admin.tokens.expect("a file").ends_with("tokens"));
    let error = error("[admin]\nbind = \"192.0.2.1:80\"\ntokens = \"t\"\nopen = true\n");
    assert!(error.starts_with("convoke.toml:4: open lets everybody do everything"), "{error}");
    assert!(read("[admin]\nopen = true\n").expect("on loopback").admin.is_open);
    let usual = read("").expect("defaults").admin;
    assert_eq!((usual.tokens, usual.is_open), (None, false));
    let flags = Flags { admin_open: true, ..Flags::default() };
    assert!(Config::from_flags(&flags).expect("on loopback").admin.is_open);
}

/// Keys with values that may stand together, for files made by chance.
const LINES: [(&str, &[&str]); 16] = [
    ("[sip]", &["nat = \"off\"", "dscp = 7", "lab_registrar = true"]),
    ("[[sip.listen]]", &["bind = \"127.0.0.1:5070\"", "advertise = \"[2001:db8::1]:5070\""]),
    ("[[sip.listen]]", &["bind = \"[::1]:0\"", "advertise = \"mix.example.com\""]),
    ("[media]", &["heard = 7", "dscp = 0", "mixers = 3"]),
    (
        "[[media.listen]]",
        &["bind = \"127.0.0.1\"", "advertise = \"203.0.113.5\"", "ports = \"20001-20999\""],
    ),
    (
        "[[factory]]",
        &[
            "hold = \"1500ms\"",
            "expect = 2",
            "end = \"creator-leaves\"",
            "max = 9",
            "tenant = \"acme\"",
            "max_time = \"90m\"",
        ],
    ),
    (
        "[[factory]]",
        &[
            "users = [\"8000\", \"a%20b\"]",
            "hosts = [\"example.com\", \"[::1]\"]",
            "answer = \"deliver\"",
            "lobby = true",
            "[[factory.answer_rule]]\nuser_agent = \"a*\"\nanswer = \"deliver\"\n[[factory.answer_rule]]\n\
             source = \"10.0.0.0/8\"\ntransport = \"udp\"\nanswer = \"redirect\"",
        ],
    ),
    ("[admin]", &["bind = \"127.0.0.1:0\"", "tokens = \"to\\\"kens\"", "open = true"]),
    (
        "[pool]",
        &[
            "capacity = 37",
            "cpu_percent = 1",
            "packets_per_second = 100",
            "bookable_percent = 3",
            "reserve_ahead = \"0s\"",
        ],
    ),
    (
        "[tenants.acme]",
        &[
            "users = [\"alice\"]",
            "networks = [\"192.0.2.0/24\", \"::1/128\"]",
            "quota = 9",
            "reserved = 2",
            "per_minute = 7",
        ],
    ),
    ("[state]", &["dir = \"../state\""]),
    ("[records]", &["file = \"-\""]),
    ("[access]", &["allow = [\"127.0.0.0/8\"]", "open = true"]),
    (
        "[auth]",
        &[
            "realm = \"h\"",
            "users = \"u\"",
            "md5 = \"only\"",
            "factory = \"open\"",
            "join = \"required\"",
        ],
    ),
    (
        "[[webhook]]",
        &[
            "url = \"https://h/x\"",
            "secret_file = \"s\"",
            "ca_file = \"c\"",
            "events = [\"held\", \"talking\"]",
        ],
    ),
    (
        "[dial_out]",
        &[
            "allow = [\"sip:*@example.com\", \"sip:+4930*@*.example.com:5070\", \"192.0.2.0/24\"]",
            "refers_per_minute = 7",
        ],
    ),
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// What is printed is the whole of it: read again, without flags and from elsewhere, it is the same.
    #[test]
    fn what_is_printed_is_the_same_configuration(
        tables in proptest::collection::vec(proptest::bits::u8::ANY, LINES.len()),
        (sip, media_ip, ports, open, lab, records, state) in proptest::arbitrary::any::<(bool, bool, bool, bool, bool, bool, bool)>(),
    ) {
        let mut text = String::new();
        for ((header, lines), chosen) in LINES.iter().zip(&tables) {
            // A fourth of the tables are left out, and half of the lines in others, but for what a table must have.
            if chosen % 4 == 0 { continue }
            text += &format!("{header}\n");
            for (at, line) in lines.iter().enumerate() {
                let must = line.starts_with("users = [\"8") || header.ends_with(".listen]]") && at == 0 || matches!(*header, "[auth]" | "[[webhook]]") && at < 2;
                if must || (chosen >> (at + 2)) % 2 == 0 || *header == "[access]" { text += &format!("{line}\n") }
            }
        }
        if !text.contains("[tenants.acme]") { text = text.replace("tenant = \"acme\"\n", "") }
        let flags = Flags {
            sip: sip.then(|| address("192.0.2.1:5090")),
            media_ip: media_ip.then(|| ip("192.0.2.9")),
            rtp_ports: ports.then_some(PortRange { first: 3, last: 9_000 }),
            open: open || sip || media_ip,
            lab_registrar: lab,
            records: records.then(|| "/r".into()),
            state_dir: (state || text.contains("[[webhook]]")).then(|| "/s".into()),
            ..Flags::default()
        };
        let config = Config::from_toml("/etc/convoke.toml", &text, &flags);
        let config = config.map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{error}\n{text}")))?;
        let printed = config.to_toml(&Sources::of("/etc/convoke.toml", &text, &flags), Secrets::Shown);
        let again = Config::from_toml("/elsewhere/c.toml", &printed, &Flags::default());
        proptest::prop_assert_eq!(again, Ok(config), "{}\n{}", text, printed);
    }
}

#[test]
fn it_is_printed_where_each_value_comes_from() {
    let text = "[pool]\n\ncapacity = 9\n[[sip.listen]]\nbind = \"127.0.0.1:1\"\nadvertise = \"h\"\n\
                [auth]\nrealm = \"h\"\nusers = \"/secret/users\"\n";
    let flags = Flags { admin: Some(address("127.0.0.1:0")), ..Flags::default() };
    let print = |flags: &Flags| {
        read_with(text, flags).to_toml(&Sources::of("c\n.toml", text, flags), Secrets::Masked)
    };
    let line = |printed: &str, start: &str| {
        let found = printed.lines().find(|line| line.starts_with(start)).expect("a line");
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let printed = print(&flags);
    assert_eq!(line(&printed, "capacity"), "capacity = 9 # c\\n.toml:3");
    assert_eq!(line(&printed, "cpu_percent"), "cpu_percent = 70 # default");
    assert_eq!(line(&printed, "bind = \"127.0.0.1:0\""), "bind = \"127.0.0.1:0\" # --admin");
    assert_eq!(line(&printed, "advertise = \"h\""), "advertise = \"h\" # c\\n.toml:6");
    assert_eq!(line(&printed, "users = \"/"), "users = \"/secret/users\" # c\\n.toml:9");
    assert_eq!(line(&printed, "# pcap"), "# pcap = # default: no capture");
    // A flag takes the place of the whole listener.
    let printed = print(&Flags { sip: Some(address("127.0.0.1:7")), ..flags });
    assert_eq!(line(&printed, "bind = \"127.0.0.1:7\""), "bind = \"127.0.0.1:7\" # --sip");
    assert_eq!(line(&printed, "# advertise"), "# advertise = # default: as it is bound");
}

fn read_with(text: &str, flags: &Flags) -> Config {
    Config::from_toml("c.toml", text, flags).expect("good")
}

/// Neither what is printed nor an error shows a PIN, and what is printed opens nothing that was shut.
#[test]
fn pins_are_shown_by_nothing() {
    let text = "[[factory]]\npin = \"471147\"\nmoderator_pin = \"80047\"\n";
    let config = read(text).expect("good");
    let sources = Sources::of("c.toml", text, &Flags::default());
    let printed = config.to_toml(&sources, Secrets::Masked);
    let shown = format!("{printed}{config:?}");
    assert!(!shown.contains("471147") && !shown.contains("80047"), "{shown}");
    let told = error(&printed);
    assert!(told.contains("takes the place of a PIN"), "{told}");
    assert!(told.contains("print-config --secrets"), "{told}");
    let whole = config.to_toml(&sources, Secrets::Shown);
    assert_eq!(read(&whole), Ok(config), "{whole}");
    for bad in ["pin = \"12x45\"", "pin = \"123\"", "moderator_pin = \"1234567890123\""] {
        let told = error(&format!("[[factory]]\n{bad}"));
        assert!(
            told.contains("convoke.toml:2: ") && told.contains("write 4 to 12 digits"),
            "{told}"
        );
        assert!(!told.contains("12x45") && !told.contains("123456"), "{told}");
    }
    let told = error("[[factory]]\npin = \"1234\"\nmoderator_pin = \"12345\"");
    assert!(told.contains("convoke.toml:3: neither"), "{told}");
    assert!(read("[[factory]]\nmax_time = \"8h\"\nlobby = true").is_ok());
    let told = error("[[factory]]\nmax_time = \"169h\"");
    assert!(told.contains("max_time in seconds must be 1 to 604800, found 608400"), "{told}");
}

#[test]
fn webhooks_need_a_place_a_url_and_events_that_there_are() {
    let good = "[state]\ndir = \"s\"\n[[webhook]]\nurl = \"https://h/x\"\nsecret_file = \"k\"\nevents = [\"held\"]\n";
    let webhook = &read(good).expect("good").webhooks[0];
    assert_eq!((webhook.url.as_str(), webhook.events.len()), ("https://h/x", 1));
    let no_state = good.replace("[state]\ndir = \"s\"\n", "");
    assert!(error(&no_state).starts_with("convoke.toml:1: events wait on the disk"));
    assert!(error(&good.replace("https://h", "h")).starts_with("convoke.toml:4: url must be"));
    assert!(
        error(&good.replace("held", "hold")).starts_with("convoke.toml:6: \"hold\" is no event")
    );
    let twice = good.to_owned() + &good[good.find("[[").expect("a table")..];
    assert!(error(&twice).starts_with("convoke.toml:8: this url is named"));
}

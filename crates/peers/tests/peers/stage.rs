//! What SIPp does at a conference of ours, and the server that it does it at.

use nix::sys::signal::Signal;
use peers::processes::{Alone, Process, text};
use peers::sipp::{ASKER, Check, PEER, Script, Sipp, acknowledge, answer, in_dialog, initial, sdp};
use serde_json::Value;

/// A factory whose conferences end with their creators, and may call whoever is on this machine.
pub(crate) const CONFIG: &str = "[[factory]]\nusers = [\"conference\"]\nend = \"creator-leaves\"\n\n\
                      [dial_out]\nallow = [\"127.0.0.0/8\"]\n";

/// Contact of a focus: the conference URI, and a bare `isfocus`.
pub(crate) const IS_FOCUS: Check<'static> =
    Check::Header("Contact", "^ *<sip:conf-[^>]*>;isfocus$");

/// §5.4: asks the factory, follows its 302, and is in.
pub(crate) fn created(name: &'static str) -> Script {
    let redirected = [IS_FOCUS, Check::Keep("conference", "Contact", "sip:[^>]*")];
    Script::new(name)
        .ask(&initial("INVITE", "[factory]", 1, &sdp()))
        .expect(302, &redirected)
        .send(&acknowledge(1, Some(("[factory]", 4))))
        .then(|script| joins(script, "[$conference]", 2))
}

/// §5.1: calls a conference's URI.
pub(crate) fn joins(script: Script, conference: &str, cseq: u32) -> Script {
    joins_by(script, conference, cseq, "")
}

/// The same with a header line more.
pub(crate) fn joins_by(script: Script, conference: &str, cseq: u32, header: &str) -> Script {
    let supports = Check::Header("Allow", "INVITE.*BYE");
    script
        .ask(&initial("INVITE", conference, cseq, &format!("{header}{}", sdp())))
        .expect(200, &[PEER, IS_FOCUS, supports])
        .send(&acknowledge(cseq, None))
}

pub(crate) fn leaves(script: Script, cseq: u32) -> Script {
    script.ask(&in_dialog("BYE", cseq, "")).expect(200, &[])
}

/// Is told that it is over.
pub(crate) fn dismissed(script: Script) -> Script {
    script.take("BYE", &[]).send(&answer("200 OK", None, ""))
}

/// A REFER to the focus, inside the creator's call.
pub(crate) fn refers(script: Script, cseq: u32, refer_to: &str) -> Script {
    script.ask(&in_dialog("REFER", cseq, &format!("Refer-To: <{refer_to}>\n"))).expect(200, &[])
}

/// §5.2: is called by the focus.
pub(crate) fn invited() -> Script {
    Script::new("invited")
        .take("INVITE", &[&ASKER[..], &[IS_FOCUS]].concat())
        .send(&answer("200 OK", Some("carol"), &sdp()))
        .take("ACK", &[])
}

/// A server, and SIPps that come to it.
pub(crate) struct Stage {
    pub(crate) alone: Alone,
    pub(crate) server: Process,
    address: String,
    pub(crate) factory: String,
}

impl Stage {
    pub(crate) fn new(config: &str) -> Self {
        let alone = Alone::wait();
        let config = alone.write("convoke.toml", config);
        let server = Process::serve(&["--config", &config]);
        let factory = server.greeting("factory");
        let (_, address) = factory.split_once('@').expect("a user");
        Self { alone, address: address.to_owned(), factory, server }
    }

    pub(crate) fn plays(&self, script: &Script, keys: &[(&str, &str)]) -> Sipp {
        let factory = [("factory", self.factory.as_str())];
        Sipp::call(&self.alone, script, &self.address, &[&factory, keys].concat())
    }

    pub(crate) fn plays_tcp(&self, script: &Script) -> Sipp {
        let factory = [("factory", self.factory.as_str())];
        Sipp::call_tcp(&self.alone, script, &self.address, &factory)
    }

    pub(crate) fn plays_stock(&self, user: &str) -> Sipp {
        Sipp::stock(&self.alone, &self.address, user)
    }

    /// The conference's URI, once one more has joined.
    pub(crate) fn joined(&mut self) -> String {
        text(&self.server.until("joined"), "conference")
    }

    pub(crate) fn until_legs(&self, count: usize) {
        let legs = |status: &Value| status["conferences"][0]["legs"].as_array().map_or(0, Vec::len);
        self.server.until_status(&format!("{count} in"), |status| legs(status) == count);
    }

    pub(crate) fn ends(self) {
        self.server.until_all_have_left();
    }
}

/// A stage with a conference, whose creator stays until all is over.
pub(crate) struct Convened {
    pub(crate) stage: Stage,
    pub(crate) creator: Sipp,
    pub(crate) uri: String,
}

impl Convened {
    pub(crate) fn new(config: &str) -> Self {
        let mut stage = Stage::new(config);
        // Who says nothing for half a minute is asked whether he is there.
        let script = created("alice").may_take("OPTIONS").then(dismissed);
        let creator = stage.plays(&script, &[]);
        let uri = stage.joined();
        Self { stage, creator, uri }
    }

    /// Plays a script in which `[conference]` is the conference's URI.
    pub(crate) fn plays(&self, script: &Script, keys: &[(&str, &str)]) -> Sipp {
        self.stage.plays(script, &[&[("conference", self.uri.as_str())], keys].concat())
    }

    /// The server ends, and lets everybody go.
    pub(crate) fn ends(mut self) {
        self.stage.server.signal(Signal::SIGTERM);
        self.creator.played();
        assert!(self.stage.server.ended().success());
    }
}

/// The dialog that a SIPp has with the focus, as Join and Replaces name it.
pub(crate) fn dialog_of(sipp: &Sipp) -> String {
    // SIPp writes its messages down after they were on the wire.
    sipp.until("SIP/2.0 200 OK");
    let messages = sipp.messages();
    let success = messages.split("SIP/2.0 200 OK").last().expect("an answer");
    let header = |name: &str| {
        let line = success.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {success}")).trim()
    };
    let tag = |name| header(name).rsplit_once(";tag=").expect("a tag").1;
    format!("{};to-tag={};from-tag={}", header("Call-ID:"), tag("To:"), tag("From:"))
}

/// The conference that is named first in these messages.
pub(crate) fn conference_in(messages: &str) -> String {
    let at = messages.find("sip:conf-").expect("a URI");
    messages[at..].split(['>', ' ', ';']).next().expect("a word").to_owned()
}

/// The same as Target-Dialog names it: the sender's own tag is the remote one, as its receiver sees it (RFC 4538 §3).
pub(crate) fn target_dialog(sipp: &Sipp) -> String {
    dialog_of(sipp).replace("to-tag", "local-tag").replace("from-tag", "remote-tag")
}

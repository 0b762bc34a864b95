//! `[[factory.answer_rule]]`: how a factory answers some.

use focus::factory::{ANSWER_RULES_MAX, AnswerRule, Wildcard, WildcardError};
use serde::Deserialize;
use sip::Transport;
use toml::Spanned;

use super::Answer;
use super::check::Origin;
use super::error::{ConfigError, Problem};
use super::file::{Text, Written as FromText};
use crate::Network;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    user_agent: Option<Text<Wildcard>>,
    source: Option<Text<Network>>,
    transport: Option<Text<Transport>>,
    answer: Answer,
}

impl FromText for Wildcard {
    type Error = WildcardError;
    fn read(text: &str) -> Result<Self, WildcardError> {
        text.parse()
    }
}

impl FromText for Transport {
    type Error = &'static str;
    fn read(text: &str) -> Result<Self, Self::Error> {
        Self::from_uri_param(text).ok_or("is no transport: write \"udp\" or \"tcp\"")
    }
}

pub(super) fn check(
    written: Vec<Spanned<Written>>,
    origin: &Origin<'_>,
) -> Result<Vec<AnswerRule>, ConfigError> {
    let count = written.len();
    written
        .into_iter()
        .enumerate()
        .map(|(index, table)| {
            let span = table.span();
            if index == ANSWER_RULES_MAX {
                let problem = Problem::TooManyAnswerRules { count, most: ANSWER_RULES_MAX };
                return Err(origin.error(&span, problem));
            }
            let Written { user_agent, source, transport, answer } = table.into_inner();
            if user_agent.is_none() && source.is_none() && transport.is_none() {
                return Err(origin.error(&span, Problem::AnswerRuleForAll));
            }
            Ok(AnswerRule {
                user_agent: user_agent.map(|text| text.0),
                source: source.map(|text| text.0),
                transport: transport.map(|text| text.0),
                answer: answer.form(),
            })
        })
        .collect()
}

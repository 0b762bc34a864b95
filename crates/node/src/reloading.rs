//! What may change while a node runs.

use focus::DialRules;
use focus::factory::{Factory, FactoryConfig, FactoryError};

use crate::auth::Auth;
use crate::node::Node;
use crate::{AuthConfig, Limits, OverloadConfig};

/// All that may change while a node runs, whether or not it did.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The same factories, at the same addresses and in the same order, perhaps with other rules. A conference goes by
    /// those that it began with.
    pub factories: Vec<FactoryConfig>,
    /// Who has to prove who he is; `None`: nobody is asked. Who is in stays in.
    pub auth: Option<AuthConfig>,
    /// Whom conferences call that begin from now on.
    pub dial_out: DialRules,
    /// How many answers of no use one source gets.
    pub limits: Limits,
    /// When fewer new requests are admitted.
    pub overload: OverloadConfig,
}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum SettingsError {
    #[error(transparent)]
    Factory(#[from] FactoryError),
    #[error("the addresses of factories cannot change while the server runs: restart it")]
    OtherFactories,
}

impl Node {
    /// Goes by these settings from now on. Nobody who is in a conference notices.
    ///
    /// # Errors
    /// [`SettingsError`]: nothing has changed.
    pub fn apply(&mut self, settings: Settings) -> Result<(), SettingsError> {
        let Settings { factories, auth, dial_out, limits, overload } = settings;
        let factories =
            factories.into_iter().map(Factory::new).collect::<Result<Vec<_>, FactoryError>>()?;
        // Conferences name the factory that they came from by its number, and its address is part of their identity.
        let is_same = |(old, new): (&Factory, &Factory)| {
            let (old, new) = (old.config(), new.config());
            old.users == new.users && old.hosts == new.hosts
        };
        let same = factories.len() == self.factories.len()
            && self.factories.iter().zip(&factories).all(is_same);
        if !same {
            return Err(SettingsError::OtherFactories);
        }
        self.factories = factories;
        self.dial_out = dial_out;
        self.pace.limit(limits);
        self.overload.configure(overload);
        self.auth = match (self.auth.take(), auth) {
            (Some(auth), Some(config)) => Some(auth.renewed(config)),
            (None, Some(config)) => Some(Auth::new(config)),
            (Some(_) | None, None) => None,
        };
        Ok(())
    }
}

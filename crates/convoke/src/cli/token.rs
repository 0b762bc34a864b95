//! `convoke token`: its command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use server::tokens::{TokenRole, check_token_name};

/// Add, list or remove the tokens of those who administer a server over HTTP.
///
/// The file holds a hash for each token. It is named in the server's configuration, and read when the server starts
/// and at SIGHUP.
#[derive(Args, Debug)]
#[command(after_help = "\
In the server's configuration:
  [admin]
  tokens = \"tokens\"

Examples:
  convoke token add booking --role operator --tokens tokens > booking.token
  convoke token add dashboard --role reader --tokens tokens
  convoke token list --tokens tokens
  convoke token remove booking --tokens tokens")]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once; one of the same name is replaced
    Add(TokenAddArgs),
    /// Show who has one
    List(TokenListArgs),
    /// Remove a token
    Remove(TokenRemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TokenAddArgs {
    /// Whose it is: shown in logs, and needed to take it away
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// What it is for
    #[arg(long, value_enum)]
    pub(crate) role: TokenRoleName,
    /// The tokens file; the first token makes it
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct TokenListArgs {
    /// The tokens file
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: PathBuf,
    /// One JSON object per line instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TokenRemoveArgs {
    /// Whose
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The tokens file
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenRoleName {
    /// Look, but not at conference URIs
    Reader,
    /// Make, change and end conferences; call, mute and remove participants
    Operator,
    /// Everything
    Admin,
}

impl From<TokenRoleName> for TokenRole {
    fn from(role: TokenRoleName) -> Self {
        match role {
            TokenRoleName::Reader => Self::Reader,
            TokenRoleName::Operator => Self::Operator,
            TokenRoleName::Admin => Self::Admin,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    check_token_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

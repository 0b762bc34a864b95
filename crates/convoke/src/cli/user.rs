//! `convoke user`: its command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use server::Role;
use server::users::{check_name, check_realm};

/// Add, list or remove the users who may make conferences.
///
/// The file holds a hash for each user and no password, and is for the server's eyes only. It is named in
/// the server's configuration, and read when the server starts and at SIGHUP.
#[derive(Args, Debug)]
#[command(after_help = "\
In the server's configuration:
  [auth]
  realm = \"example.com\"
  users = \"users\"

Examples:
  convoke user add alice --users users --realm example.com
  convoke user add desk --users users --md5 --role moderator --password-stdin < secret
  convoke user list --users users
  convoke user remove alice --users users")]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user, or give one a new password and role; asks for the password
    Add(UserAddArgs),
    /// Show who there is, without any secret
    List(UserListArgs),
    /// Remove a user
    Remove(UserRemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct UserAddArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    /// What the user may do
    #[arg(long, value_enum, default_value_t = RoleName::Creator)]
    pub(crate) role: RoleName,
    /// Keep an MD5 secret too, for a phone that knows nothing else; the server needs md5 = true, or
    /// md5 = "only" for phones that give up when they see SHA-256
    #[arg(long)]
    pub(crate) md5: bool,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UserListArgs {
    /// The users file
    #[arg(long, value_name = "FILE")]
    pub(crate) users: PathBuf,
    /// One JSON object per line instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UserRemoveArgs {
    #[command(flatten)]
    pub(crate) who: WhoArgs,
}

/// Which user.
#[derive(Args, Debug)]
pub(crate) struct WhoArgs {
    /// The user's name: what the phone calls user name or authentication name
    #[arg(value_parser = name)]
    pub(crate) name: String,
    /// The users file; the first user makes it
    #[arg(long, value_name = "FILE")]
    pub(crate) users: PathBuf,
    /// The realm of the server's `[auth]` [default: the one that the file's users have]
    #[arg(long, value_name = "REALM", value_parser = realm)]
    pub(crate) realm: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Make conferences, and steer those that he made
    Creator,
    /// Steer any conference
    Moderator,
    /// Everything
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Creator => Self::Creator,
            RoleName::Moderator => Self::Moderator,
            RoleName::Admin => Self::Admin,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn realm(text: &str) -> Result<String, String> {
    check_realm(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

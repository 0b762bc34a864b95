//! `convoke token`: the file of tokens for the HTTP interface.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;
use server::tokens::{TokenFile, random_token};

use super::next_file::NextFile;
use crate::cli::{TokenAddArgs, TokenArgs, TokenCommand, TokenListArgs, TokenRemoveArgs};
use crate::output::{complain, say};

pub(crate) fn run(args: &TokenArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        TokenCommand::Add(args) => add(args)?,
        TokenCommand::List(args) => list(args)?,
        TokenCommand::Remove(args) => remove(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The token alone goes to standard output: `convoke token add ... > file` keeps it, and nothing else.
fn add(args: &TokenAddArgs) -> anyhow::Result<()> {
    let TokenAddArgs { name, role, tokens } = args;
    let made = random_token(name, (*role).into()).context("the system gives no randomness")?;
    let (entry, token) = made;
    let (role, path) = (entry.role.name(), tokens.display());
    let was_there = change(tokens, |file| Ok(file.set(entry)))?;
    let what = if was_there { "changed" } else { "added" };
    complain(&format!(
        "{what} {name} as {role} in {path}, which a server reads when it starts and at SIGHUP; this is the token, shown once:"
    ));
    say(&token);
    Ok(())
}

fn list(args: &TokenListArgs) -> anyhow::Result<()> {
    let file = TokenFile::read(&args.tokens)?;
    let width = file.entries().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    for entry in file.entries() {
        let (name, role) = (&entry.name, entry.role.name());
        if args.json {
            say(&json!({ "name": name, "role": role }).to_string());
        } else {
            say(&format!("{name:width$}  {role}"));
        }
    }
    if file.entries().next().is_none() && !args.json {
        say("No token.");
    }
    Ok(())
}

fn remove(args: &TokenRemoveArgs) -> anyhow::Result<()> {
    let TokenRemoveArgs { name, tokens } = args;
    let path = tokens.display();
    change(tokens, |file| {
        if !file.remove(name) {
            bail!("{path} has no {name}: see `convoke token list --tokens {path}`");
        }
        Ok(())
    })?;
    say(&format!("removed {name} from {path}; a server reads it when it starts and at SIGHUP"));
    Ok(())
}

/// Changes the file as a whole; see [`NextFile`].
fn change<T>(
    path: &Path,
    what: impl FnOnce(&mut TokenFile) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let next = NextFile::create(path)?;
    let mut file = if path.exists() { TokenFile::read(path)? } else { TokenFile::default() };
    let done = what(&mut file)?;
    // What we would not read again is not written.
    TokenFile::parse(&path.display().to_string(), &file.to_string())?;
    next.replace(&file.to_string())?;
    Ok(done)
}

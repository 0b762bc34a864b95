//! `convoke user`: the file of users.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;
use server::User;
use server::users::{Entry, UserFile, UsersError};
use sip::digest::{Algorithm, Ha1, Password};

use super::next_file::NextFile;
use super::runtime;
use crate::cli::{UserAddArgs, UserArgs, UserCommand, UserListArgs, UserRemoveArgs, WhoArgs};
use crate::output::say;
use crate::password;

pub(crate) fn run(args: &UserArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        UserCommand::Add(args) => add(args)?,
        UserCommand::List(args) => list(args)?,
        UserCommand::Remove(args) => remove(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn add(args: &UserAddArgs) -> anyhow::Result<()> {
    let WhoArgs { name, users, realm } = &args.who;
    // Before the password is asked for, so that nobody types one in vain.
    let realm = realm_of(&read_or_new(users)?, realm.as_deref(), users)?;
    let password = if args.password_stdin {
        password::from_stdin()?
    } else {
        runtime()?.block_on(password::ask(&format!("{name} of {realm}")))?
    };
    let user = user(args, &realm, &password);
    let was_there = change(users, |file| Ok(file.set(Entry { realm: realm.clone(), user })))?;
    let what = if was_there { "changed" } else { "added" };
    let (role, path) = (server::Role::from(args.role).name(), users.display());
    say(&format!(
        "{what} {name} of {realm} as {role} in {path}; a server reads it when it starts and at SIGHUP"
    ));
    Ok(())
}

/// MD5 only where it is asked for: whoever has no secret under it cannot be talked down to it.
fn user(args: &UserAddArgs, realm: &str, password: &Password) -> User {
    let mut algorithms = vec![Algorithm::Sha256];
    if args.md5 {
        algorithms.push(Algorithm::Md5);
    }
    let name = &args.who.name;
    let secret = |algorithm| Ha1::of(algorithm, name, realm, password);
    let secrets = algorithms.into_iter().map(secret).collect();
    User { name: name.clone(), role: args.role.into(), secrets }
}

fn list(args: &UserListArgs) -> anyhow::Result<()> {
    let file = UserFile::read(&args.users)?;
    let width = file.entries().map(|entry| entry.user.name.chars().count()).max().unwrap_or(0);
    for Entry { realm, user } in file.entries() {
        let names: Vec<&str> =
            user.secrets.iter().map(|secret| secret.algorithm().name()).collect();
        let (name, role) = (&user.name, user.role.name());
        if args.json {
            let fields = json!({ "name": name, "realm": realm, "role": role, "algorithms": names });
            say(&fields.to_string());
        } else {
            say(&format!("{name:width$}  {role:9}  {realm}  {}", names.join(", ")));
        }
    }
    if file.entries().next().is_none() && !args.json {
        say("No user.");
    }
    Ok(())
}

fn remove(args: &UserRemoveArgs) -> anyhow::Result<()> {
    let WhoArgs { name, users, realm } = &args.who;
    let realm = realm_of(&UserFile::read(users)?, realm.as_deref(), users)?;
    let path = users.display();
    change(users, |file| {
        if !file.remove(name, &realm) {
            bail!("{path} has no {name} of {realm}: see `convoke user list --users {path}`");
        }
        Ok(())
    })?;
    say(&format!(
        "removed {name} of {realm} from {path}; a server reads it when it starts and at SIGHUP"
    ));
    Ok(())
}

/// The realm that is meant where none is named: the only one there is.
fn realm_of(file: &UserFile, named: Option<&str>, path: &Path) -> anyhow::Result<String> {
    let realms: Vec<&str> = file.realms().into_iter().collect();
    match (named, realms.as_slice()) {
        (Some(named), _) => Ok(named.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => bail!("name the realm of the server's [auth], as in --realm example.com"),
        (None, _) => {
            bail!("{} has users of {}: say which with --realm", path.display(), realms.join(", "))
        }
    }
}

fn read_or_new(path: &Path) -> anyhow::Result<UserFile> {
    if path.exists() { Ok(UserFile::read(path)?) } else { Ok(UserFile::default()) }
}

/// Changes the file as a whole: whoever reads it, and whoever loses power, has the old one or the new
/// one. The new one also keeps a second change out until it has taken the old one's place.
fn change<T>(
    path: &Path,
    what: impl FnOnce(&mut UserFile) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let next = NextFile::create(path)?;
    let mut file = read_or_new(path)?;
    let done = what(&mut file)?;
    // What we would not read again is not written.
    UserFile::parse(&path.display().to_string(), &file.to_string())
        .map_err(|error: UsersError| anyhow::anyhow!(error))?;
    next.replace(&file.to_string())?;
    Ok(done)
}

//! A program that keeps credentials: `docker-credential-NAME get`, with the server on its standard input and JSON on its
//! standard output.
//!
//! The source: the protocol of docker-credential-helpers.

use std::time::Duration;

use process::{Finished, Invocation, find_in};
use serde::Deserialize;

use crate::secret::Secret;

/// What every program is called that keeps credentials, up to its own name.
const PREFIX: &str = "docker-credential-";
/// What a program says that has none for a server.
const NONE: &str = "credentials not found in native keychain";
/// The user name beside which the secret is a token.
const TOKEN: &str = "<token>";
/// The most characters that are told of what a program says.
const LONGEST: usize = 512;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// How a program is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The directories in which it may lie.
    pub(crate) programs: &'a str,
    /// Variables that it sees beside those of every child.
    pub(crate) variables: &'a [(String, String)],
    /// How many bytes it may write.
    pub(crate) limit: usize,
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// Returns what a program is called whose own name is `name`, for messages.
pub(crate) fn program(name: &str) -> String {
    format!("{PREFIX}{}", printable::line(name))
}

/// Asks a program for the credentials of a server. An error has nothing of its answer.
pub(crate) async fn ask(
    name: &str,
    server: &str,
    terms: Terms<'_>,
) -> Result<Option<Secret>, String> {
    // A path would start what lies there, which a file of somebody else may have brought.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err("that is not the name of a program".to_owned());
    }
    let program = find_in(terms.programs, &format!("{PREFIX}{name}"));
    let program = program.map_err(|error| error.to_string())?;
    let variables = terms.variables.iter();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
    let run = Invocation::new(&program)
        .variables(variables)
        .argument("get")
        .input(server)
        .output_limit(terms.limit)
        .time_limit(terms.patience)
        .run();
    let ran = run.await.map_err(|error| error.to_string())?;
    if !ran.succeeded() {
        return refused(&ran);
    }
    let answer = serde_json::from_slice::<Answer>(&ran.stdout);
    let Answer { username, secret } =
        answer.map_err(|_| "its answer is not what such a program gives".to_owned())?;
    match (username.as_str(), secret.is_empty()) {
        // Podman takes both for nothing.
        ("", true) => Ok(None),
        (_, true) => Err("its answer has no secret".to_owned()),
        (TOKEN, false) => Ok(Some(Secret::Identity(secret))),
        (_, false) => Ok(Some(Secret::Password {
            user: username,
            password: secret,
        })),
    }
}

/// Says why a program has failed, or that it has nothing. Such programs say so on standard output.
fn refused(ran: &Finished) -> Result<Option<Secret>, String> {
    let stdout = ran.stdout_text();
    if stdout.trim() == NONE {
        return Ok(None);
    }
    let said = match ran.stderr.trim() {
        // What looks like an answer is not told.
        "" if !stdout.contains('{') => stdout.trim(),
        stderr => stderr,
    };
    let said: String = said.chars().take(LONGEST).collect();
    let said = match said.as_str() {
        "" => String::new(),
        said => format!(": {}", printable::line(said)),
    };
    let status = ran.status.code().unwrap_or(-1);
    Err(format!("it ended with {status}{said}"))
}

//! A client of registries with what is settled.

use camino::Utf8PathBuf;
use registry::{Client, Config, Limits};

use crate::command::fetch::{is_offline, transfer};
use crate::context::Context;
use crate::environment;
use crate::failure::{Failure, usage};

/// The names that are asked without encryption, as `no_proxy` has them.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Makes a client with what is settled, which is to `act`.
pub(in crate::command) fn client(context: &Context, act: &str) -> Result<Client, Failure> {
    if is_offline(context) {
        let message = format!("cannot {act}: nothing may reach the network");
        let hint = "set offline = false, or unset STAGEX_OFFLINE";
        return Err(usage(message, Some(hint)));
    }
    let mut transfer = transfer(context)?;
    let direct = direct(transfer.proxies.none.take());
    transfer.proxies.none = Some(direct);
    Ok(Client::new(Config {
        credentials: credentials::Config {
            files: credentials()?,
            programs: environment::path(),
            variables: environment::of_credentials(),
            ..credentials::Config::default()
        },
        insecure: context.settings.insecure.value.clone(),
        limits: Limits::DEFAULT,
        transfer,
    })?)
}

/// Returns what is reached without a proxy: also all of this machine. It is asked without encryption, and a proxy would
/// see the credentials.
fn direct(none: Option<String>) -> String {
    match none {
        Some(none) if !none.trim().is_empty() => format!("{none},{LOOPBACK}"),
        _ => LOOPBACK.to_owned(),
    }
}

/// Returns the files that may have credentials. One that the user names has to be there.
fn credentials() -> Result<Vec<Utf8PathBuf>, Failure> {
    let Some((variable, path)) = environment::credentials()? else {
        return Ok(environment::default_credentials()?);
    };
    let path = Utf8PathBuf::from(path);
    if let Err(error) = path.metadata() {
        let message = format!("{variable}: cannot read {path}: {error}");
        return Err(usage(
            message,
            Some("unset it, or name a file that is there"),
        ));
    }
    Ok(vec![path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        let said = |none: &str| direct(Some(none.to_owned()));
        assert_eq!(direct(None), LOOPBACK);
        // An empty name at the front would be one that any other ends with.
        assert_eq!(said(" "), LOOPBACK);
        assert_eq!(said("a.org,b.org"), format!("a.org,b.org,{LOOPBACK}"));
        assert_eq!(said("*"), format!("*,{LOOPBACK}"));
    }
}

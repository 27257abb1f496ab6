//! Getting to know a registry that asks who is asking: by a token that its token server gives, or by a user name and a
//! password.
//!
//! Credentials go to the registry that they are for, and to a token server of the same host. To another host they go
//! only where the user has an entry for that host, or where it is known to belong to the registry. The protocol is
//! described in the documentation of Docker's registry ("Token Authentication Specification").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use credentials::{Credentials, Lookup, Secret};
use serde::Deserialize;
use transfer::{Address, Authorization, Exchange, Memory, Terms};

use crate::challenge::Challenge;
use crate::error::{Error, Who};
use crate::reference::Repository;
use crate::shared::{Access, Known, Shared};

/// The most bytes of a token.
const LONGEST: usize = 1 << 15;
/// What this program is called where an identity token is exchanged.
const CLIENT: &str = "stagex";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Somebody who wants to do something with a repository, and was asked who is asking.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) shared: &'a Shared,
    /// Who has asked.
    pub(crate) registry: &'a Address,
    pub(crate) repository: &'a Repository,
    pub(crate) access: &'a Access,
}

/// The token server of a registry.
struct Server {
    address: Address,
    service: Option<String>,
}

impl Asker<'_> {
    /// Finds out what a registry is told that has asked `challenges`. What was `refused` before is not told again where a
    /// program has something else by now.
    pub(crate) async fn get_to_know(
        self,
        challenges: &[String],
        refused: Option<&Secret>,
    ) -> Result<Known, Error> {
        let challenge = Challenge::of(challenges);
        let found = self.find(refused).await?;
        match (challenge, found) {
            (_, Lookup::Some(found)) if matches!(found.secret, Secret::Registry(_)) => {
                self.known(found)
            }
            (Some(Challenge::Bearer { realm, service }), found) => {
                let server = Server {
                    address: self.server(&realm)?,
                    service,
                };
                self.by_token(&server, found).await
            }
            (Some(Challenge::Basic), Lookup::Some(found)) => self.known(found),
            (None, Lookup::Some(found)) => Ok(none(Who::User(found.origin))),
            (_, Lookup::Failed { origin, why }) => Ok(none(Who::Helper { origin, why })),
            (_, Lookup::None) => Ok(none(Who::Anonymous)),
        }
    }

    async fn find(self, refused: Option<&Secret>) -> Result<Lookup, Error> {
        let place = self.repository.to_string();
        Ok(self.shared.credentials.find(&place, refused).await?)
    }

    /// Returns what the registry itself is told.
    fn known(self, found: Credentials) -> Result<Known, Error> {
        let authorization = match &found.secret {
            Secret::Registry(token) => Some(self.header(&found, &format!("Bearer {token}"))?),
            Secret::Password { user, password } => Some(self.basic(&found, user, password)?),
            // It is for token servers only.
            Secret::Identity(_) => None,
        };
        Ok(Known {
            authorization,
            who: Who::User(found.origin),
            secret: Some(found.secret),
        })
    }

    fn basic(
        self,
        found: &Credentials,
        user: &str,
        password: &str,
    ) -> Result<Authorization, Error> {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header(found, &format!("Basic {pair}"))
    }

    fn header(self, found: &Credentials, text: &str) -> Result<Authorization, Error> {
        let header = Authorization::new(text);
        header.map_err(|error| {
            let error = credentials::Error {
                path: found.origin.path.clone(),
                host: self.repository.host().to_owned(),
                why: error.to_string(),
            };
            error.into()
        })
    }

    /// Gets a token. If what a program has said before is not taken any more, the program is asked again.
    async fn by_token(self, server: &Server, found: Lookup) -> Result<Known, Error> {
        let (found, who) = self.told(server, found)?;
        let asked = self.token(server, found.as_ref(), &who).await;
        let (Err(Error::Denied { .. }), Some(refused)) = (&asked, &found) else {
            return asked.map(|token| of_token(token, who));
        };
        let again = self.find(Some(&refused.secret)).await?;
        let (again, who) = self.told(server, again)?;
        if again == found {
            return asked.map(|token| of_token(token, who));
        }
        let token = self.token(server, again.as_ref(), &who).await?;
        Ok(of_token(token, who))
    }

    /// Returns the address of a token server, if it may be asked.
    fn server(self, realm: &str) -> Result<Address, Error> {
        let bad = |why: String| {
            self.failed(format!(
                "it is said to be `{}`: {why}",
                printable::line(realm)
            ))
        };
        let server = Address::parse(realm).map_err(|error| bad(error.to_string()))?;
        if !self.shared.plain.permits(self.registry, &server) {
            return Err(bad("it would be asked without encryption".to_owned()));
        }
        Ok(server)
    }

    /// Returns what a token server is told of who is asking.
    fn told(self, server: &Server, found: Lookup) -> Result<(Option<Credentials>, Who), Error> {
        let found = match found {
            Lookup::Some(found) => found,
            Lookup::Failed { origin, why } => return Ok((None, Who::Helper { origin, why })),
            Lookup::None => return Ok((None, Who::Anonymous)),
        };
        let server = &server.address;
        if server.is_of_same_server(self.registry) || belongs(server, self.registry) {
            let who = Who::User(found.origin.clone());
            return Ok((Some(found), who));
        }
        let server = server.authority();
        // A registry can name any server: no program is asked for what the user may have there. A host that cannot be that
        // of a registry has no entry.
        if server.parse::<Repository>().is_ok()
            && let Some(own) = self.shared.credentials.written(&server)?
            && matches!(own.secret, Secret::Password { .. })
        {
            let who = Who::User(own.origin.clone());
            return Ok((Some(own), who));
        }
        let origin = found.origin;
        Ok((None, Who::Elsewhere { origin, server }))
    }

    fn failed(self, why: String) -> Error {
        Error::Token {
            host: self.repository.host().to_owned(),
            why,
        }
    }

    async fn token(
        self,
        server: &Server,
        found: Option<&Credentials>,
        who: &Who,
    ) -> Result<Authorization, Error> {
        let authority = server.address.authority();
        let what = format!("a token for {}", self.repository);
        let answer = match self.answer(server, found).await? {
            Ok(answer) => answer,
            Err(
                error @ (transfer::Error::Challenged(_)
                | transfer::Error::Status {
                    code: 400..=404, ..
                }),
            ) => {
                return Err(Error::Denied {
                    place: authority,
                    what,
                    who: Box::new(who.clone()),
                    why: error.to_string(),
                });
            }
            Err(error) => return Err(Error::transfer(what, authority, error)),
        };
        let parsed: Option<Answer> = serde_json::from_slice(&answer).ok();
        let Some(Answer {
            token,
            access_token,
        }) = parsed
        else {
            return Err(self.failed(format!("the answer of {authority} is not one")));
        };
        let token = if token.is_empty() {
            access_token
        } else {
            token
        };
        let is_token = !token.is_empty()
            && token.len() <= LONGEST
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        let token = is_token.then(|| Authorization::new(&format!("Bearer {token}")));
        match token {
            Some(Ok(token)) => Ok(token),
            _ => Err(self.failed(format!("what {authority} gave cannot be sent as one"))),
        }
    }

    /// Asks a token server: with a user name and a password, or with an identity token, which is exchanged.
    async fn answer(
        self,
        server: &Server,
        found: Option<&Credentials>,
    ) -> Result<Result<Vec<u8>, transfer::Error>, Error> {
        let scopes = self.access.scopes(self.repository);
        let service = server.service.as_deref();
        let service = service.map(|service| ("service", service));
        let secret = found.map(|found| (found, &found.secret));
        let authorization = match secret {
            Some((found, Secret::Password { user, password })) => {
                Some(self.basic(found, user, password)?)
            }
            _ => None,
        };
        let terms = Terms {
            authorization,
            largest: Some(self.shared.config.limits.answer),
            plain: self.shared.plain.clone(),
            accept: Some("application/json"),
        };
        let client = &self.shared.transfer;
        if let Some((_, Secret::Identity(token))) = secret {
            let scopes = scopes.join(" ");
            let mut values = vec![
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT),
                ("scope", &scopes),
                ("refresh_token", token),
            ];
            values.extend(service);
            let post = Exchange::form(&values);
            let answered = transfer::exchange(client, &server.address, &terms, &post).await;
            return Ok(answered.map(|answered| answered.body));
        }
        let scopes = scopes.iter().map(|scope| ("scope", scope.as_str()));
        let values: Vec<_> = service.into_iter().chain(scopes).collect();
        let address = server.address.clone().with_query(&values);
        let mut answer = Memory::default();
        let asking = client.download_on(&address, &terms, &mut answer, &|_| {});
        Ok(asking.await.map(|_| answer.bytes))
    }
}

fn none(who: Who) -> Known {
    Known {
        authorization: None,
        who,
        secret: None,
    }
}

fn of_token(token: Authorization, who: Who) -> Known {
    Known {
        authorization: Some(token),
        who,
        secret: None,
    }
}

/// Tells whether a token server of another host is known to be the registry's: Docker Hub's, and one of the domain
/// that the registry is in, as GitLab has it.
fn belongs(server: &Address, registry: &Address) -> bool {
    if !server.is_encrypted() || !registry.is_encrypted() {
        return false;
    }
    let (server, registry) = (server.authority(), registry.authority());
    if (server.as_str(), registry.as_str()) == ("auth.docker.io", "registry-1.docker.io") {
        return true;
    }
    let parent = registry.split_once('.').map(|(_, parent)| parent);
    parent == Some(server.as_str()) && server.contains('.') && !server.contains(':')
}

//! The client: one request, and the redirects that it leads to.
//!
//! It does not know what becomes of the bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT_ENCODING, DATE, HeaderMap, HeaderName, IF_RANGE, LOCATION, RANGE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use reqwest::{Method, NoProxy, Proxy, Response, redirect};
use tokio::time::timeout;

use crate::address::Address;
use crate::config::{Config, Proxies};
use crate::error::{BadRedirect, Error, Next, Unusable};
use crate::limits::{Limits, Permit};
use crate::names::Names;
use crate::pause;
use crate::request::Exchange;
use crate::roots::encryption;
use crate::sink::Held;
use crate::terms::Terms;

/// An HTTP client. Its copies share their connections and their limits.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) config: Arc<Config>,
    pub(crate) limits: Arc<Limits>,
    inner: reqwest::Client,
}

/// An answer that a file comes with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// Where it came from, after all redirects.
    pub(crate) from: Address,
    /// Where the first redirects led that are for good.
    pub(crate) moved: Option<Address>,
    /// How long the answers took.
    pub(crate) took: Duration,
    _permit: Permit,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    /// A file, or what follows what is held of it.
    File(Option<&'a Held>),
    /// What is said of a file.
    Head,
    /// The same, with its first byte.
    FirstByte,
    /// Something else, which may have a body.
    Exchange(&'a Exchange),
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// A proxy is not named as one is.
    pub fn new(config: Config) -> Result<Self, Unusable> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(encryption(&config.roots)?)
            .user_agent(&config.agent)
            .dns_resolver(Names::default())
            // Redirects and retries are ours.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(config.per_host);
        for proxy in proxies(&config.proxies)? {
            builder = builder.proxy(proxy);
        }
        let inner = builder
            .build()
            .map_err(|error| Unusable::Tls(error.without_url().to_string()))?;
        Ok(Self {
            limits: Arc::new(Limits::new(config.connections, config.per_host)),
            config: Arc::new(config),
            inner,
        })
    }

    /// Returns how long to wait before the next try, after so many that have failed; nothing if there is none.
    pub fn pause_after(&self, tries: u32, error: &Error) -> Option<Duration> {
        let config = &self.config;
        if tries >= config.tries {
            return None;
        }
        let growing = pause::after(tries, config.pause, config.longest_pause);
        match error.next() {
            Next::GiveUp => None,
            Next::Again => Some(growing),
            Next::AgainAfter(pause) => Some(pause.max(growing)),
            Next::Whole => Some(Duration::ZERO),
        }
    }

    /// Asks for a file, or for what follows what is held of it, and follows redirects.
    pub(crate) async fn ask(
        &self,
        address: &Address,
        held: Option<&Held>,
        terms: &Terms,
    ) -> Result<Answer, Error> {
        self.follow(address, Question::File(held), terms).await
    }

    /// Asks a question, and follows redirects.
    pub(crate) async fn follow(
        &self,
        address: &Address,
        question: Question<'_>,
        terms: &Terms,
    ) -> Result<Answer, Error> {
        let (first, mut is_known) = (address, true);
        let (mut moved, mut is_for_good, mut took) = (None, true, Duration::ZERO);
        let mut asked = BTreeSet::new();
        let mut address = address.clone();
        loop {
            if !terms.plain.permits(first, &address) {
                return Err(Error::Plain(address.host()));
            }
            // Once somebody else was asked, nobody is told any more who is asking.
            is_known &= address.is_of_same_server(first);
            let permit = self.limits.enter(&address.host()).await;
            let since = Instant::now();
            let response = self.ask_one(&address, question, terms, is_known).await?;
            took += since.elapsed();
            let is_followed = match question {
                Question::Exchange(exchange) => exchange.verb.is_question(),
                _ => true,
            };
            if !is_followed || !response.status().is_redirection() {
                let is_done =
                    response.status().is_success() && matches!(question, Question::Exchange(_));
                return match response.status().as_u16() {
                    code if is_done || matches!(code, 200 | 206) => Ok(Answer {
                        response,
                        from: address,
                        moved,
                        took,
                        _permit: permit,
                    }),
                    // Only the server that was asked first may ask back.
                    401 if is_known => Err(self.challenged(response.headers())),
                    // What is held is not a beginning of what is there.
                    416 if matches!(question, Question::File(Some(_))) => Err(Error::Range),
                    code => Err(self.refused(code, response.headers())),
                };
            }
            let next = self.redirected(&address, &response, &asked)?;
            is_for_good &= matches!(response.status().as_u16(), 301 | 308);
            if is_for_good {
                moved = Some(next.clone());
            }
            asked.insert(std::mem::replace(&mut address, next));
        }
    }

    async fn ask_one(
        &self,
        address: &Address,
        question: Question<'_>,
        terms: &Terms,
        is_known: bool,
    ) -> Result<Response, Error> {
        let (method, sending) = match question {
            Question::Head => (Method::HEAD, Duration::ZERO),
            Question::File(_) | Question::FirstByte => (Method::GET, Duration::ZERO),
            Question::Exchange(exchange) => (exchange.verb.method(), exchange.sending()),
        };
        // Compressed on the way, a file would have other bytes.
        let mut request = self
            .inner
            .request(method, address.url().clone())
            .header(ACCEPT_ENCODING, "identity");
        request = terms.put(request, is_known);
        match question {
            Question::File(Some(held)) => {
                request = request
                    .header(RANGE, format!("bytes={}-", held.bytes))
                    .header(IF_RANGE, &held.validator);
            }
            Question::FirstByte => request = request.header(RANGE, "bytes=0-0"),
            Question::Exchange(exchange) => {
                for (name, value) in &exchange.headers {
                    request = request.header(*name, value);
                }
                if !exchange.verb.is_question() {
                    request = request.body(exchange.body.clone());
                }
            }
            Question::File(None) | Question::Head => {}
        }
        let answered = timeout(self.config.stall + sending, request.send()).await;
        let answered = answered.map_err(|_| Error::Stalled(self.config.stall))?;
        let answered = answered.map_err(Error::of);
        let is_reached = !matches!(answered, Err(Error::Connect(_)));
        self.limits.note(&address.host(), is_reached);
        answered
    }

    /// Returns where a redirect leads, if it is followed.
    fn redirected(
        &self,
        address: &Address,
        response: &Response,
        asked: &BTreeSet<Address>,
    ) -> Result<Address, Error> {
        let code = response.status().as_u16();
        let Some(to) = text(response.headers(), &LOCATION) else {
            return Err(self.refused(code, response.headers()));
        };
        let bad = |why: BadRedirect| Error::Redirect {
            to: to.to_owned(),
            why,
        };
        if !matches!(code, 301 | 302 | 303 | 307 | 308) {
            return Err(self.refused(code, response.headers()));
        }
        let next = address.join(to).map_err(|error| bad(error.into()))?;
        if address.is_encrypted() && !next.is_encrypted() {
            return Err(bad(BadRedirect::Unencrypted));
        }
        if next == *address || asked.contains(&next) {
            return Err(bad(BadRedirect::Circle));
        }
        if asked.len() >= self.config.redirects {
            return Err(bad(BadRedirect::TooMany));
        }
        Ok(next)
    }

    /// Returns the error of an answer that asks who is asking.
    fn challenged(&self, headers: &HeaderMap) -> Error {
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges = challenges.filter_map(|value| value.to_str().ok());
        let challenges: Vec<String> = challenges.map(str::to_owned).collect();
        if challenges.is_empty() {
            return self.refused(401, headers);
        }
        Error::Challenged(challenges)
    }

    /// Returns the error of an answer that is not a file.
    fn refused(&self, code: u16, headers: &HeaderMap) -> Error {
        let wait =
            text(headers, &RETRY_AFTER).and_then(|wait| pause::asked(wait, text(headers, &DATE)));
        match wait {
            Some(wait) if wait > self.config.longest_pause => Error::Busy { code, wait },
            retry_after => Error::Status { code, retry_after },
        }
    }
}

/// Returns a header that is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn proxies(said: &Proxies) -> Result<Vec<Proxy>, Unusable> {
    let none = || said.none.as_deref().and_then(NoProxy::from_string);
    let of =
        |name: &'static str, value: &Option<String>, make: fn(&str) -> reqwest::Result<Proxy>| {
            let made = value.as_deref().map(make).transpose();
            let made = made.map_err(|_| Unusable::Proxy(name))?;
            Ok(made.map(|proxy| proxy.no_proxy(none())))
        };
    let found = [
        of("http_proxy", &said.http, |url| Proxy::http(url))?,
        of("https_proxy", &said.https, |url| Proxy::https(url))?,
        of("all_proxy", &said.all, |url| Proxy::all(url))?,
    ];
    Ok(found.into_iter().flatten().collect())
}

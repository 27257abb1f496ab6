//! What refers to an image in a registry: by its referrers API, or where there is none by the tag that takes its place
//! (OCI distribution specification 1.1, "Referrers Tag Schema").

use oci_image::Digest;
use transfer::{Exchange, Verb};

use crate::artifact::{List, Referrer};
use crate::error::Error;
use crate::reference::Repository;
use crate::registry::Registry;

/// How many pages of a list are read.
const PAGES: usize = 64;
/// How often a list is written because somebody else has written it meanwhile.
const WRITES: usize = 8;

/// Returns what refers to an image that is there. Which way a registry has is found out once.
pub(crate) async fn list(
    registry: &Registry,
    repository: &Repository,
    subject: Digest,
) -> Result<List, Error> {
    let mut api = registry.api.lock().await;
    match *api {
        Some(true) => {
            drop(api);
            let listed = of_api(registry, repository, subject).await?;
            Ok(listed.unwrap_or_default())
        }
        Some(false) => {
            drop(api);
            of_tag(registry, repository, subject).await
        }
        // All others wait until it is known.
        None => {
            let listed = of_api(registry, repository, subject).await?;
            *api = Some(listed.is_some());
            drop(api);
            match listed {
                Some(listed) => Ok(listed),
                None => of_tag(registry, repository, subject).await,
            }
        }
    }
}

/// Lists artifacts where a registry does not do so by itself, and looks whether all are listed.
pub(crate) async fn add(
    registry: &Registry,
    repository: &Repository,
    subject: Digest,
    referrers: &[&Referrer],
) -> Result<(), Error> {
    let has_api = registry.api.lock().await.unwrap_or_default();
    for _ in 0..WRITES {
        let mut listed = list(registry, repository, subject).await?;
        let is_listed = |one: &&Referrer| listed.has(one.manifest.digest);
        let Some(missing) = referrers.iter().find(|one| !is_listed(one)) else {
            return Ok(());
        };
        if has_api {
            return Err(unlisted(repository, missing));
        }
        listed.add(referrers);
        let tag = tag(subject);
        registry.put(repository, &tag, &listed.stored()).await?;
    }
    Err(unlisted(repository, referrers[0]))
}

fn unlisted(repository: &Repository, referrer: &Referrer) -> Error {
    Error::Unlisted {
        what: format!("{} of {}", referrer.title, referrer.subject),
        place: repository.to_string(),
    }
}

fn tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// Asks the API; nothing if there is none.
async fn of_api(
    registry: &Registry,
    repository: &Repository,
    subject: Digest,
) -> Result<Option<List>, Error> {
    let what = format!("the list of what refers to {subject}");
    let path = format!("referrers/{subject}");
    let mut address = registry.shared.address(repository, &path)?;
    let too_large = |limit: String| Error::TooLarge {
        what: what.clone(),
        place: repository.to_string(),
        limit,
    };
    let largest = registry.shared.config.limits.document;
    let (mut all, mut bytes) = (List::default(), 0);
    for page in 0..PAGES {
        let get = Exchange::of(Verb::Get);
        let answered = match registry.repeated(repository, &address, &get).await {
            Ok(answered) => answered,
            Err(trouble) if page == 0 && matches!(trouble.code(), Some(400 | 404 | 405 | 501)) => {
                return Ok(None);
            }
            Err(trouble) => return Err(trouble.of_reading(repository, &what)),
        };
        // As much as one document, however many pages it is divided into.
        bytes += answered.body.len() as u64;
        if bytes > largest {
            return Err(too_large(format!("{largest} bytes")));
        }
        all.extend(read(&answered.body, &what, repository)?);
        let Some(next) = answered.header("link").and_then(next) else {
            return Ok(Some(all));
        };
        let leads = answered.leads(next);
        let failed = |error| Error::transfer(what.clone(), repository.to_string(), error);
        address = leads.map_err(failed)?;
    }
    Err(too_large(format!("{PAGES} pages")))
}

/// Reads what the tag stands for.
async fn of_tag(
    registry: &Registry,
    repository: &Repository,
    subject: Digest,
) -> Result<List, Error> {
    let tag = tag(subject);
    let Some(bytes) = registry.document(repository, &tag).await? else {
        return Ok(List::default());
    };
    read(&bytes, &format!("the document `{tag}`"), repository)
}

fn read(bytes: &[u8], what: &str, repository: &Repository) -> Result<List, Error> {
    List::read(bytes).ok_or_else(|| Error::Damaged {
        what: what.to_owned(),
        place: repository.to_string(),
        why: "it is not an index".to_owned(),
    })
}

/// Returns the address of the next page, among all that a header links to (RFC 8288).
fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let rest_of_link = rest.trim_start_matches([' ', '\t', ',']);
        let (address, after) = rest_of_link.strip_prefix('<')?.split_once('>')?;
        let mut is_quoted = false;
        let end = after.find(|character| {
            is_quoted ^= character == '"';
            character == ',' && !is_quoted
        });
        let (parameters, more) = after.split_at(end.unwrap_or(after.len()));
        if parameters.split(';').any(is_next) {
            return Some(address);
        }
        rest = more;
    }
}

/// Tells whether a parameter of a link says that it leads to the next page.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
    name.trim().eq_ignore_ascii_case("rel")
        && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("</v2/a?n=1>; rel=\"next\"", Some("/v2/a?n=1"))]
    #[case("</v2/a>;rel=next", Some("/v2/a"))]
    #[case("</v2/a>; title=\"a, b; c\"; Rel = \"last Next\"", Some("/v2/a"))]
    #[case("</v2/a>; rel=\"prev\", </v2/b,c>; rel=\"next\"", Some("/v2/b,c"))]
    #[case("</v2/a>; title=\"rel=next\"", None)]
    #[case("</v2/a?n=1>; rel=\"prev\"", None)]
    #[case("</v2/a>; rel=\"prev\",", None)]
    #[case("</v2/a", None)]
    #[case("/v2/a", None)]
    fn the_next_page_is_linked(#[case] header: &str, #[case] expected: Option<&str>) {
        assert_eq!(next(header), expected);
    }
}

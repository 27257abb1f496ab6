//! Which names in a store are a build's own.

use backend_api::{BuildKey, BuildRequest};

use crate::error::Error;

/// Tells whether `name` is one of the build's own.
pub fn is_own(name: &str, key: &BuildKey) -> bool {
    let rest = name.strip_prefix(&key.name());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
}

/// Returns the names of a request's contexts, which are to be given in the store.
///
/// # Errors
///
/// One is not the build's own.
pub fn own_names(request: &BuildRequest) -> Result<Vec<String>, Error> {
    let names = request.contexts.iter().map(|context| &context.name);
    names
        .map(|name| {
            let own = is_own(name, &request.key).then(|| name.clone());
            own.ok_or_else(|| Error::Foreign(name.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_begin_with_the_key() {
        let key = BuildKey::new("core-x");
        for own in ["", "/core-y", ":latest", "/a/b:1"] {
            assert!(
                is_own(&format!("localhost/stagex/core-x{own}"), &key),
                "{own}"
            );
        }
        for foreign in ["localhost/stagex/core-x2", "debian", "localhost/stagex"] {
            assert!(!is_own(foreign, &key), "{foreign}");
        }
    }
}

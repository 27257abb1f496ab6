//! TLS: its implementation, without a library in C, and the certificates that are trusted.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use crate::config::Roots;
use crate::error::Unusable;

/// Returns how connections are encrypted. Where the system has no certificates, none is trusted: `http` still
/// works.
pub(crate) fn encryption(roots: &Roots) -> Result<ClientConfig, Unusable> {
    let found = match roots {
        Roots::System => rustls_native_certs::load_native_certs(),
        Roots::File(path) => {
            rustls_native_certs::load_certs_from_paths(Some(path.as_std_path()), None)
        }
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| Unusable::Tls(error.to_string()))?;
    Ok(versions.with_root_certificates(store).with_no_client_auth())
}

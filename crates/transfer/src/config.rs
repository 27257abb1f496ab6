//! What a client is told once: how many connections, how patient, through which proxies.
//!
//! It does not read the environment: whoever makes a client says what stands there.

use std::time::Duration;

use camino::Utf8PathBuf;

/// What a client is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the program calls itself.
    pub agent: String,
    /// How many downloads run at once, in total.
    pub connections: usize,
    /// How many of them from one host.
    pub per_host: usize,
    /// How long nothing may arrive. It begins again with each read, and is also the limit of a
    /// connection's beginning.
    pub stall: Duration,
    /// How many bytes must arrive in a second, on average over the time of `stall`.
    pub slowest: u64,
    /// How often one address is tried.
    pub tries: u32,
    /// How long the pause before the second try is. Each further one is twice as long.
    pub pause: Duration,
    /// How long a pause is at most, also one that a server asks for.
    pub longest_pause: Duration,
    /// How many redirects are followed, one behind the other.
    pub redirects: usize,
    /// How many bytes a file may have.
    pub largest: u64,
    /// The proxies.
    pub proxies: Proxies,
    /// Which certificates are trusted.
    pub roots: Roots,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("stagex/", env!("CARGO_PKG_VERSION")).to_owned(),
            connections: 16,
            per_host: 6,
            stall: Duration::from_secs(30),
            slowest: 512,
            tries: 4,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            redirects: 10,
            largest: 32 << 30,
            proxies: Proxies::default(),
            roots: Roots::System,
        }
    }
}

/// The proxies, each as the variable of the environment says it that is named like it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `http_proxy`
    pub http: Option<String>,
    /// `https_proxy`
    pub https: Option<String>,
    /// `all_proxy`
    pub all: Option<String>,
    /// `no_proxy`: hosts that are reached without one.
    pub none: Option<String>,
}

/// Which certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    /// Those in a file.
    File(Utf8PathBuf),
}

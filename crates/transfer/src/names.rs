//! Which addresses a host's name has: those of `/etc/hosts`, else what the DNS servers of `/etc/resolv.conf` say.
//!
//! It loads nothing when it runs. So names mean the same in a program that is linked statically and in one that
//! is not, and it does not know what else glibc would ask by `/etc/nsswitch.conf`: mDNS, or a service of the
//! system's. It does not know what the addresses are for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use reqwest::dns::{Addrs, Resolve, Resolving};

/// The names that this machine knows. They are read when the first one is asked for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: OnceLock<Arc<Known>>,
}

impl Resolve for Names {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let known = Arc::clone(self.known.get_or_init(|| Arc::new(Known::of_system())));
        Box::pin(async move {
            let found = known.addresses(name.as_str()).await?;
            // The port is the address's own.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
enum Unresolved {
    /// Who was asked gave none.
    #[error("/etc/hosts and the DNS servers of /etc/resolv.conf have no address for {0}")]
    Unknown(String),
    /// Nobody could be asked.
    #[error(
        "there is no host {host} in /etc/hosts, and no DNS server to ask: /etc/resolv.conf: {why}"
    )]
    NoServer { host: String, why: String },
    /// Who was asked did not answer.
    #[error("the DNS servers of /etc/resolv.conf did not answer for {host}: {why}")]
    NoAnswer { host: String, why: NetError },
}

/// What is asked: a file that was read, and servers.
#[derive(Debug)]
struct Known {
    hosts: Hosts,
    /// Who is asked, or why nobody can be.
    servers: Result<TokioResolver, String>,
}

impl Known {
    /// Reads what this machine says. A file that cannot be read says nothing.
    fn of_system() -> Self {
        let said = system_conf::read_system_conf();
        Self {
            hosts: Hosts::from_system().unwrap_or_default(),
            servers: said.and_then(asking).map_err(|error| match error {
                NetError::Io(error) => error.to_string(),
                error => error.to_string(),
            }),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let unknown = || Unresolved::Unknown(host.to_owned());
        // A proxy may be named by its address.
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let name = Name::from_utf8(host).map_err(|_| unknown())?;
        // A name that is there with one address has no others elsewhere: nobody is asked about its other family.
        let here = [RecordType::AAAA, RecordType::A].map(|kind| {
            let query = Query::query(name.clone(), kind);
            self.hosts.lookup_static_host(&query)
        });
        let here = here.iter().flatten().flat_map(Lookup::answers);
        let here: Vec<IpAddr> = here.filter_map(|answer| answer.data.ip_addr()).collect();
        if !here.is_empty() {
            return Ok(here);
        }
        // Loopback's name is nobody else's to tell.
        if name.is_localhost() {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        let servers = self.servers.as_ref();
        let servers = servers.map_err(|why| Unresolved::NoServer {
            host: host.to_owned(),
            why: why.clone(),
        })?;
        match servers.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(error) if error.is_no_records_found() => Err(unknown()),
            Err(why) => Err(Unresolved::NoAnswer {
                host: host.to_owned(),
                why,
            }),
        }
    }
}

/// Returns who asks the servers of a configuration.
fn asking(
    (config, mut options): (ResolverConfig, ResolverOpts),
) -> Result<TokioResolver, NetError> {
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let (domain, search, servers) = config.into_parts();
    // The domain of the machine's own name is searched only where the file names none.
    let domain = domain.filter(|_| search.is_empty());
    let config = ResolverConfig::from_parts(domain, search, servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, AAAA};
    use hickory_resolver::proto::rr::{RData, Record};
    use rstest::rstest;
    use tokio::net::UdpSocket;

    use super::*;

    /// What `/etc/hosts` says.
    const HOSTS: &str = "192.0.2.1 both.test one.test\n2001:db8::1 both.test # and no more\n";

    /// Returns what a DNS server says about a name.
    fn answer(query: &Query) -> Result<RData, ResponseCode> {
        match (query.name().to_string().as_str(), query.query_type()) {
            ("far.test." | "short.search.test.", RecordType::A) => {
                Ok(RData::A(A::new(192, 0, 2, 2)))
            }
            ("far.test.", _) => Ok(RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2))),
            ("broken.test.", _) => Err(ResponseCode::ServFail),
            _ => Err(ResponseCode::NXDomain),
        }
    }

    /// Answers questions for as long as it is asked.
    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 4096];
        loop {
            let (count, from) = socket.recv_from(&mut buffer).await.unwrap();
            let asked = Message::from_vec(&buffer[..count]).unwrap();
            let query = asked.queries[0].clone();
            let mut said = Message::response(asked.metadata.id, asked.metadata.op_code);
            match answer(&query) {
                Ok(data) => said.answers = vec![Record::from_rdata(query.name().clone(), 60, data)],
                Err(code) => said.metadata.response_code = code,
            }
            said.queries = vec![query];
            socket.send_to(&said.to_vec().unwrap(), from).await.unwrap();
        }
    }

    fn hosts() -> Hosts {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(HOSTS.as_bytes()).unwrap();
        hosts
    }

    /// Runs something beside a DNS server, with names that ask it.
    fn beside<F: Future<Output = ()>>(run: impl FnOnce(Arc<Known>) -> F) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut connection = ConnectionConfig::udp();
            connection.port = socket.local_addr().unwrap().port();
            let address = Ipv4Addr::LOCALHOST.into();
            let server = NameServerConfig::new(address, true, vec![connection]);
            let search = vec![Name::from_ascii("search.test").unwrap()];
            let domain = Some(Name::from_ascii("other.test").unwrap());
            let config = ResolverConfig::from_parts(domain, search, vec![server]);
            let known = Arc::new(Known {
                hosts: hosts(),
                servers: asking((config, ResolverOpts::default())).map_err(|e| e.to_string()),
            });
            tokio::select! {
                () = serve(socket) => {}
                () = run(known) => {}
            }
        });
    }

    #[rstest]
    #[case::both_families("both.test", &["2001:db8::1", "192.0.2.1"])]
    #[case::one_family_is_all("one.test", &["192.0.2.1"])]
    #[case::in_other_letters("ONE.test", &["192.0.2.1"])]
    #[case::from_a_server("far.test", &["2001:db8::2", "192.0.2.2"])]
    #[case::with_a_domain_that_is_searched("short", &["192.0.2.2"])]
    #[case::this_machine("localhost", &["::1", "127.0.0.1"])]
    #[case::an_address("192.0.2.3", &["192.0.2.3"])]
    fn a_name_has_addresses(#[case] host: &str, #[case] expected: &[&str]) {
        beside(|known| async move {
            let found = known.addresses(host).await.unwrap();
            let found: Vec<String> = found.iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected);
        });
    }

    #[rstest]
    #[case::nobody_knows("no.test")]
    #[case::a_server_fails("broken.test")]
    #[case::no_name("a..b")]
    fn a_name_has_none(#[case] host: &str) {
        beside(|known| async move {
            let error = known.addresses(host).await.unwrap_err().to_string();
            let expected = "/etc/hosts and the DNS servers of /etc/resolv.conf have no address for";
            assert_eq!(error, format!("{expected} {host}"));
        });
    }

    #[rstest]
    #[case("one.test", Ok("192.0.2.1"))]
    #[case("localhost", Ok("::1"))]
    #[case("192.0.2.3", Ok("192.0.2.3"))]
    #[case(
        "far.test",
        Err(
            "there is no host far.test in /etc/hosts, and no DNS server to ask: /etc/resolv.conf: gone"
        )
    )]
    #[tokio::test]
    async fn nobody_is_asked_who_is_not_named(
        #[case] host: &str,
        #[case] expected: Result<&str, &str>,
    ) {
        let known = Known {
            hosts: hosts(),
            servers: Err("gone".to_owned()),
        };
        let found = known.addresses(host).await;
        let found = found.map(|found| found[0].to_string());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }
}

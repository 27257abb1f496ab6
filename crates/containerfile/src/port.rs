//! Ports as `EXPOSE` takes them: `80`, `80/udp`, `8000-8010/tcp`, `ip:host:container`.
//!
//! It does not know variables.

/// Returns each port with its protocol: `80/tcp`; nothing where the text is no port.
pub(crate) fn ports(text: &str) -> Option<Vec<String>> {
    let (address, host, container) = parts(text);
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" => "tcp".to_owned(),
        known @ ("tcp" | "udp" | "sctp") => known.to_owned(),
        _ => return None,
    };
    if !address.is_empty() {
        let bare = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        bare.parse::<std::net::IpAddr>().ok()?;
    }
    let (first, last) = numbers(range)?;
    if !host.is_empty() {
        let (host_first, host_last) = numbers(host)?;
        if last - first != host_last - host_first && last != first {
            return None;
        }
    }
    Some(
        (first..=last)
            .map(|port| format!("{port}/{protocol}"))
            .collect(),
    )
}

/// Splits at the last two colons: an address may hold more of them.
fn parts(text: &str) -> (&str, &str, &str) {
    let Some((rest, container)) = text.rsplit_once(':') else {
        return ("", "", text);
    };
    match rest.rsplit_once(':') {
        Some((address, host)) => (address, host, container),
        None => ("", rest, container),
    }
}

fn numbers(range: &str) -> Option<(u16, u16)> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("80", &["80/tcp"])]
    #[case("53/UDP", &["53/udp"])]
    #[case("8000-8002/sctp", &["8000/sctp", "8001/sctp", "8002/sctp"])]
    #[case("8080:80", &["80/tcp"])]
    #[case("127.0.0.1:8080:80", &["80/tcp"])]
    #[case("[::1]:8080:80/udp", &["80/udp"])]
    #[case("0", &["0/tcp"])]
    fn ports_are_read(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(ports(text).unwrap(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("x")]
    #[case("80/icmp")]
    #[case("65536")]
    #[case("9-8")]
    #[case("-1")]
    #[case("x:1:80")]
    #[case("1-2:80-82")]
    fn other_texts_are_refused(#[case] text: &str) {
        assert_eq!(ports(text), None);
    }
}

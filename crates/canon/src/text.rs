//! The texts of a history in the forms of several versions of `BuildKit`, and the one of 0.26.
//!
//! It knows single texts. It does not know configs.

use containerfile::Platform;

/// The arguments that say on what a build runs.
const BUILD_PLATFORM: [&str; 4] = ["BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"];
/// What ends the text of most steps.
const MARK: &str = " # buildkit";

/// Returns the text as `BuildKit` 0.26 writes it, if it is another one; an error if its form is not known.
pub(crate) fn canonical(text: &str, platform: &Platform) -> Result<Option<String>, ()> {
    if let Some(ports) = text.strip_prefix("EXPOSE ") {
        return expose(ports);
    }
    if let Some(name) = text.strip_prefix("ARG ") {
        return argument(name, platform);
    }
    if let Some(check) = text.strip_prefix("HEALTHCHECK ") {
        // From BuildKit 0.30 on it is another form, which has less in it.
        return if check.starts_with("&{[") {
            Ok(None)
        } else {
            Err(())
        };
    }
    Ok(None)
}

/// Up to `BuildKit` 0.23 ports were a map: `map[443/udp:{} 80/tcp:{}]`.
fn expose(ports: &str) -> Result<Option<String>, ()> {
    let Some(inner) = ports.strip_prefix("map[") else {
        return if ports.starts_with('[') {
            Ok(None)
        } else {
            Err(())
        };
    };
    let inner = inner.strip_suffix(']').ok_or(())?;
    let ports = inner.split(' ').filter(|port| !port.is_empty());
    let ports: Option<Vec<_>> = ports.map(|port| port.strip_suffix(":{}")).collect();
    let mut ports = ports.ok_or(())?;
    ports.sort_unstable();
    Ok(Some(format!("EXPOSE [{}]", ports.join(" "))))
}

/// Returns the text of `EXPOSE` as it was up to `BuildKit` 0.23.
pub(crate) fn expose_as_map(text: &str) -> Option<String> {
    let ports = text.strip_prefix("EXPOSE [")?.strip_suffix(']')?;
    let ports: Vec<_> = ports
        .split(' ')
        .map(|port| format!("{port}:{{}}"))
        .collect();
    Some(format!("EXPOSE map[{}]", ports.join(" ")))
}

/// `BuildKit` up to 0.13 does not write the values of arguments that it gives itself. What those of the machine
/// were that it ran on is not known.
fn argument(names: &str, platform: &Platform) -> Result<Option<String>, ()> {
    if let Some(value) = of_platform(names, platform) {
        return Ok(Some(format!("ARG {names}={value}")));
    }
    let lacks_value =
        |name: &str| BUILD_PLATFORM.contains(&name) || of_platform(name, platform).is_some();
    if names.split(' ').any(lacks_value) {
        return Err(());
    }
    Ok(None)
}

/// Returns the text of such an argument without its value.
pub(crate) fn argument_without_value(text: &str, platform: &Platform) -> Option<String> {
    let (name, value) = text.strip_prefix("ARG ")?.split_once('=')?;
    (of_platform(name, platform)? == value).then(|| format!("ARG {name}"))
}

fn of_platform(name: &str, platform: &Platform) -> Option<String> {
    Some(match name {
        "TARGETPLATFORM" => platform.to_string(),
        "TARGETOS" => platform.os.clone(),
        "TARGETARCH" => platform.architecture.clone(),
        "TARGETVARIANT" => platform.variant.clone().unwrap_or_default(),
        _ => return None,
    })
}

/// Returns the permissions that a COPY gives to all that it copies, and its destination; nothing where it
/// says none, or not as a number.
pub(crate) fn copied_with_mode(text: &str) -> Option<(u32, &str)> {
    let words = text.strip_prefix("COPY ")?.strip_suffix(MARK)?;
    let mut options = words.split(' ').take_while(|word| word.starts_with("--"));
    let mode = options.find_map(|option| option.strip_prefix("--chmod="))?;
    let mode = u32::from_str_radix(mode, 8).ok()?;
    Some((mode, words.rsplit(' ').next()?))
}

/// Tells whether programs ran in the step of a text.
pub(crate) fn runs(text: &str) -> bool {
    text.starts_with("RUN ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform() -> Platform {
        "linux/amd64".parse().unwrap()
    }

    #[rstest::rstest]
    #[case(
        "EXPOSE map[80/tcp:{} 443/udp:{}]",
        Ok(Some("EXPOSE [443/udp 80/tcp]"))
    )]
    #[case("EXPOSE map[]", Ok(Some("EXPOSE []")))]
    #[case("EXPOSE [80/tcp]", Ok(None))]
    #[case("EXPOSE map[80/tcp]", Err(()))]
    #[case("EXPOSE 80", Err(()))]
    #[case("ARG TARGETARCH", Ok(Some("ARG TARGETARCH=amd64")))]
    #[case("ARG TARGETARCH=amd64", Ok(None))]
    #[case("ARG OTHER", Ok(None))]
    #[case("ARG A=1 TARGETARCH", Err(()))]
    #[case("ARG BUILDARCH", Err(()))]
    #[case(r#"HEALTHCHECK &{["NONE"] "0s"}"#, Ok(None))]
    #[case("HEALTHCHECK {Test:[NONE]}", Err(()))]
    #[case("COPY map[ b # buildkit", Ok(None))]
    fn texts_of_all_versions_become_one(
        #[case] text: &str,
        #[case] expected: Result<Option<&str>, ()>,
    ) {
        let expected = expected.map(|text| text.map(str::to_owned));
        assert_eq!(canonical(text, &platform()), expected);
    }

    #[test]
    fn variants_are_made_canonical_again() {
        for text in ["EXPOSE [443/udp 80/tcp]", "ARG TARGETARCH=amd64"] {
            let variant = expose_as_map(text).or_else(|| argument_without_value(text, &platform()));
            let variant = variant.unwrap();
            assert_ne!(variant, text);
            let again = canonical(&variant, &platform()).unwrap();
            assert_eq!(again.as_deref(), Some(text));
        }
    }

    #[rstest::rstest]
    #[case("COPY --chmod=640 a b /c/d # buildkit", Some((0o640, "/c/d")))]
    #[case("COPY --chown=1 --chmod=0755 a /c # buildkit", Some((0o755, "/c")))]
    #[case("COPY --chmod=u+x a /c # buildkit", None)]
    #[case("COPY a --chmod=640 /c # buildkit", None)]
    #[case("RUN --chmod=640 # buildkit", None)]
    fn permissions_are_read(#[case] text: &str, #[case] expected: Option<(u32, &str)>) {
        assert_eq!(copied_with_mode(text), expected);
    }
}

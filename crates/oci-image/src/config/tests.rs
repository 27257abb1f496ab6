//! What each instruction leaves in a config, over whole configs and over single texts.

use containerfile::{ImageFacts, Scope, parse};
use rstest::rstest;

use super::*;
use crate::digest::Digest;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn scope() -> Scope {
    Scope::new("linux/amd64".parse().expect("a platform"))
}

fn build(source: &str, facts: ImageFacts) -> Build {
    let mut scope = scope();
    scope.build_args = vec![("given".to_owned(), "7".to_owned())];
    scope.images.insert("tree/base".to_owned(), facts);
    parse(source)
        .and_then(|file| file.resolve(&scope))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Returns as many diff ids as the build makes layers.
fn diff_ids(build: &Build) -> Vec<DiffId> {
    build
        .image_steps()
        .filter(|step| step.makes_layer())
        .map(|_| DiffId(Digest::of(b"layer")))
        .collect()
}

fn config_of(build: &Build, base: Option<&[u8]>, platform: &Platform) -> String {
    let bytes = config(&ConfigRequest {
        base,
        build,
        diff_ids: &diff_ids(build),
        platform,
        profile: Profile::STAGEX_2026,
    })
    .unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn from_scratch(body: &str) -> serde_json::Value {
    let build = build(&format!("FROM scratch\n{body}"), ImageFacts::default());
    let text = config_of(&build, None, &scope().platform);
    serde_json::from_str(&text).expect("JSON")
}

fn from_base(base: &str, body: &str) -> serde_json::Value {
    let facts = image_facts(base.as_bytes()).expect("a config");
    let build = build(&format!("FROM tree/base\n{body}"), facts);
    let text = config_of(&build, Some(base.as_bytes()), &scope().platform);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_config_is_written_to_the_byte() {
    let build = build(
        "FROM scratch AS package\nCOPY <<-'EOF' /etc/x\n\ta\nEOF\nSHELL [\"/bin/sh\",\"-l\",\"-c\"]\nRUN a && b",
        ImageFacts::default(),
    );
    let layer = DiffId(Digest::of(b"layer"));
    assert_eq!(
        config_of(&build, None, &scope().platform),
        format!(
            concat!(
                r#"{{"architecture":"amd64","#,
                r#""config":{{"Env":["{path}"],"WorkingDir":"/","Shell":["/bin/sh","-l","-c"]}},"#,
                r#""created":"1970-01-01T00:00:01Z","#,
                r#""history":["#,
                r#"{{"created":"1970-01-01T00:00:01Z","created_by":"COPY \u003c\u003cEOF /etc/x # buildkit","comment":"buildkit.dockerfile.v0"}},"#,
                r#"{{"created":"1970-01-01T00:00:01Z","created_by":"SHELL [/bin/sh -l -c]","comment":"buildkit.dockerfile.v0","empty_layer":true}},"#,
                r#"{{"created":"1970-01-01T00:00:01Z","created_by":"RUN /bin/sh -l -c a \u0026\u0026 b # buildkit","comment":"buildkit.dockerfile.v0"}}],"#,
                r#""os":"linux","#,
                r#""rootfs":{{"type":"layers","diff_ids":["{layer}","{layer}"]}}}}"#,
            ),
            path = PATH,
            layer = layer,
        )
    );
}

#[test]
fn every_field_stands_in_its_place() {
    let build = build(
        "FROM scratch\nMAINTAINER me\nUSER u\nEXPOSE 80\nENV a=b\nCMD [\"c\"]\nENTRYPOINT [\"d\"]\nVOLUME /v\nWORKDIR /w\nLABEL l=m k=\"n o\"\nSTOPSIGNAL INT\nHEALTHCHECK --interval=5s --retries=3 CMD e\nONBUILD RUN f\nSHELL [\"s\"]",
        ImageFacts::default(),
    );
    let platform = "linux/arm/v6".parse().unwrap();
    let text = config_of(&build, None, &platform);
    let (head, rest) = text.split_once(r#","created":"#).unwrap();
    assert_eq!(
        head,
        format!(
            concat!(
                r#"{{"architecture":"arm","author":"me","config":{{"User":"u","ExposedPorts":{{"80/tcp":{{}}}},"#,
                r#""Env":["{path}","a=b"],"Entrypoint":["d"],"Cmd":["c"],"Volumes":{{"/v":{{}}}},"WorkingDir":"/w","#,
                r#""Labels":{{"k":"n o","l":"m"}},"StopSignal":"INT","ArgsEscaped":true,"#,
                r#""Healthcheck":{{"Test":["CMD-SHELL","e"],"Interval":5000000000,"Retries":3}},"#,
                r#""OnBuild":["RUN f"],"Shell":["s"]}}"#,
            ),
            path = PATH
        )
    );
    assert!(rest.ends_with(r#""variant":"v6"}"#), "{rest}");
}

#[test]
fn an_image_of_nothing_has_neither_history_nor_layers() {
    let build = build("FROM scratch", ImageFacts::default());
    assert_eq!(
        config_of(&build, None, &scope().platform),
        format!(
            r#"{{"architecture":"amd64","config":{{"Env":["{PATH}"],"WorkingDir":"/"}},"created":null,"history":null,"os":"linux","rootfs":{{"type":"layers","diff_ids":null}}}}"#
        )
    );
}

#[rstest]
#[case("COPY a b /c/", "COPY a b /c/ # buildkit", false)]
#[case(
    "COPY --link --from=tree/x --exclude=y [\"a b\", \"c/\"]",
    "COPY a b c/ # buildkit",
    false
)]
#[case(
    "COPY --chmod=0755 --chown=$given:$given --parents a \"b\"/",
    "COPY --parents --chown=7:7 --chmod=0755 a b/ # buildkit",
    false
)]
#[case(
    "COPY a <<x <<-\"y\" /z/\n1\nx\n2\ny",
    "COPY a <<x <<y /z/ # buildkit",
    false
)]
#[case(
    "ADD --checksum=sha256:0 https://a.example/b c",
    "ADD https://a.example/b c # buildkit",
    false
)]
#[case("ADD a.tar .", "ADD a.tar . # buildkit", false)]
#[case(
    "RUN --network=none --mount=type=tmpfs,target=/t a  $given",
    "RUN /bin/sh -c a  $given # buildkit",
    false
)]
#[case("RUN [\"a\", \"b c\"]", "RUN a b c # buildkit", false)]
#[case(
    "RUN \"a\" \\\n# gone\n  && b",
    "RUN /bin/sh -c \"a\"   && b # buildkit",
    false
)]
#[case(
    "RUN <<-EOF\n\tset -e\n\t  x\n\tEOF",
    "RUN /bin/sh -c set -e\n  x\n # buildkit",
    false
)]
#[case(
    "RUN <<EOF\n#!/bin/x\ny\nEOF",
    "RUN /bin/sh -c /dev/pipes/EOF # buildkit",
    false
)]
#[case(
    "RUN cat <<-E > /z\n\ttab\n\tE",
    "RUN /bin/sh -c cat <<-E > /z\n\ttab\nE # buildkit",
    false
)]
#[case(
    "ARG a=1 b given=2 TARGETARCH",
    "ARG a=1 b given=7 TARGETARCH=amd64",
    true
)]
#[case("ENV a=\"1 2\" b=3", "ENV a=1 2 b=3", true)]
#[case("ENV a 1 2", "ENV a=1 2", true)]
#[case("LABEL a=\"1 2\" b=3", "LABEL a=1 2 b=3", true)]
#[case("WORKDIR a/b", "WORKDIR /a/b", false)]
#[case("WORKDIR /a/", "WORKDIR /a/", false)]
#[case("WORKDIR /", "WORKDIR /", true)]
#[case("USER 1:2", "USER 1:2", true)]
#[case("STOPSIGNAL INT", "STOPSIGNAL INT", true)]
#[case("MAINTAINER a b", "MAINTAINER a b", true)]
#[case(
    "ENTRYPOINT [\"/bin/sh\", \"-c\"]",
    "ENTRYPOINT [\"/bin/sh\" \"-c\"]",
    true
)]
#[case("ENTRYPOINT []", "ENTRYPOINT []", true)]
#[case("CMD a \"b\"", "CMD [\"/bin/sh\" \"-c\" \"a \\\"b\\\"\"]", true)]
#[case("SHELL [\"/bin/sh\", \"-l\", \"-c\"]", "SHELL [/bin/sh -l -c]", true)]
#[case("VOLUME /a /b", "VOLUME [/a /b]", true)]
#[case("EXPOSE 80 443/UDP 1-2", "EXPOSE [1/tcp 2/tcp 443/udp 80/tcp]", true)]
#[case(
    "HEALTHCHECK --interval=5s CMD [\"true\"]",
    "HEALTHCHECK &{[\"CMD\" \"true\"] \"5s\" \"0s\" \"0s\" \"0s\" '\\x00'}",
    true
)]
#[case(
    "HEALTHCHECK --timeout=90s --start-period=1ms --start-interval=1h --retries=3 CMD a b",
    "HEALTHCHECK &{[\"CMD-SHELL\" \"a b\"] \"0s\" \"1m30s\" \"1ms\" \"1h0m0s\" '\\x03'}",
    true
)]
#[case(
    "HEALTHCHECK NONE",
    "HEALTHCHECK &{[\"NONE\"] \"0s\" \"0s\" \"0s\" \"0s\" '\\x00'}",
    true
)]
fn every_step_has_its_text(#[case] body: &str, #[case] text: &str, #[case] empty: bool) {
    let body = if body.contains("$given:") {
        format!("ARG given\n{body}")
    } else {
        body.to_owned()
    };
    let config = from_scratch(&body);
    let entry = config["history"].as_array().unwrap().last().unwrap();
    assert_eq!(entry["created_by"], text);
    assert_eq!(entry["comment"], Profile::STAGEX_2026.comment);
    assert_eq!(entry["created"], "1970-01-01T00:00:01Z");
    assert_eq!(entry.get("empty_layer").is_some(), empty);
}

#[test]
fn a_command_comes_behind_the_arguments_in_scope() {
    let config = from_scratch("ARG b=1\nARG none\nARG given=x\nENV b=\"2 3\"\nARG b=4\nRUN a");
    let entry = config["history"].as_array().unwrap().last().unwrap();
    // The last declaration of `b` counts, in the place of the first.
    assert_eq!(
        entry["created_by"],
        "RUN |3 b=4 none= given=7 /bin/sh -c a # buildkit"
    );
}

#[test]
fn a_trigger_has_no_entry_where_it_is_declared() {
    let config = from_scratch("ONBUILD RUN a");
    assert_eq!(config["history"], serde_json::Value::Null);
    assert_eq!(config["config"]["OnBuild"][0], "RUN a");
}

const BASE: &str = r#"{
    "architecture": "amd64", "os": "linux", "os.version": "1", "variant": "v2", "author": "you",
    "config": {
        "User": "u", "Env": ["A=1"], "Entrypoint": ["e"], "Cmd": ["c"], "WorkingDir": "/w",
        "Labels": {"l": "1"}, "OnBuild": ["RUN trigger"], "Shell": null, "Unknown": 1
    },
    "created": "2001-01-01T00:00:00Z", "docker_version": "1",
    "history": [
        {"created": "2001-02-03T04:05:06.700Z", "created_by": "one"},
        {"created": "1970-01-01T00:00:00Z", "created_by": "two", "empty_layer": true}
    ],
    "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]}
}"#;

#[test]
fn a_base_hands_on_what_it_has() {
    let config = from_base(BASE, "ENV B=$A A=2\nLABEL k=2");
    assert_eq!(
        config["config"],
        serde_json::json!({
            "User": "u",
            "Env": ["A=2", PATH, "B=1"],
            "Entrypoint": ["e"],
            "Cmd": ["c"],
            "WorkingDir": "/w",
            "Labels": {"k": "2", "l": "1"}
        })
    );
    assert_eq!(
        (&config["author"], &config["os.version"]),
        (&"you".into(), &"1".into())
    );
    assert_eq!(config.get("docker_version"), None);
    assert_eq!(config["variant"], "v2");
    let history = config["history"].as_array().unwrap();
    let entries: Vec<_> = history
        .iter()
        .map(|entry| {
            (
                entry["created_by"].as_str().unwrap(),
                entry["created"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("one", "2001-02-03T04:05:06.7Z"),
            ("two", "1970-01-01T00:00:00Z"),
            ("RUN /bin/sh -c trigger # buildkit", "1970-01-01T00:00:01Z"),
            ("ENV B=1 A=2", "1970-01-01T00:00:01Z"),
            ("LABEL k=2", "1970-01-01T00:00:01Z"),
        ]
    );
    assert_eq!(config["created"], "1970-01-01T00:00:01Z");
    assert_eq!(config["rootfs"]["diff_ids"][0], "sha256:base");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
}

#[test]
fn a_base_without_new_steps_keeps_its_last_time() {
    let base = BASE.replace(r#""RUN trigger""#, "");
    let config = from_base(&base, "");
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn times_of_a_base_are_clamped_after_the_first_that_is_missing() {
    let base = r#"{"architecture":"amd64","os":"linux","history":[
        {"created":"2001-01-01T00:00:00Z","empty_layer":true},
        {"empty_layer":true},
        {"created":"2001-01-01T00:00:00Z","empty_layer":true}]}"#;
    let config = from_base(base, "");
    let times: Vec<_> = config["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["created"].as_str().unwrap())
        .collect();
    assert_eq!(
        times,
        [
            "2001-01-01T00:00:00Z",
            "1970-01-01T00:00:01Z",
            "1970-01-01T00:00:01Z"
        ]
    );
}

#[rstest]
#[case("ENTRYPOINT [\"x\"]", None)]
#[case("CMD [\"y\"]\nENTRYPOINT [\"x\"]", Some("y"))]
#[case("ENTRYPOINT [\"x\"]\nCMD [\"y\"]", Some("y"))]
fn an_entrypoint_drops_the_inherited_arguments(#[case] body: &str, #[case] cmd: Option<&str>) {
    let config = from_base(BASE, body);
    assert_eq!(
        config["config"].get("Cmd"),
        cmd.map(|word| serde_json::json!([word])).as_ref()
    );
    assert_eq!(config["config"].get("ArgsEscaped").is_some(), cmd.is_some());
}

#[test]
fn a_cmd_of_an_earlier_stage_counts_as_inherited() {
    let build = build(
        "FROM scratch AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]",
        ImageFacts::default(),
    );
    let text = config_of(&build, None, &scope().platform);
    assert!(
        text.contains(r#""Entrypoint":["e"],"WorkingDir""#),
        "{text}"
    );
    assert!(text.contains(r#""ArgsEscaped":true"#), "{text}");
}

#[test]
fn another_platform_drops_what_was_the_bases() {
    let facts = image_facts(BASE.as_bytes()).unwrap();
    let build = build("FROM tree/base", facts);
    let text = config_of(
        &build,
        Some(BASE.as_bytes()),
        &"linux/arm64/v8".parse().unwrap(),
    );
    assert!(
        text.starts_with(r#"{"architecture":"arm64","author""#),
        "{text}"
    );
    assert!(
        !text.contains("variant") && !text.contains("os.version"),
        "{text}"
    );
}

#[test]
fn a_missing_or_surplus_base_is_refused() {
    let with = build("FROM tree/base", ImageFacts::default());
    let without = build("FROM scratch", ImageFacts::default());
    for (build, base) in [(&with, None), (&without, Some(BASE.as_bytes()))] {
        let error = config(&ConfigRequest {
            base,
            build,
            diff_ids: &[],
            platform: &scope().platform,
            profile: Profile::STAGEX_2026,
        })
        .unwrap_err();
        assert!(matches!(error, ConfigError::BaseMismatch { .. }), "{error}");
    }
}

#[test]
fn a_layer_without_a_step_is_refused() {
    let build = build("FROM scratch\nENV a=b", ImageFacts::default());
    let error = config(&ConfigRequest {
        base: None,
        build: &build,
        diff_ids: &[DiffId(Digest::of(b"layer"))],
        platform: &scope().platform,
        profile: Profile::STAGEX_2026,
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected 0 layers, one for each entry of the history that has one, found 1"
    );
}

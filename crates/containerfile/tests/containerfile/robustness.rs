//! Whatever a file holds, reading it ends with a file or with an error that stands in it.

use containerfile::{Dialect, LowerOptions, lower, parse};
use proptest::prelude::*;

use crate::closed::words;
use crate::lowering::BARE;
use crate::scope;

/// Beginnings of lines, most of which are instructions.
const BEGINNINGS: [&str; 16] = [
    "FROM b",
    "FROM scratch AS ",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV x=",
    "ARG x",
    "ONBUILD RUN ",
    "EXPOSE ",
    "WORKDIR ",
    "SHELL ",
    "LABEL ",
    "USER ",
    "VOLUME ",
    "#",
    "",
];

/// What may follow.
const PIECES: [&str; 30] = [
    "a",
    "b ",
    "/x/ ",
    " ",
    "\t",
    "\r\n",
    "\\\n",
    "`",
    "<<EOF ",
    "<<-'EOF'",
    "3<<",
    "\nEOF\n",
    "EOF",
    "--from=b ",
    "--from=0 ",
    "--mount=from=b,target=/x ",
    "--network=none ",
    "=",
    "$x",
    "${x",
    "}",
    ":-",
    "%.*",
    "//",
    "\"",
    "'",
    "[\"a\", \"b c\"]",
    "#!",
    "é",
    "\n",
];

fn line() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..6);
    (prop::sample::select(&BEGINNINGS[..]), pieces)
        .prop_map(|(beginning, pieces)| format!("{beginning}{}\n", pieces.concat()))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        beginning in prop::sample::select(vec!["", "# escape=`\n", "ARG x=1\n"]),
        lines in prop::collection::vec(line(), 0..6),
        dialect in prop::sample::select(vec![BARE, Dialect::FULL, Dialect { heredocs: false, ..Dialect::FULL }]),
    ) {
        let source = format!("{beginning}FROM scratch AS b\n{}", lines.concat());
        let options = LowerOptions {
            dialect,
            side_context: "side".to_owned(),
            references: std::collections::BTreeMap::new(),
            given: Vec::new(),
            offline: true,
        };
        let result = parse(&source).and_then(|file| {
            let build = file.resolve(&scope())?;
            let lowered = lower(&file, &build, &options).map_err(|mut errors| errors.remove(0))?;
            Ok((build, lowered))
        });
        match result {
            Ok((build, lowered)) => {
                let again = parse(&lowered.text).and_then(|file| file.resolve(&scope()));
                let again = again.map(|again| words(&again, Some(&lowered), true));
                prop_assert_eq!(again, Ok(words(&build, None, true)), "{:?}\n{:?}", source, lowered.text);
            }
            Err(error) => {
                prop_assert!(error.span.start <= error.span.end);
                prop_assert!(error.span.end <= source.len());
                prop_assert!(error.position.line <= source.matches('\n').count() + 1);
            }
        }
    }
}

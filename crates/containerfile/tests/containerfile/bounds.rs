//! A file that is meant to take all memory, or the whole stack, is refused, or read like any other.

use containerfile::{ErrorKind, ExpansionError, parse};
use rstest::rstest;

use crate::scope;

/// Evaluates a file, and returns what is wrong with it.
fn refused(source: &str) -> ErrorKind {
    match parse(source).and_then(|file| file.resolve(&scope())) {
        Ok(build) => panic!("expected an error, found {} stages", build.stages.len()),
        Err(error) => error.kind,
    }
}

/// Returns lines each of which makes a variable as long as two of the one before.
fn doubling(instruction: &str) -> String {
    let line = |n: usize| {
        let before = n - 1;
        format!("{instruction} a{n}=${{a{before}}}${{a{before}}}\n")
    };
    let lines: String = (1..60).map(line).collect();
    format!("{instruction} a0=xxxxxxxx\n{lines}")
}

#[rstest]
#[case::environment(&format!("FROM scratch\n{}", doubling("ENV")))]
#[case::arguments(&format!("FROM scratch\n{}", doubling("ARG")))]
#[case::global_arguments(&format!("{}FROM scratch\n", doubling("ARG")))]
#[case::labels(&format!("FROM scratch\nENV a={}\nLABEL b={}\n", "x".repeat(1 << 10), "$a".repeat(1 << 13)))]
#[case::heredoc(&format!("FROM scratch\nENV a={}\nCOPY <<E /\n{}\nE\n", "x".repeat(1 << 10), "$a".repeat(1 << 13)))]
#[case::replacement(&format!("FROM scratch\nENV a={0} b={0}\nENV c=${{a//?/$b}}\n", "x".repeat(1 << 12)))]
#[case::dropped(&format!("FROM scratch\nENV a={0}\nENV c={1}\n", "x".repeat(1 << 16), "${n:+$a}".repeat(1 << 8)))]
fn a_word_does_not_grow_without_end(#[case] source: &str) {
    let kind = refused(source);
    assert_eq!(kind, ErrorKind::Expansion(ExpansionError::TooLong(4 << 20)));
}

#[rstest]
#[case::values(&format!("FROM scratch\nENV a={}\n{}", "x".repeat(1 << 16), "LABEL b=$a$a\n".repeat(1 << 13)))]
#[case::one_instruction(&format!("FROM scratch\nENV a={}\nLABEL{}\n", "x".repeat(1 << 16), " b=$a".repeat(1 << 13)))]
#[case::what_each_sees(&format!("FROM scratch\nENV a={}\n{}", "x".repeat(1 << 16), "RUN x\n".repeat(1 << 13)))]
#[case::declared_again(&format!("FROM scratch\n{}", "ARG a=1\n".repeat(1 << 13)))]
#[case::ports(&format!("FROM scratch\nEXPOSE{}\n", " 1-65535".repeat(1 << 8)))]
fn all_together_is_bounded(#[case] source: &str) {
    assert_eq!(refused(source), ErrorKind::TooMuch(256));
}

#[test]
fn stages_and_variables_are_counted() {
    let stages = "FROM scratch\n".repeat(1001);
    assert_eq!(refused(&stages), ErrorKind::TooManyStages(1000));
    let pairs: Vec<_> = (0..10_001).map(|n| format!(" a{n}=")).collect();
    let pairs = pairs.concat();
    for instruction in ["ENV", "ARG"] {
        let source = format!("FROM scratch\n{instruction}{pairs}\n");
        assert_eq!(refused(&source), ErrorKind::TooManyVariables(10_000));
    }
    let lines: Vec<_> = (0..10_001).map(|n| format!("ARG a{n}=\n")).collect();
    let kind = refused(&(lines.concat() + "FROM scratch\n"));
    assert_eq!(kind, ErrorKind::TooManyVariables(10_000));
}

#[test]
fn a_file_at_the_bounds_is_taken() {
    let value = "x".repeat(1 << 20);
    let source = format!("FROM scratch\nENV a={value} b=$a$a\nLABEL c=$b$a\n");
    parse(&source).unwrap().resolve(&scope()).unwrap();
    let stages = "FROM scratch\n".repeat(1000);
    parse(&stages).unwrap().resolve(&scope()).unwrap();
    let words = format!(
        "FROM scratch\nENV {}\n",
        "a=${b:-".repeat(64) + &"}".repeat(64)
    );
    parse(&words).unwrap().resolve(&scope()).unwrap();
}

#[rstest]
#[case::environment(&format!("ENV a={}", "${a:-".repeat(100_000)))]
#[case::quoted(&format!("ENV a={}", "\"${a:-".repeat(100_000)))]
#[case::patterns(&format!("ENV a={}", "${a#".repeat(100_000)))]
#[case::heredoc_mark(&format!("COPY <<{} /", "${a:-".repeat(100_000)))]
#[case::array(&format!("CMD {}", "[".repeat(100_000)))]
#[case::object(&format!("CMD [{}", "{\"a\":".repeat(100_000)))]
#[case::triggers(&"ONBUILD ".repeat(100_000))]
#[case::flags(&format!("RUN {}", "--mount=".repeat(100_000)))]
#[case::heredocs(&format!("COPY {}", "<<E ".repeat(100_000)))]
#[case::one_word(&format!("ENV a={}", "x".repeat(3 << 20)))]
#[case::continuations(&format!("RUN {}", "\\\n".repeat(1 << 20)))]
#[case::long_pattern(&format!("ENV a={0}\nENV b=${{a#{0}}}", "?".repeat(1 << 16)))]
fn what_is_nested_deep_or_long_ends(#[case] instruction: &str) {
    let source = format!("FROM scratch\n{instruction}\n");
    // Whether it is right is for other tests; here it does not take the stack, or all memory.
    let _ = parse(&source).and_then(|file| file.resolve(&scope()));
}

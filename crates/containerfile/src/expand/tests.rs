//! Words as a shell would read them, and those that are refused.

use super::*;
use rstest::rstest;

fn lookup(name: &str) -> Option<String> {
    match name {
        "set" => Some("value".to_owned()),
        "empty" => Some(String::new()),
        "version" => Some("3.14.2".to_owned()),
        "path" => Some("a/b/c".to_owned()),
        "two" => Some("x  y".to_owned()),
        _ => None,
    }
}

#[rstest]
#[case("plain", "plain")]
#[case("$set", "value")]
#[case("${set}s", "values")]
#[case("$setx", "")]
#[case("$set.x", "value.x")]
#[case("$", "$")]
#[case("$.", "$.")]
#[case(r"\$set", "$set")]
#[case("'$set'", "$set")]
#[case(r#""$set""#, "value")]
#[case(r#""a\"b\c""#, r#"a"b\c"#)]
#[case(r"a\ b", "a b")]
#[case("a  b", "a  b")]
#[case("${unset:-x}", "x")]
#[case("${empty:-x}", "x")]
#[case("${empty-x}", "")]
#[case("${unset-x}", "x")]
#[case("${set:-x}", "value")]
#[case("${set:+x}", "x")]
#[case("${empty:+x}", "")]
#[case("${empty+x}", "x")]
#[case("${unset+x}", "")]
#[case("${set:?m}", "value")]
#[case("${empty?m}", "")]
#[case("${unset:-${set}}", "value")]
#[case("${unset:-a b}", "a b")]
#[case("${path#*/}", "b/c")]
#[case("${path##*/}", "c")]
#[case("${version%.*}", "3.14")]
#[case("${version%%.*}", "3")]
#[case("${version/./_}", "3_14.2")]
#[case("${version//./_}", "3_14_2")]
#[case(r"${path//\//-}", "a-b-c")]
#[case("${version//./}", "3142")]
#[case("$1x", "x")]
#[case("é$set", "évalue")]
fn words_expand(#[case] word: &str, #[case] expected: &str) {
    assert_eq!(expand(word, Rules::word('\\'), &lookup).unwrap(), expected);
}

#[rstest]
#[case("'x", ExpansionError::Unclosed('\''))]
#[case("\"x", ExpansionError::Unclosed('"'))]
#[case("${set", ExpansionError::MissingBrace)]
#[case("${", ExpansionError::MissingBrace)]
#[case("${set:-x", ExpansionError::MissingBrace)]
#[case("${set/x}", ExpansionError::MissingSlash)]
#[case("${}", ExpansionError::BadSubstitution)]
#[case("${{x}", ExpansionError::BadSubstitution)]
#[case("${set:#x}", ExpansionError::UnknownModifier(":#".to_owned()))]
#[case("${set^}", ExpansionError::UnknownModifier("^".to_owned()))]
#[case(r"${set#\a}", ExpansionError::BadEscape('a'))]
fn bad_words_are_refused(#[case] word: &str, #[case] expected: ExpansionError) {
    assert_eq!(
        expand(word, Rules::word('\\'), &lookup).unwrap_err(),
        expected
    );
}

#[rstest]
#[case("${unset:?give one}", "unset: give one")]
#[case("${empty:?}", "empty: must be set, and is not")]
fn a_required_variable_is_named(#[case] word: &str, #[case] expected: &str) {
    let error = expand(word, Rules::word('\\'), &lookup).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_escape_may_be_a_backtick() {
    assert_eq!(
        expand(r"c:\$set`$set", Rules::word('`'), &lookup).unwrap(),
        r"c:\value$set"
    );
}

#[test]
fn quotes_in_a_heredoc_body_are_ordinary() {
    assert_eq!(
        expand("'$set' \"\\$set\" it's\n", Rules::heredoc_body(), &lookup).unwrap(),
        "'value' \"$set\" it's\n"
    );
}

#[test]
fn words_split_after_expansion_unless_quoted() {
    assert_eq!(
        words(r#"a $two "$two" b\ c"#, Rules::word('\\'), &lookup).unwrap(),
        ["a", "x", "y", "x  y", "b c"]
    );
}

/// As `BuildKit` 0.26 splits them: all words share one buffer.
#[rstest]
#[case("80${unset:-80} 9000", &["80", "9000"])]
#[case("80${set:+81}", &["81"])]
#[case("a${set}", &["avalue"])]
#[case("a b${set:-x}c d", &["a", "valuec", "d"])]
#[case(r#"a"b${unset:-x}"c"#, &["bxc"])]
#[case("a${unset:-b${unset:-c}}", &["bc"])]
#[case("a${path%/*}", &["a/b"])]
#[case("a${empty:-}b", &["b"])]
#[case("\u{feff}a", &["a"])]
fn a_modifier_takes_the_place_of_what_stands_before_it(
    #[case] text: &str,
    #[case] expected: &[&str],
) {
    assert_eq!(words(text, Rules::word('\\'), &lookup).unwrap(), expected);
}

#[test]
fn a_heredoc_word_keeps_the_blanks_after_its_mark() {
    let rules = Rules {
        quotes: Quotes::Keep,
        escapes: Escapes::Keep,
        unset: Unset::Keep,
        ..Rules::word('\\')
    };
    assert_eq!(
        words(r#"cat << "E" >$x ${y:-z}"#, rules, &|_| None).unwrap(),
        ["cat", r#"<< "E""#, ">$x", "${y:-z}"]
    );
}

//! Reading a Containerfile for what the rules name.

use containerfile::{Containerfile, Instruction, Position, Statement};

use crate::rule::Rule;
use crate::words::{Word, words};

/// Something that differs between engines, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub rule: Rule,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What was found there.
    pub found: String,
}

/// Returns what in a Containerfile lets a build notice which engine runs it, in the order of
/// the file. `source` is the file's text.
pub fn check(source: &str, file: &Containerfile) -> Vec<Warning> {
    let statements = file.stages.iter().flat_map(|stage| &stage.statements);
    let mut warnings: Vec<_> = statements
        .flat_map(|statement| of_statement(source, statement))
        .collect();
    warnings.dedup_by(|a, b| a.rule == b.rule && a.line == b.line);
    warnings
}

fn of_statement(source: &str, statement: &Statement) -> Vec<Warning> {
    let warning = |rule, start: usize, found: &str| {
        let position = Position::in_source(source, start);
        Warning {
            rule,
            line: position.line,
            column: position.column,
            found: found.to_owned(),
        }
    };
    let begin = statement.span.start;
    match &statement.instruction {
        Instruction::Run(_) => {
            let text = statement.span.of(source);
            let words = words(text);
            let found = (0..words.len()).filter_map(|place| Some((place, rule(&words, place)?)));
            found
                .map(|(place, rule)| {
                    let word = words[place];
                    warning(rule, begin + word.start, word.text)
                })
                .collect()
        }
        Instruction::Copy(copy) => {
            let odd = copy
                .sources
                .heredocs
                .iter()
                .any(|heredoc| !heredoc.name.is_ascii())
                || (!copy.sources.heredocs.is_empty() && !copy.sources.destination.is_ascii());
            let found = odd.then(|| warning(Rule::HeredocName, begin, &copy.sources.destination));
            found.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the rule that the word at `place` falls under, if there is one.
fn rule(words: &[Word<'_>], place: usize) -> Option<Rule> {
    let word = words[place];
    let next = words.get(place + 1).filter(|next| !next.leads);
    let command = words[..=place].iter().rev().find(|word| word.leads)?;
    match word.text {
        "hostname" if word.leads => Some(Rule::HostName),
        "$HOSTNAME" => Some(Rule::HostName),
        "uname" if word.leads && next.is_some_and(|next| names_the_node(next.text)) => {
            Some(Rule::HostName)
        }
        "/etc/hosts" | "/etc/hostname" | "/etc/resolv.conf" => Some(Rule::NetworkFiles),
        "/dev" | "/dev/" | "/dev/*" => Some(Rule::Devices),
        "/" if ["ls", "stat", "find", "du"].contains(&command.text) => Some(Rule::Root),
        "/proc/self/limits" => Some(Rule::Limits),
        _ => None,
    }
}

/// Tells whether these options of uname print the host's name.
fn names_the_node(options: &str) -> bool {
    options == "--nodename"
        || options == "--all"
        || options
            .strip_prefix('-')
            .is_some_and(|flags| !flags.starts_with('-') && flags.contains(['n', 'a']))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rules(body: &str) -> Vec<(Rule, usize, usize)> {
        let source = format!("FROM scratch\n{body}");
        let file = containerfile::parse(&source).unwrap();
        let warnings = check(&source, &file);
        warnings
            .iter()
            .map(|warning| (warning.rule, warning.line, warning.column))
            .collect()
    }

    #[rstest]
    #[case("RUN hostname > /a", Rule::HostName, 2, 5)]
    #[case("RUN echo $HOSTNAME", Rule::HostName, 2, 10)]
    #[case("RUN [\"hostname\"]", Rule::HostName, 2, 7)]
    #[case("RUN a && \\\n  uname -an", Rule::HostName, 3, 3)]
    #[case("RUN cat /etc/hosts", Rule::NetworkFiles, 2, 9)]
    #[case("RUN ls /dev", Rule::Devices, 2, 8)]
    #[case("RUN stat -c %a /", Rule::Root, 2, 16)]
    #[case("RUN cat </proc/self/limits", Rule::Limits, 2, 10)]
    #[case("RUN <<E\nx\nls -la /\nE", Rule::Root, 4, 8)]
    #[case("COPY <<é /é\nE\né\n", Rule::HeredocName, 2, 1)]
    fn what_differs_is_seen(
        #[case] body: &str,
        #[case] rule: Rule,
        #[case] line: usize,
        #[case] column: usize,
    ) {
        assert_eq!(rules(body), [(rule, line, column)]);
    }

    #[rstest]
    #[case("RUN cp /rootfs/etc/hosts x > /dev/null")]
    #[case("RUN uname -m; ./configure --hostname x")]
    #[case("RUN tar -C / -xf a; cp -R a /")]
    #[case("COPY --from=a /etc/hosts /")]
    #[case("ENV HOSTNAME=a")]
    fn what_does_not_differ_is_left_alone(#[case] body: &str) {
        assert_eq!(rules(body), []);
    }
}

//! A badge: a small picture with a word and a number, for a README elsewhere.

use std::fmt::Write as _;

use documents::{Report, ReportAnswer};

/// Returns the badge of a report: how many of all packages are reproduced.
pub(crate) fn badge(report: &Report) -> String {
    let colour = match report.answer {
        ReportAnswer::Yes => "#1a7f37",
        ReportAnswer::NotYet => "#8a5a00",
        ReportAnswer::No => "#b42318",
    };
    let counts = &report.counts;
    let text = format!("{} of {}", counts.reproduced, counts.packages);
    // Seven units for each character is what Verdana takes at most at this size.
    let width = 10 + 7 * text.len();
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" \
         aria-label=\"reproduced: {text}\"><title>reproduced: {text}</title>\
         <rect width=\"{all}\" height=\"20\" rx=\"3\" fill=\"#3b4252\"/>\
         <path d=\"M84 0h{rest}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H84z\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"42\" y=\"14\">reproduced</text><text x=\"{middle}\" y=\"14\">{text}</text></g></svg>",
        all = 84 + width,
        rest = width - 3,
        middle = 84 + width / 2,
    );
    svg
}

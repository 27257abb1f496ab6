//! The types, their schemas and the page for people, side by side.

mod page;
mod schema;

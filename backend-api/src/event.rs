//! What a backend says while it works.

use crate::step::StepId;

/// Something that happens during a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The engine printed a line.
    Output {
        /// The step that it belongs to, where the engine says so.
        step: Option<StepId>,
        /// The line, without its end.
        line: String,
    },
    /// Something that a person should know although the build goes on.
    Notice {
        /// One sentence.
        message: String,
    },
}

/// Takes events. It must not block for long: it is called between two reads of a child's output.
pub trait Events: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Takes events and forgets them.
impl Events for () {
    fn emit(&self, _event: Event) {}
}

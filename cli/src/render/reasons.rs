//! Why packages are built, remembered while somebody else shows it: for what is printed at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use build::{Event, Listener};
use documents::Reason;

/// Remembers the reasons of what begins, and hands everything on.
pub(crate) struct Reasons {
    next: Arc<dyn Listener>,
    found: Mutex<BTreeMap<String, Vec<Reason>>>,
}

impl Reasons {
    /// Hands everything on to `next`.
    pub(crate) fn before(next: Arc<dyn Listener>) -> Self {
        Self {
            next,
            found: Mutex::default(),
        }
    }

    /// Returns why each package was begun, by its name.
    pub(crate) fn found(&self) -> BTreeMap<String, Vec<Reason>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone()
    }
}

impl Listener for Reasons {
    fn hear(&self, event: Event) {
        if let Event::Started { package, reasons } = &event {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.insert(package.clone(), reasons.clone());
        }
        self.next.hear(event);
    }
}

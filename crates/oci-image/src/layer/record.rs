//! What a canonical layer records, entry by entry in its order. It does not know bytes.

use std::sync::Arc;

use super::content::Content;
use crate::entry::Inode;
use crate::path::TreePath;

/// An entry of a canonical layer.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The name; of a deletion, the name that is deleted.
    pub(crate) path: TreePath,
    /// What it says.
    pub(crate) change: Change,
}

/// What an entry says of its name.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It is this file now.
    Put(Arc<Inode<Content>>),
    /// It is another name of this file, which the layer has under `leader`.
    Link {
        inode: Arc<Inode<Content>>,
        leader: TreePath,
    },
    /// It is gone.
    Delete,
}

//! A StageX package tree: packages, dependencies, order, targets.

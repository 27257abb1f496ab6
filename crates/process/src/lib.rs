//! Children: environment, limits, process groups, logs.

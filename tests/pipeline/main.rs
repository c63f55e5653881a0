//! Whole pipelines.

//! The chain of errors that an error of the SDK has as its cause.

use std::error::Error;

/// Returns the first error of this type in the chain.
pub(crate) fn source<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Returns the cause at the bottom of the chain: "Connection refused (os error 111)" instead of five wrappers around
/// it.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

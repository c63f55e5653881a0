//! Mutexes of which nobody minds the poison: what they hold is whole between any two steps, and a bug that one attempt
//! brings to light must not cost the others their records.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Locks a mutex and ignores poison. What these mutexes hold is consistent between any two steps, so a panic in one
//! host's thread does not cost other hosts their records.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

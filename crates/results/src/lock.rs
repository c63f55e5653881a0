//! Locks a mutex and ignores poison. The data in these mutexes is always consistent, so after a panic in one host's thread
//! the other hosts still get their records.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

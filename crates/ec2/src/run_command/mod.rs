//! SSM Run Command: sends a command to instances, lists its invocations, cancels it. An invocation is the command on one
//! instance.

pub(crate) mod agent;
pub(crate) mod invocation;
pub(crate) mod send;

//! The volumes of a host: which ones are kept for it, what is to be attached, how they are tagged, and the script that
//! assembles them.

pub mod attach;
pub mod boot_script;
pub mod choose;
pub mod look_up;
mod matching;
pub mod slot;

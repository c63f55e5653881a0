//! What an SFTP server says of a file.

use libssh2_sys as raw;
use std::ffi::c_ulong;

/// What a server says of a file; each part may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub uid: Option<u32>,
    /// Type and permissions, as `st_mode`.
    pub mode: Option<u32>,
    /// Access and modification time, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn to_raw(self) -> raw::LIBSSH2_SFTP_ATTRIBUTES {
        let flag = |present: bool, flag: c_ulong| if present { flag } else { 0 };
        let (atime, mtime) = self.times.unwrap_or_default();
        raw::LIBSSH2_SFTP_ATTRIBUTES {
            flags: flag(self.size.is_some(), raw::LIBSSH2_SFTP_ATTR_SIZE)
                | flag(self.mode.is_some(), raw::LIBSSH2_SFTP_ATTR_PERMISSIONS)
                | flag(self.times.is_some(), raw::LIBSSH2_SFTP_ATTR_ACMODTIME),
            filesize: self.size.unwrap_or_default(),
            // Never set: files belong to whoever logs in.
            uid: 0,
            gid: 0,
            permissions: self.mode.unwrap_or_default().into(),
            atime: atime.into(),
            mtime: mtime.into(),
        }
    }

    pub(super) fn from_raw(from: &raw::LIBSSH2_SFTP_ATTRIBUTES) -> Attributes {
        let has = |flag: c_ulong| from.flags & flag != 0;
        Attributes {
            size: has(raw::LIBSSH2_SFTP_ATTR_SIZE).then_some(from.filesize),
            uid: has(raw::LIBSSH2_SFTP_ATTR_UIDGID).then_some(from.uid as u32),
            mode: has(raw::LIBSSH2_SFTP_ATTR_PERMISSIONS).then_some(from.permissions as u32),
            times: has(raw::LIBSSH2_SFTP_ATTR_ACMODTIME).then_some((from.atime as u32, from.mtime as u32)),
        }
    }
}

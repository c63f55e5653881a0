//! Public-key login with signatures of our own making (RFC 4252 section 7): `libssh2_userauth_publickey`, which the
//! `ssh2` crate does not bind.
//!
//! libssh2 asks for a signature through a callback. Ours only notes what is to be signed and says "would block": the
//! signature is made outside of C, with our deadlines, and handed over when libssh2 asks again.

use libssh2_sys as raw;
use ssh2::{Error, Session};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{mem, ptr, slice};

type Callback = unsafe extern "C" fn(
    *mut raw::LIBSSH2_SESSION,
    *mut *mut u8,
    *mut usize,
    *const u8,
    usize,
    *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    /// In the libssh2 that libssh2-sys 0.3.4 builds (`src/userauth.c`), and not in its bindings.
    fn libssh2_userauth_publickey(
        session: *mut raw::LIBSSH2_SESSION,
        username: *const c_char,
        pubkeydata: *const u8,
        pubkeydata_len: usize,
        sign: Callback,
        context: *mut *mut c_void,
    ) -> c_int;
    /// libssh2 frees the signature with its session's allocator, which for the `ssh2` crate's sessions is this one.
    fn malloc(size: usize) -> *mut c_void;
}

/// Returns the login methods that the server accepts from a user, as a list with commas, or `None` where the server lets
/// the user in without any. One try, which never blocks.
pub fn accepted_methods(session: &Session, user: &str) -> Result<Option<String>, Error> {
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked; the name is as long as said. The list is null, or ends in a zero and stays
    // as it is until the next call.
    let list = unsafe {
        let list = raw::libssh2_userauth_list(&mut *locked, user.as_ptr().cast(), user.len() as c_uint);
        (!list.is_null()).then(|| CStr::from_ptr(list).to_string_lossy().into_owned())
    };
    drop(locked);
    match list {
        Some(list) => Ok(Some(list)),
        None if session.authenticated() => Ok(None),
        None => Err(Error::last_session_error(session).unwrap_or_else(Error::unknown)),
    }
}

/// One key offered to the server.
pub struct KeyOffer<'a> {
    session: &'a Session,
    user: CString,
    public: &'a [u8],
    signature: Signature,
}

/// Where the signature stands.
#[derive(Debug)]
enum Signature {
    Unasked,
    HostKeyQuery(Vec<u8>),
    Made(Vec<u8>),
    /// None will come.
    Refused,
    /// Not with this algorithm: libssh2 asks again with the key type's own (RFC 8332 section 3.3).
    OtherAlgorithm,
}

/// What one try came to.
#[derive(Debug)]
pub enum Step {
    /// The server took the key. That it is enough only `Session::authenticated` tells.
    Accepted,
    /// Wait for the socket, then try again.
    Wait,
    /// Sign this, answer, then try again: the server knows the key.
    Sign(Vec<u8>),
}

impl<'a> KeyOffer<'a> {
    /// `public` is the key or the certificate as the protocol has it. A name with a zero byte is nobody's.
    pub fn new(session: &'a Session, user: &str, public: &'a [u8]) -> Option<KeyOffer<'a>> {
        let user = CString::new(user).ok()?;
        Some(KeyOffer { session, user, public, signature: Signature::Unasked })
    }

    /// One try, which never blocks. After an error this offer is over.
    pub fn step(&mut self) -> Result<Step, Error> {
        let mut locked = self.session.raw();
        let mut context: *mut c_void = ptr::from_mut(&mut self.signature).cast();
        // SAFETY: the session is alive and locked; the name ends in a zero; the key is as long as said; `sign` gets
        // `context` back during this call only, and it points to a Signature that nobody else uses meanwhile.
        let rc = unsafe {
            libssh2_userauth_publickey(
                &mut *locked,
                self.user.as_ptr(),
                self.public.as_ptr(),
                self.public.len(),
                sign,
                &mut context,
            )
        };
        drop(locked);
        match rc {
            0 => Ok(Step::Accepted),
            raw::LIBSSH2_ERROR_EAGAIN => match &mut self.signature {
                Signature::HostKeyQuery(data) => Ok(Step::Sign(mem::take(data))),
                _ => Ok(Step::Wait),
            },
            rc => Err(Error::from_session_error(self.session, rc)),
        }
    }

    /// The signature as libssh2 wants it: what follows the algorithm's name, see `agent_sign` in libssh2's `agent.c`.
    pub fn answer(&mut self, signature: Vec<u8>) {
        self.signature = Signature::Made(signature);
    }

    pub fn answer_other_algorithm(&mut self) {
        self.signature = Signature::OtherAlgorithm;
    }

    /// There will be no signature: the next step ends the offer and leaves the session fit for another.
    pub fn refuse(&mut self) {
        self.signature = Signature::Refused;
    }
}

/// SAFETY: called by libssh2 from within `step`, with its `context`; `data` is `len` bytes, and the other two are to be
/// written.
unsafe extern "C" fn sign(
    _: *mut raw::LIBSSH2_SESSION,
    signature: *mut *mut u8,
    signature_len: *mut usize,
    data: *const u8,
    len: usize,
    context: *mut *mut c_void,
) -> c_int {
    // Nothing here panics; a bug must not unwind through C all the same.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as above.
        let (state, data) = unsafe { (&mut *(*context).cast::<Signature>(), slice::from_raw_parts(data, len)) };
        match mem::replace(state, Signature::Unasked) {
            Signature::Unasked | Signature::HostKeyQuery(_) => {
                *state = Signature::HostKeyQuery(data.to_vec());
                raw::LIBSSH2_ERROR_EAGAIN
            }
            Signature::Made(made) => {
                // SAFETY: as many bytes are copied as were allocated; at least one, so that none is no failure.
                unsafe {
                    let copy = malloc(made.len().max(1)).cast::<u8>();
                    if copy.is_null() {
                        return raw::LIBSSH2_ERROR_ALLOC;
                    }
                    ptr::copy_nonoverlapping(made.as_ptr(), copy, made.len());
                    *signature = copy;
                    *signature_len = made.len();
                }
                0
            }
            Signature::Refused => raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED,
            Signature::OtherAlgorithm => raw::LIBSSH2_ERROR_ALGO_UNSUPPORTED,
        }
    }));
    answer.unwrap_or(raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
}

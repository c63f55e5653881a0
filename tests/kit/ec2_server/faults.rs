//! Faults that a test schedules: which call goes wrong, and how.

use super::params::{ApiError, Params};
use std::sync::Arc;
use std::time::Duration;

/// A fault. "Before" and "after" mean before and after the effect of the call.
#[derive(Clone)]
pub enum Fault {
    /// The call is throttled: RequestLimitExceeded, or SSM's ThrottlingException. It has no effect.
    Throttle,
    /// The call is refused with this error. It has no effect.
    Refuse(ApiError),
    /// HTTP status 500, InternalError.
    ErrorBefore,
    ErrorAfter,
    /// The connection is closed without an answer.
    CutBefore,
    CutAfter,
    /// The connection is closed in the middle of the answer.
    HalfAnswer,
    /// There is no answer.
    SilenceBefore,
    SilenceAfter,
    /// The answer is delayed by this time.
    Delay(Duration),
    /// The function is called, then the connection is closed without an answer.
    RunBefore(Arc<dyn Fn() + Send + Sync>),
    RunAfter(Arc<dyn Fn() + Send + Sync>),
}

impl Fault {
    pub fn refuse(status: u16, code: &str, message: &str) -> Fault {
        Fault::Refuse(ApiError::server(status, code, message))
    }

    pub fn unauthorized() -> Fault {
        Fault::refuse(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
    }
}

type Matches = Box<dyn Fn(&Params) -> bool + Send + Sync>;

/// Selects the calls that get a fault: by default, the next call of any kind.
pub struct Rule {
    action: Option<String>,
    region: Option<String>,
    matches: Option<Matches>,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    pub fn any(fault: Fault) -> Rule {
        Rule { action: None, region: None, matches: None, skip: 0, times: 1, fault }
    }

    pub fn on(action: &str, fault: Fault) -> Rule {
        Rule { action: Some(action.to_string()), ..Rule::any(fault) }
    }

    /// Selects only calls in this region.
    pub fn in_region(self, region: &str) -> Rule {
        Rule { region: Some(region.to_string()), ..self }
    }

    /// Selects only calls with such parameters.
    pub fn only(self, matches: impl Fn(&Params) -> bool + Send + Sync + 'static) -> Rule {
        Rule { matches: Some(Box::new(matches)), ..self }
    }

    /// Skips this many calls first.
    pub fn after(self, skip: usize) -> Rule {
        Rule { skip, ..self }
    }

    pub fn times(self, times: usize) -> Rule {
        Rule { times, ..self }
    }

    pub fn always(self) -> Rule {
        self.times(usize::MAX)
    }

    pub(super) fn is_left(&self) -> bool {
        self.times > 0
    }

    /// Returns the fault for this call, if the rule selects it and is not used up.
    pub(super) fn apply(&mut self, action: &str, region: &str, params: &Params) -> Option<Fault> {
        let is_for = self.action.as_deref().is_none_or(|wanted| wanted == action)
            && self.region.as_deref().is_none_or(|wanted| wanted == region)
            && self.matches.as_ref().is_none_or(|matches| matches(params));
        if !is_for || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times -= 1;
        Some(self.fault.clone())
    }
}

//! Which requests are not answered as the provider would.

use crate::server::{Seen, Vice};

/// Which requests, which vice, and how often still.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// `METHOD target`, or the beginning of one; the method may be left out.
    pub(super) requests: String,
    pub(super) vice: Vice,
    /// `None` is for ever.
    pub(super) left: Option<u32>,
}

impl Script {
    /// Whether this request is meant; `target` is without the base path.
    pub(super) fn means(&self, request: &Seen, target: &str) -> bool {
        self.left != Some(0)
            && match self.requests.split_once(' ') {
                Some((method, prefix)) => method == request.method && target.starts_with(prefix),
                None => target.starts_with(&self.requests),
            }
    }
}

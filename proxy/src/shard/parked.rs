//! A request that waits for its turn, in as little memory as it can: the future that would forward
//! it is dropped meanwhile, and its bytes are packed.

use crate::buf::Packed;
use crate::fault::Failure;
use crate::shard::exchange::Forwarding;
use crate::shard::turn::Place;

/// A request in the waiting room.
pub(crate) struct Parked<'c> {
    /// Left before the call goes on or ends.
    place: Place<'c>,
    /// Without its bytes.
    forwarding: Forwarding<'c>,
    send: Option<Packed>,
    rest: Option<Packed>,
}

/// A request after its wait.
pub(crate) struct Resumed<'c> {
    parked: Box<Parked<'c>>,
    /// `Err`: there is no answer but a failure, or nobody who waits for one.
    waited: Result<(), Option<Failure>>,
}

impl<'c> Parked<'c> {
    pub(crate) fn new(mut forwarding: Forwarding<'c>, place: Place<'c>) -> Box<Self> {
        let request = &mut forwarding.request;
        Box::new(Self {
            place,
            send: request.send.take().map(Packed::new),
            rest: request.rest.take().map(Packed::new),
            forwarding,
        })
    }

    /// Waits for the turn, or for what makes waiting pointless.
    pub(crate) async fn wait(mut self: Box<Self>) -> Resumed<'c> {
        let Self {
            place, forwarding, ..
        } = &mut *self;
        let waited = place.wait(&mut forwarding.plan).await;
        Resumed {
            parked: self,
            waited,
        }
    }
}

impl<'c> Resumed<'c> {
    /// The request as it was, and how its wait ended.
    pub(crate) fn unpack(self) -> (Forwarding<'c>, Result<(), Option<Failure>>) {
        let Parked {
            place,
            mut forwarding,
            send,
            rest,
        } = *self.parked;
        drop(place);
        forwarding.request.send = send.map(Packed::into_buf);
        forwarding.request.rest = rest.map(Packed::into_buf);
        (forwarding, self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_request_is_small() {
        let bytes = size_of::<Parked<'_>>();
        assert!(
            bytes <= 512,
            "{bytes} bytes: one size class less than the next"
        );
    }
}

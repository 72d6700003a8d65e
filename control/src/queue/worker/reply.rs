//! The body of a reply: kept up to a bound, or read to its end and forgotten.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::line::describe;
use crate::queue::attempt::Kept;
use crate::queue::backend::Claim;
use crate::queue::embedded::{PART_BYTES, PARTS_MAX};

/// What is to be done with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing of it: nobody asked for it.
    Nothing,
    /// Its first bytes, at most this many.
    First(u64),
    /// It failed and will be asked for again: what comes soon is read, so that the connection can
    /// be used again.
    Glance,
}

/// What was kept, with the number of its last part; and whether the body was read to its end.
pub(super) struct Read {
    pub(super) kept: Option<(Kept, i64)>,
    pub(super) whole: bool,
}

/// Reads a body.
///
/// # Errors
/// It was cut, or could not be kept; the text says which.
pub(super) async fn read(
    mut body: Incoming,
    keep: Keep,
    claim: &mut Claim,
) -> Result<Read, String> {
    let most = match keep {
        Keep::First(most) => most,
        Keep::Nothing | Keep::Glance => 0,
    };
    let mut kept = Kept::default();
    let (mut part, mut seen) = (0, 0_u64);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the reply was cut: {}", describe(&error)))?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        seen += bytes.len() as u64;
        if keep == Keep::Glance && seen > GLANCE_BYTES {
            return Ok(Read {
                kept: None,
                whole: false,
            });
        }
        let room = usize::try_from(most - kept.bytes).unwrap_or(usize::MAX);
        let taken = bytes.len().min(room);
        kept.cut |= taken < bytes.len() && matches!(keep, Keep::First(_));
        kept.bytes += taken as u64;
        kept.tail.extend_from_slice(&bytes[..taken]);
        while kept.tail.len() > PART_BYTES && part + 1 < PARTS_MAX {
            let rest = kept.tail.split_off(PART_BYTES);
            let full = std::mem::replace(&mut kept.tail, rest);
            claim.keep(part, full).await.map_err(|e| e.to_string())?;
            part += 1;
        }
    }
    Ok(Read {
        kept: matches!(keep, Keep::First(_)).then_some((kept, part)),
        whole: true,
    })
}

const GLANCE_BYTES: u64 = 64 * 1024;

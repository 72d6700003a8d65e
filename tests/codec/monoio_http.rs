//! A connection as monoio-http's decoder reads it.

use bytes::BytesMut;
use monoio_codec::{Decoded, Decoder};
use monoio_http::common::request::{Request, RequestHead};
use monoio_http::h1::codec::decoder::{
    ChannelWrapper, GenericHeadDecoder, NextDecoder, RequestHeadDecoder,
};

use super::{End, Reading, Seen};

/// Reads a connection's bytes, all received at once.
pub(super) fn read(stream: &[u8]) -> Reading {
    let mut bytes = BytesMut::from(stream);
    let mut requests = Vec::new();
    let end = loop {
        match next(&mut bytes) {
            Ok(request) => requests.push(request),
            Err(end) => break end,
        }
    };
    Reading { requests, end }
}

fn next(bytes: &mut BytesMut) -> Result<Seen, End> {
    if bytes.is_empty() {
        return Err(End::Clean);
    }
    let mut decoder = GenericHeadDecoder::<Request, RequestHeadDecoder, ChannelWrapper>::default();
    let (request, body) = decode(&mut decoder, bytes)?;
    let (head, _): (RequestHead, _) = request.into_parts();
    let body = match body {
        NextDecoder::None => Vec::new(),
        NextDecoder::Fixed(mut decoder, _) => decode(&mut decoder, bytes)?.to_vec(),
        NextDecoder::Streamed(mut decoder, _) => {
            let mut body = Vec::new();
            while let Some(chunk) = decode(&mut decoder, bytes)? {
                body.extend_from_slice(&chunk);
            }
            body
        }
    };
    let target = head.uri.path_and_query();
    Ok(Seen {
        method: head.method.to_string(),
        target: target.map(ToString::to_string).unwrap_or_default(),
        body,
    })
}

/// One item; all bytes are there, so what is missing will not come.
fn decode<D: Decoder>(decoder: &mut D, bytes: &mut BytesMut) -> Result<D::Item, End> {
    match decoder.decode(bytes) {
        Ok(Decoded::Some(item)) => Ok(item),
        Ok(Decoded::Insufficient | Decoded::InsufficientAtLeast(_)) => Err(End::Incomplete),
        Err(_) => Err(End::Refused),
    }
}

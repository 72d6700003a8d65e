//! No path that is sent to a function can be read as another path by the laxest server behind us.

use ringway_proxy::route::{Route, route as classify};

/// A raw path of bytes that a target may have; the target's parser refuses the others.
pub fn route(path: &[u8]) {
    if !path
        .iter()
        .all(|b| (b'!'..=b'~').contains(b) && !b"\"<>^`{}|#".contains(b))
    {
        return;
    }
    match classify(path) {
        Route::Function { name, rest } => {
            assert!(path.starts_with(b"/function/"));
            assert_eq!(path[b"/function/".len()..], [name, rest].concat());
            let prefix = [b"/function/", name].concat();
            for times in 0..=1 {
                let read = laxest(path, times);
                let behind = read.strip_prefix(prefix.as_slice());
                assert!(
                    behind.is_some_and(|b| b.is_empty() || b[0] == b'/'),
                    "read as {:?}",
                    String::from_utf8_lossy(&read)
                );
            }
        }
        Route::Redirect(cleaned) => {
            assert_ne!(cleaned, path, "a redirect to itself never ends");
            assert!(cleaned.starts_with(b"/") && !cleaned.starts_with(b"//"));
        }
        Route::Fallback | Route::Refuse(_) => {}
    }
}

/// The path as a server may read it that decodes it so many times, takes `\` for `/`, resolves
/// dot segments and merges slashes.
fn laxest(path: &[u8], times: usize) -> Vec<u8> {
    let mut decoded = path.to_vec();
    for _ in 0..times {
        decoded = decode(&decoded);
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|b| matches!(b, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.iter().flat_map(|s| [b"/", *s].concat()).collect()
}

fn decode(path: &[u8]) -> Vec<u8> {
    let digit = |b: Option<&u8>| char::from(*b?).to_digit(16);
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match (byte, digit(path.get(at + 1)), digit(path.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

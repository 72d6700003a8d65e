//! Request path → function, control plane, redirect or refusal; pure.
//!
//! **Invariant:** if [`route`] answers `Function`, then every reading of the path that another
//! server may take (decoded once, `\` as `/`, dot segments resolved, slashes merged) is still a
//! path of that function. All that is not canonical goes to the side that authenticates.

use crate::fault::Reject;
use crate::http::Refusal;
use crate::name;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// A canonical `/function/<name>…`.
    Function {
        /// Valid by [`name::check`](crate::name): `name` or `name.namespace`.
        name: &'p [u8],
        /// The raw path after the name: empty, or beginning with `/`.
        rest: &'p [u8],
    },
    /// Everything else: the side that authenticates.
    Fallback,
    /// The cleaned path differs: 301 for GET and HEAD, else 400.
    Redirect(Vec<u8>),
    /// Never forwarded.
    Refuse(Refusal),
}

/// Classifies a raw origin-form path (no query). `dataplane.md` 6.1.
#[must_use]
pub fn route(path: &[u8]) -> Route<'_> {
    let mut plain = true;
    let mut previous = 0;
    for &byte in path {
        plain &= is_plain(byte) & !(previous == b'/' && matches!(byte, b'/' | b'.'));
        previous = byte;
    }
    if plain {
        by_prefix(path)
    } else {
        suspicious(path)
    }
}

/// A path in which nothing is left to decode or to resolve before the function's name.
fn by_prefix(path: &[u8]) -> Route<'_> {
    let Some(path) = path.strip_prefix(b"/function/") else {
        return Route::Fallback;
    };
    let end = memchr::memchr(b'/', path).unwrap_or(path.len());
    match path.split_at_checked(end) {
        Some((name, rest)) if name::check(name).is_ok() => Route::Function { name, rest },
        _ => Route::Fallback,
    }
}

#[cold]
fn suspicious(path: &[u8]) -> Route<'_> {
    if path.first() != Some(&b'/') {
        // `*` and nothing else; the target's parser refuses the rest.
        return Route::Fallback;
    }
    let navigation = navigation(path);
    if navigation == Navigation::Disguised || hides_a_name(path) {
        return refuse();
    }
    if navigation == Navigation::Plain || path.starts_with(b"//") {
        let cleaned = clean(path);
        // What is suspicious behind the dots must not become the target of a redirect.
        if hides_a_name(&cleaned) {
            return refuse();
        }
        return Route::Redirect(cleaned);
    }
    by_prefix(path)
}

/// Whether a path goes up or stays with `.` and `..`, and whether every reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Navigation {
    /// No segment is `.` or `..`.
    None,
    /// Some are, in plain sight.
    Plain,
    /// Some are once decoded, or when `\` or an encoded slash divides segments; or there are
    /// control bytes.
    Disguised,
}

fn navigation(path: &[u8]) -> Navigation {
    let mut found = Navigation::None;
    let mut segment = Segment::default();
    let mut rest = path;
    // One more round, for the segment that the end of the path ends.
    loop {
        let (byte, encoded, after) = match rest {
            [b'%', high, low, after @ ..] => match byte_of(*high, *low) {
                Some(byte) => (byte, true, after),
                None => (b'%', false, rest.get(1..).unwrap_or_default()),
            },
            [byte, after @ ..] => (*byte, false, after),
            [] => (b'/', false, rest),
        };
        match byte {
            0 => return Navigation::Disguised,
            _ if !encoded && (byte <= b' ' || byte == 0x7f) => return Navigation::Disguised,
            b'/' | b'\\' => {
                let disguised_end = encoded || byte == b'\\';
                match segment.end() {
                    Navigation::None => {}
                    Navigation::Plain if !disguised_end => found = Navigation::Plain,
                    _ => return Navigation::Disguised,
                }
                segment.disguised = disguised_end;
            }
            b'.' => {
                segment.dots = segment.dots.saturating_add(1);
                segment.disguised |= encoded;
            }
            _ => segment.has_other = true,
        }
        if rest.is_empty() {
            return found;
        }
        rest = after;
    }
}

/// The decoded segment that is being read.
#[derive(Default)]
struct Segment {
    dots: u32,
    has_other: bool,
    /// Divided from the one before, or written, in a way that not every reader understands.
    disguised: bool,
}

impl Segment {
    fn end(&mut self) -> Navigation {
        let Self {
            dots,
            has_other,
            disguised,
        } = std::mem::take(self);
        match (has_other, dots) {
            (false, 1 | 2) if disguised => Navigation::Disguised,
            (false, 1 | 2) => Navigation::Plain,
            _ => Navigation::None,
        }
    }
}

/// Whether a slash or a backslash, plain or encoded, hides in the segments that decide: the
/// first one, and the name behind `/function/` and `/async-function/`.
///
/// An encoded slash in the first segment is not refused: no route has one, here or in the
/// control plane, which matches undecoded bytes too.
fn hides_a_name(path: &[u8]) -> bool {
    let mut segments = path
        .split(|byte| *byte == b'/')
        .skip_while(|s| s.is_empty());
    let first = segments.next().unwrap_or_default();
    let named = matches!(first, b"function" | b"async-function");
    let name = segments.next().filter(|_| named).unwrap_or_default();
    has(first, b'\\') || has(name, b'\\') || has(name, b'/')
}

/// Whether `segment` has `wanted`, plain or encoded once.
fn has(segment: &[u8], wanted: u8) -> bool {
    let encoded = |three: &[u8]| match three {
        [b'%', high, low] => byte_of(*high, *low) == Some(wanted),
        _ => false,
    };
    segment.contains(&wanted) || segment.windows(3).any(encoded)
}

/// Dot segments resolved (RFC 3986 §5.2.4) and slashes merged, the last slash kept: what the
/// OpenFaaS gateway redirects to. It begins with one slash, so it names no other host.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut cleaned = Vec::with_capacity(path.len());
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = cleaned.iter().rposition(|byte| *byte == b'/');
                cleaned.truncate(parent.unwrap_or(0));
            }
            segment => {
                cleaned.push(b'/');
                cleaned.extend_from_slice(segment);
            }
        }
    }
    if cleaned.is_empty() || path.ends_with(b"/") {
        cleaned.push(b'/');
    }
    cleaned
}

fn refuse() -> Route<'static> {
    Route::Refuse(Refusal {
        status: 400,
        why: Reject::Path,
    })
}

/// A byte that means itself to every reader.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b'\\' | b';')
}

fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)?.wrapping_shl(4) | digit(low)?).ok()
}

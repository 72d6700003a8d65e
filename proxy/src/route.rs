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
    has(first, b'\\') || has(name, b'\\') || has(name, b'/') || hides_twice(name)
}

/// Whether a second decoding would show a point, a slash or a backslash: no name has them, and
/// two servers in a row may decode twice.
fn hides_twice(name: &[u8]) -> bool {
    name.windows(5).any(|five| match five {
        [b'%', b'2', b'5', high, low] => {
            matches!(byte_of(*high, *low), Some(b'.' | b'/' | b'\\'))
        }
        _ => false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::Random;
    use crate::name::NAME_BYTES_MAX;

    #[track_caller]
    fn function(path: &str, name: &str, rest: &str) {
        let expected = Route::Function {
            name: name.as_bytes(),
            rest: rest.as_bytes(),
        };
        assert_eq!(route(path.as_bytes()), expected, "{path}");
    }

    #[track_caller]
    fn all(paths: &str, expected: &Route<'_>) {
        for path in paths.split(' ') {
            assert_eq!(route(path.as_bytes()), *expected, "{path}");
        }
    }

    #[track_caller]
    fn redirects(path: &str, cleaned: &str) {
        let expected = Route::Redirect(cleaned.into());
        assert_eq!(route(path.as_bytes()), expected, "{path}");
    }

    #[test]
    fn functions() {
        function("/function/x", "x", "");
        function("/function/x/", "x", "/");
        function("/function/x.ns/a/b", "x.ns", "/a/b");
        function("/function/A-b_c.9/", "A-b_c.9", "/");
        function("/function/...", "...", "");
        function("/function/.x/.y/..z/...", ".x", "/.y/..z/...");
        let longest = "n".repeat(NAME_BYTES_MAX);
        function(&format!("/function/{longest}/a"), &longest, "/a");
    }

    #[test]
    fn parameters_pass_as_they_are() {
        for rest in [
            "//",
            "//y",
            "/a//b/",
            "/;a=b",
            "/a;/b",
            "/%2f",
            "/a%2Fb",
            "/%5c",
            "/\\a",
            "/%20",
            "/%252e%252e/",
            "/%c0%ae%c0%ae/",
            "/%",
            "/%2",
            "/%zz",
            "/...",
            "/%2e%2e%2e",
            "/a%2e",
            "/%2f%2f",
            "/a..b",
            "/%0d%0a",
            "/~!$&'()*+,=:@|",
        ] {
            function(&format!("/function/x{rest}"), "x", rest);
        }
    }

    #[test]
    fn all_else_goes_to_the_side_that_authenticates() {
        all(
            "/ * /system/functions /healthz /ui/ /async-function/x/y /function /functions/x \
             /functionx /FUNCTION/x /Function/x /function%2fx /%66unction/x /function;a/x \
             /system;a=b/functions /system/functions%2fx /.well-known/x /system//functions",
            &Route::Fallback,
        );
    }

    #[test]
    fn invalid_names_go_there_too() {
        all(
            "/function/ /function// /function//x /function/x;a/b /function/%66 \
             /function/x%20/a /function/x%2541/a /function/x:1/a /function/x@y \
             /function/%c0%ae/a /function/%/a /function/, /function/%25/a",
            &Route::Fallback,
        );
        let long = format!("/function/{}", "n".repeat(NAME_BYTES_MAX + 1));
        all(&long, &Route::Fallback);
    }

    #[test]
    fn navigation_in_plain_sight_is_redirected() {
        redirects("/function/../system/functions", "/system/functions");
        redirects("/function/x/../../system/functions", "/system/functions");
        redirects("/function/x/./y", "/function/x/y");
        redirects("/function/x/a/..", "/function/x");
        redirects("/function/x/a/../", "/function/x/");
        redirects("/function/x;/../", "/function/");
        redirects("/function/x//a/../b", "/function/x/b");
        redirects("/function/.", "/function");
        redirects("/function/..", "/");
        redirects("/..", "/");
        redirects("/../../../etc", "/etc");
        redirects("/./system", "/system");
        redirects("//function/x", "/function/x");
        redirects("//system/..", "/");
        redirects("///example.com/a//b", "/example.com/a/b");
        redirects("//", "/");
        redirects("/function/x/%2f/../a", "/function/x/a");
    }

    #[test]
    fn navigation_in_disguise_is_refused() {
        all(
            "/function/%2e%2e/system /function/%2E./system /function/.%2e/system \
             /function/x/%2e%2e/y /function/x/%2e/y /function/x/..%2fy \
             /function/x/%2e%2e%2fy /function/x/a%2f..%2fb /function/x/a%2f.. \
             /function/x/..\\y /function/x/a\\.. /function/x/..%5cy /function/x/a%5C.%5cb \
             /function/x/a%2f../b /system/%2e%2e/function/x /%2e%2e /async-function/x/..%2f \
             /x/..%2f../function/y /%2f.. /function/x/../%2e%2e/y",
            &refuse(),
        );
    }

    #[test]
    fn hidden_slashes_before_the_parameters_are_refused() {
        all(
            "/function/a%2fb /function/a%2F /function/a%5cb/c /function/a\\b /function/%2f \
             /function/%5c/x /function\\x /function%5cx /\\x /%5cx /async-function/a%2fb/c \
             /async-function/a\\ //function/a%2fb //%5cexample.com \
             /function/../%5cexample.com /x/../function/a%2fb /function/../\\example.com",
            &refuse(),
        );
    }

    #[test]
    fn names_that_hide_something_twice_are_refused() {
        all(
            "/function/x%252e/a /function/%252e%252e/system /function/%252E%2e \
             /function/a%252fb /function/a%255Cb /async-function/%252e%252e/x",
            &refuse(),
        );
    }

    #[test]
    fn control_bytes_are_refused_anywhere() {
        all(
            "/function/x%00 /function/x/%00 /%00 /system/a%00b /function/x/\0 \
             /function/x/\r\n /\x7f /function/\t",
            &refuse(),
        );
        assert_eq!(route(b"/function/x/a b"), refuse());
    }

    /// The laxest reading of a path: decoded once, then Go's `path.Clean`.
    fn laxest(path: &[u8], backslash_divides: bool) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut rest = path;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let byte = match (first, rest) {
                (b'%', [high, low, after @ ..]) => match byte_of(*high, *low) {
                    Some(byte) => {
                        rest = after;
                        byte
                    }
                    None => first,
                },
                _ => first,
            };
            decoded.push(if backslash_divides && byte == b'\\' {
                b'/'
            } else {
                byte
            });
        }
        let mut stack: Vec<&[u8]> = Vec::new();
        for segment in decoded.split(|byte| *byte == b'/') {
            match segment {
                b"" | b"." => {}
                b".." => drop(stack.pop()),
                segment => stack.push(segment),
            }
        }
        [&b"/"[..], &stack.join(&b'/')].concat()
    }

    /// Asserts that `name` and `rest` make up `path`, and so they do in every reading of it.
    fn stays_inside(path: &[u8], name: &[u8], rest: &[u8]) {
        let own = [b"/function/", name].concat();
        assert_eq!([&own[..], rest].concat(), path);
        for divides in [false, true] {
            let read = laxest(path, divides);
            let after = read.strip_prefix(&own[..]);
            assert!(
                after.is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))),
                "{} read as {}",
                path.escape_ascii(),
                read.escape_ascii()
            );
        }
    }

    /// Asserts that `cleaned` names this host and needs no cleaning.
    fn is_clean(cleaned: &[u8]) {
        assert!(cleaned.starts_with(b"/") && !cleaned.starts_with(b"//"));
        let again = route(cleaned);
        assert!(
            matches!(again, Route::Function { .. } | Route::Fallback),
            "{}: {again:?}",
            cleaned.escape_ascii()
        );
    }

    #[test]
    fn no_reading_of_a_functions_path_leaves_the_function() {
        const PARTS: &str = "/ / /function/ /function/x x . .. /.. /../ %2e %2E %2f %2F %5c \\ \
            %25 2e % ; // system %00 %c0%ae \u{e9} a %66 * ? %2";
        let parts: Vec<&str> = PARTS.split(' ').collect();
        let mut random = Random::new(61);
        let mut functions = 0;
        for _ in 0..200_000 {
            let mut path = Vec::new();
            if random.one_in(2) {
                path.extend_from_slice(b"/function/x/");
            }
            for _ in 0..random.below(9) {
                path.extend_from_slice(random.pick(&parts).as_bytes());
            }
            if random.one_in(10) {
                path.extend_from_slice(&random.bytes(6));
            }
            match route(&path) {
                Route::Function { name, rest } => {
                    functions += 1;
                    stays_inside(&path, name, rest);
                }
                Route::Redirect(cleaned) => {
                    assert_ne!(cleaned, path);
                    is_clean(&cleaned);
                }
                Route::Fallback | Route::Refuse(_) => {}
            }
        }
        assert!(
            functions > 10_000,
            "{functions} functions: the test tests little"
        );
    }
}

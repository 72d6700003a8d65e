//! Pages of the program that only its start needed.
//!
//! A megabyte of code after another is touched once, by parsers of settings, certificates and
//! stored functions, and stays mapped. It is let go: what is needed again comes back from the page
//! cache at a microsecond per page, and what is not does not count as this process's any more.

use std::fs;
use std::io;

/// Unmaps the pages of code that are mapped now.
///
/// # Errors
/// `/proc` cannot be read, or the kernel refuses; all goes on as before.
pub(super) fn let_go() -> io::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines().filter_map(code).try_for_each(forget)
}

/// Where a line of `/proc/self/maps` says that code of a file lies: begin and length.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, path) = (words.next()?, words.next()?, words.nth(3)?);
    // Written pages would be lost, and code is not written.
    if rights != "r-xp" || !path.starts_with('/') {
        return None;
    }
    let (begin, end) = range.split_once('-')?;
    let begin = usize::from_str_radix(begin, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((begin, end.checked_sub(begin)?))
}

#[expect(unsafe_code, reason = "madvise has no safe wrapper among our crates")]
fn forget((begin, length): (usize, usize)) -> io::Result<()> {
    // SAFETY: the range is a private mapping of a file that nobody may write through, so that
    // every page of it is what the file says; the next access maps the same bytes again.
    let result = unsafe { libc::madvise(begin as *mut _, length, libc::MADV_DONTNEED) };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_let_go() {
        let line = "555d121b3000-555d12bc8000 r-xp 002c6000 fe:00 5310847    /usr/bin/ringway";
        assert_eq!(code(line), Some((0x555d_121b_3000, 0xa1_5000)));
        for other in [
            "555d11eec000-555d121b3000 r--p 00000000 fe:00 5310847    /usr/bin/ringway",
            "555d12c21000-555d12c2c000 rw-p 00d32000 fe:00 5310847    /usr/bin/ringway",
            "555d12c21000-555d12c2c000 rwxp 00d32000 fe:00 5310847    /usr/bin/ringway",
            "7fff8a5f2000-7fff8a5f4000 r-xp 00000000 00:00 0          [vdso]",
            "7fff8a5f2000-7fff8a5f4000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn a_program_goes_on_without_its_pages() {
        let_go().unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(maps.lines().filter_map(code).count() > 0, "{maps}");
    }
}

//! The chunked transfer coding (RFC 9112 §7.1), followed without copying its data.
//!
//! ```text
//!   Size ──a canonical line──────────────────────► Data ─► DataCr ─► DataLf ─► Size …
//!    │ else: absorbed                               ▲
//!    └─► Digits ─► Space ─► Extension ─► SizeLf ──┤ a size: the line is written anew
//!                                                 └─ zero: SectionStart ─► EndLf or Section ─► Done
//! ```
//!
//! A size line is passed on as it is only when every parser reads it alike: digits, no leading
//! zero, CRLF. Any other legal line is absorbed, written anew, and its extensions dropped, as
//! RFC 9112 §7.1.1 allows. A line that is cut by the end of the input is absorbed too, and written
//! anew with the same digits, so that the cut does not show in the output.

use crate::fault::Reject;
use crate::http::body::take;
use crate::http::digits::hex;
use crate::http::header::is_value_byte;
use crate::http::trailer::Section;
use crate::http::{Prefix, Step, Trailers};
use crate::limits::{CHUNK_EXTENSION_BYTES_MAX, CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX};

/// A last chunk without trailers.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Follows one chunked body.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Bytes of the current chunk still to come.
    left: u64,
    line: SizeLine,
    /// `extensions <= CHUNK_EXTENSIONS_BYTES_MAX`: extension bytes of the whole body.
    extensions: usize,
    /// What becomes of the framing.
    output: Output,
    /// Trailers that were read; allocated only when there are any.
    section: Option<Box<Section>>,
    /// The last chunk was absorbed and is due after the body.
    tail_due: bool,
}

/// What is written of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// Chunks, and the trailers that may pass.
    Chunks(Trailers),
    /// Data only.
    Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a size line, nothing of it absorbed.
    Size,
    /// In an absorbed size line: before or in its digits.
    Digits,
    /// In an absorbed size line: in the white space behind its digits, if any.
    Space,
    /// In an absorbed size line: behind its first semicolon.
    Extension,
    /// In an absorbed size line: behind its CR.
    SizeLf,
    /// In a chunk's data; `left > 0`.
    Data,
    /// Behind a chunk's data.
    DataCr,
    /// Behind the CR that follows a chunk's data.
    DataLf,
    /// Behind an absorbed last chunk's line.
    SectionStart,
    /// Behind the CR of the empty line that ends a body without trailers.
    EndLf,
    /// In the trailer section.
    Section,
    /// Behind the body.
    Done,
}

/// What begins at a size line that is whole and canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canonical {
    /// A chunk: the line's length, CRLF included, and the chunk's size, which is not 0.
    Chunk { line_bytes: usize, size: u64 },
    /// The last chunk, without trailers.
    Last,
}

/// An absorbed size line.
#[derive(Clone, Copy, Debug, Default)]
struct SizeLine {
    /// The digits as sent, without leading zeros.
    digits: [u8; CHUNK_SIZE_DIGITS_MAX],
    /// `len <= seen`: digits kept.
    len: usize,
    /// `seen <= CHUNK_SIZE_DIGITS_MAX`: digits read, leading zeros included.
    seen: usize,
    /// Fits: 15 digits stay below 2^60.
    size: u64,
    /// `extension <= CHUNK_EXTENSION_BYTES_MAX`: bytes behind the digits.
    extension: usize,
}

impl Chunked {
    /// Passed on chunked.
    pub(super) fn passed_on(trailers: Trailers) -> Self {
        Self::new(Output::Chunks(trailers))
    }

    /// Passed on as bare data.
    pub(super) fn undone() -> Self {
        Self::new(Output::Data)
    }

    fn new(output: Output) -> Self {
        Self {
            state: State::Size,
            left: 0,
            line: SizeLine::default(),
            extensions: 0,
            output,
            section: None,
            tail_due: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of the present chunk still to come.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// So many bytes of the present chunk's data were passed on.
    pub(super) fn passed(&mut self, n: u64) {
        self.left = self.left.saturating_sub(n);
        if self.left == 0 && self.state == State::Data {
            self.state = State::DataCr;
        }
    }

    pub(super) fn tail(&self) -> &[u8] {
        match (&self.section, self.output) {
            _ if !self.tail_due || !self.is_done() => b"",
            (_, Output::Data) => b"",
            (Some(section), Output::Chunks(Trailers::Forward)) => section.written(),
            _ => LAST_CHUNK,
        }
    }

    /// See [`BodyCursor::step`](super::BodyCursor::step); `input` is not empty.
    pub(super) fn step(&mut self, input: &[u8]) -> Result<Step, Reject> {
        let mut step = Step::default();
        let as_is = match self.state {
            State::Size => canonical(input).is_some(),
            State::Data | State::DataCr | State::DataLf => true,
            _ => false,
        };
        if !as_is || self.output == Output::Data {
            (step.skip, step.prefix) = self.absorb(input)?;
        }
        step.forward = self.pass(input.get(step.skip..).unwrap_or_default())?;
        Ok(step)
    }

    /// Passes on what may be passed on as it is; how many bytes that is.
    fn pass(&mut self, input: &[u8]) -> Result<usize, Reject> {
        let mut at = 0_usize;
        while let Some((&byte, rest)) = input.get(at..).and_then(|rest| Some((rest.first()?, rest)))
        {
            let passed = match self.state {
                State::Data => {
                    let passed = take(&mut self.left, rest);
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    passed
                }
                _ if self.output == Output::Data => break,
                State::DataCr | State::DataLf => self.line_end(byte)?,
                State::Size => match canonical(rest) {
                    Some(Canonical::Chunk { line_bytes, size }) => {
                        self.left = size;
                        self.state = State::Data;
                        line_bytes
                    }
                    Some(Canonical::Last) => {
                        self.state = State::Done;
                        LAST_CHUNK.len()
                    }
                    // Absorbed by the next step.
                    None => break,
                },
                _ => break,
            };
            at = at.saturating_add(passed);
        }
        Ok(at)
    }

    /// Consumes framing up to the next data, the end of the body or of the input. Answers with
    /// the bytes consumed and with the size line that is due before the data.
    fn absorb(&mut self, input: &[u8]) -> Result<(usize, Prefix), Reject> {
        let mut at = 0_usize;
        let mut prefix = Prefix::default();
        while let Some((&byte, rest)) = input.get(at..).and_then(|rest| Some((rest.first()?, rest)))
        {
            let used = match self.state {
                State::Data | State::Done => break,
                State::DataCr | State::DataLf => self.line_end(byte)?,
                State::Size => {
                    self.line = SizeLine::default();
                    self.state = State::Digits;
                    0
                }
                State::Digits | State::Space | State::Extension => self.size_line(byte)?,
                State::SizeLf => {
                    expect(byte, b'\n')?;
                    prefix = self.end_size_line();
                    1
                }
                State::SectionStart if byte == b'\r' => {
                    self.state = State::EndLf;
                    1
                }
                State::SectionStart => {
                    let keep = self.output == Output::Chunks(Trailers::Forward);
                    self.section = Some(Box::new(Section::new(keep)));
                    self.state = State::Section;
                    0
                }
                State::EndLf => {
                    expect(byte, b'\n')?;
                    self.end();
                    1
                }
                State::Section => self.read_section(rest)?,
            };
            at = at.saturating_add(used);
        }
        Ok((at, prefix))
    }

    /// One byte of the CRLF behind a chunk's data.
    fn line_end(&mut self, byte: u8) -> Result<usize, Reject> {
        let (expected, next) = match self.state {
            State::DataCr => (b'\r', State::DataLf),
            _ => (b'\n', State::Size),
        };
        expect(byte, expected)?;
        self.state = next;
        Ok(1)
    }

    /// One byte of an absorbed size line, up to its CR; how many bytes were used.
    fn size_line(&mut self, byte: u8) -> Result<usize, Reject> {
        if self.state == State::Digits {
            if let Some(digit) = hex(byte) {
                self.line.push(byte, digit)?;
                return Ok(1);
            }
            if self.line.seen == 0 {
                return Err(Reject::Chunked);
            }
            self.state = State::Space;
        }
        self.state = match (self.state, byte) {
            (_, b'\r') => State::SizeLf,
            (State::Space, b' ' | b'\t') => State::Space,
            (State::Space, b';') => State::Extension,
            (State::Extension, byte) if is_value_byte(byte) => State::Extension,
            _ => return Err(Reject::Chunked),
        };
        if byte != b'\r' {
            self.line.extension = self.line.extension.saturating_add(1);
            self.extensions = self.extensions.saturating_add(1);
        }
        if self.line.extension > CHUNK_EXTENSION_BYTES_MAX
            || self.extensions > CHUNK_EXTENSIONS_BYTES_MAX
        {
            return Err(Reject::Chunked);
        }
        Ok(1)
    }

    fn end_size_line(&mut self) -> Prefix {
        if self.line.size == 0 {
            self.state = State::SectionStart;
            return Prefix::default();
        }
        self.left = self.line.size;
        self.state = State::Data;
        match self.output {
            Output::Chunks(_) => Prefix::size_line(self.line.digits()),
            Output::Data => Prefix::default(),
        }
    }

    fn read_section(&mut self, input: &[u8]) -> Result<usize, Reject> {
        let Some(section) = &mut self.section else {
            debug_assert!(false, "the section is made when its state is entered");
            return Err(Reject::Trailers);
        };
        let used = section.read(input)?;
        if section.has_ended() {
            self.end();
        }
        Ok(used)
    }

    fn end(&mut self) {
        self.tail_due = true;
        self.state = State::Done;
    }
}

impl SizeLine {
    fn push(&mut self, byte: u8, digit: u64) -> Result<(), Reject> {
        if self.seen >= CHUNK_SIZE_DIGITS_MAX {
            return Err(Reject::Chunked);
        }
        self.seen = self.seen.saturating_add(1);
        self.size = self.size.wrapping_shl(4) | digit;
        // Leading zeros are read differently by parsers that bound the digits.
        if self.size > 0
            && let Some(slot) = self.digits.get_mut(self.len)
        {
            *slot = byte;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// Reads a size line (and the end of the body, if it is the last) that every parser reads alike
/// and that is whole in `input`.
fn canonical(input: &[u8]) -> Option<Canonical> {
    if input.first() == Some(&b'0') {
        return input.starts_with(LAST_CHUNK).then_some(Canonical::Last);
    }
    let mut size = 0_u64;
    let mut digits = 0_usize;
    for &byte in input.iter().take(CHUNK_SIZE_DIGITS_MAX) {
        let Some(digit) = hex(byte) else { break };
        size = size.wrapping_shl(4) | digit;
        digits = digits.saturating_add(1);
    }
    let (line, rest) = input.split_at_checked(digits)?;
    let whole = !line.is_empty() && rest.starts_with(b"\r\n");
    whole.then_some(Canonical::Chunk {
        line_bytes: digits.saturating_add(2),
        size,
    })
}

fn expect(byte: u8, expected: u8) -> Result<(), Reject> {
    if byte == expected {
        Ok(())
    } else {
        Err(Reject::Chunked)
    }
}

//! `envProcess` as words: POSIX quoting (POSIX.1-2017, Shell, 2.2), no shell.
//!
//! Pure. `$PORT` and `${PORT}` are replaced outside single quotes; nothing else is expanded,
//! and operators such as `|` are plain characters.

/// A command line, split once; the port is filled in at each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// At least one word.
    words: Vec<Vec<Piece>>,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Itself.
    Text(String),
    /// The port; the text is what stood there, kept where there is no port.
    Port(&'static str),
}

/// Why a text is not a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandLineError {
    /// Nothing but white space.
    #[error("must name a program")]
    Empty,
    /// A quote that does not end.
    #[error("has an unterminated {0} quote")]
    Unterminated(&'static str),
    /// A backslash and nothing behind it.
    #[error("ends with a backslash")]
    DanglingEscape,
    /// A byte no argument can carry.
    #[error("has a NUL byte")]
    Nul,
    /// A word that execve(2) refuses.
    #[error("has a word of {WORD_BYTES_MAX} bytes or more")]
    TooLong,
    /// The first word is empty.
    #[error("names no program: its first word is empty")]
    NoProgram,
}

/// `MAX_ARG_STRLEN` of execve(2), the NUL included: 32 pages.
const WORD_BYTES_MAX: usize = 128 * 1024;

impl CommandLine {
    pub(super) fn parse(text: &str) -> Result<Self, CommandLineError> {
        if text.contains('\0') {
            return Err(CommandLineError::Nul);
        }
        let mut splitter = Splitter {
            rest: text,
            words: Vec::new(),
            word: None,
        };
        while let Some(next) = splitter.next() {
            match next {
                ' ' | '\t' | '\n' | '\r' => splitter.end_word(),
                '\'' => splitter.single_quoted()?,
                '"' => splitter.double_quoted()?,
                '\\' => match splitter.next() {
                    // A backslash and a line end join two lines.
                    Some('\n') => {}
                    Some(escaped) => splitter.push(escaped),
                    None => return Err(CommandLineError::DanglingEscape),
                },
                '$' => splitter.dollar(),
                other => splitter.push(other),
            }
        }
        splitter.end_word();
        if splitter.words.is_empty() {
            return Err(CommandLineError::Empty);
        }
        let line = Self {
            words: splitter.words,
        };
        let words = line.words(None);
        if words.iter().any(|word| word.len() >= WORD_BYTES_MAX) {
            return Err(CommandLineError::TooLong);
        }
        if words.first().is_none_or(String::is_empty) {
            return Err(CommandLineError::NoProgram);
        }
        Ok(line)
    }

    /// The words, with the port put in; without one `$PORT` stays as it stands.
    pub(super) fn words(&self, port: Option<u16>) -> Vec<String> {
        let word = |pieces: &Vec<Piece>| {
            let pieces = pieces.iter().map(|piece| match (piece, port) {
                (Piece::Text(text), _) => text.clone(),
                (Piece::Port(_), Some(port)) => port.to_string(),
                (Piece::Port(as_written), None) => (*as_written).to_owned(),
            });
            pieces.collect()
        };
        self.words.iter().map(word).collect()
    }
}

/// The text still to read and the words so far.
struct Splitter<'a> {
    rest: &'a str,
    words: Vec<Vec<Piece>>,
    /// The word under way; a pair of quotes begins one even when there is nothing in it.
    word: Option<Vec<Piece>>,
}

impl Splitter<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn push(&mut self, c: char) {
        let word = self.word.get_or_insert_default();
        match word.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => word.push(Piece::Text(c.to_string())),
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn single_quoted(&mut self) -> Result<(), CommandLineError> {
        let quoted = self.rest.split_once('\'');
        let (text, rest) = quoted.ok_or(CommandLineError::Unterminated("single"))?;
        self.rest = rest;
        self.word.get_or_insert_default();
        text.chars().for_each(|c| self.push(c));
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), CommandLineError> {
        self.word.get_or_insert_default();
        let unterminated = CommandLineError::Unterminated("double");
        loop {
            match self.next().ok_or(unterminated)? {
                '"' => return Ok(()),
                '$' => self.dollar(),
                '\\' => match self.next().ok_or(unterminated)? {
                    '\n' => {}
                    escaped @ ('$' | '`' | '"' | '\\') => self.push(escaped),
                    // Before any other character the backslash means itself.
                    other => {
                        self.push('\\');
                        self.push(other);
                    }
                },
                other => self.push(other),
            }
        }
    }

    /// Behind a `$`: the port, or a plain dollar sign.
    fn dollar(&mut self) {
        if let Some(rest) = self.rest.strip_prefix("{PORT}") {
            self.port("${PORT}", rest.len());
            return;
        }
        let bare = self.rest.strip_prefix("PORT");
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match bare {
            Some(rest) if !rest.starts_with(in_name) => self.port("$PORT", rest.len()),
            _ => self.push('$'),
        }
    }

    fn port(&mut self, as_written: &'static str, rest_len: usize) {
        self.rest = &self.rest[self.rest.len() - rest_len..];
        self.word
            .get_or_insert_default()
            .push(Piece::Port(as_written));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        CommandLine::parse(text).unwrap().words(Some(7))
    }

    #[test]
    fn white_space_separates_words() {
        assert_eq!(words("cat"), ["cat"]);
        assert_eq!(words("  a\tb\n c  "), ["a", "b", "c"]);
    }

    #[test]
    fn single_quotes_keep_everything() {
        assert_eq!(
            words(r#"sh -c 'echo "$PORT" \n | cat'"#),
            ["sh", "-c", r#"echo "$PORT" \n | cat"#]
        );
        assert_eq!(words("a'b'c"), ["abc"]);
        assert_eq!(words("a ''"), ["a", ""]);
    }

    #[test]
    fn double_quotes_escape_four_characters() {
        assert_eq!(words(r#""a \" \\ \$PORT \` \n""#), [r#"a " \ $PORT ` \n"#]);
        assert_eq!(words("\"a\\\nb\""), ["ab"]);
        assert_eq!(words(r#"x """#), ["x", ""]);
    }

    #[test]
    fn a_backslash_escapes_anything() {
        assert_eq!(words(r"a\ b \'c \\ \$PORT"), ["a b", "'c", r"\", "$PORT"]);
        assert_eq!(words("a\\\nb"), ["ab"]);
    }

    #[test]
    fn the_port_and_only_the_port_is_filled_in() {
        assert_eq!(words("s -p $PORT"), ["s", "-p", "7"]);
        assert_eq!(
            words("s --bind=0.0.0.0:${PORT}/x"),
            ["s", "--bind=0.0.0.0:7/x"]
        );
        assert_eq!(words(r#"s "a $PORT b" $PORT$PORT"#), ["s", "a 7 b", "77"]);
        assert_eq!(
            words("s $PORTS ${PORTS} $HOME ${HOME} $"),
            ["s", "$PORTS", "${PORTS}", "$HOME", "${HOME}", "$"]
        );
        assert_eq!(words("s $PORT-1 $port"), ["s", "7-1", "$port"]);
    }

    #[test]
    fn without_a_port_the_text_stays() {
        let line = CommandLine::parse("sh -c \"echo $PORT ${PORT}\"").unwrap();
        assert_eq!(line.words(None), ["sh", "-c", "echo $PORT ${PORT}"]);
    }

    #[test]
    fn nothing_is_a_shell() {
        assert_eq!(words("a|b ; c&& #d *"), ["a|b", ";", "c&&", "#d", "*"]);
    }

    #[test]
    fn malformed_lines_are_refused() {
        for (text, error) in [
            ("", CommandLineError::Empty),
            ("\"\"", CommandLineError::NoProgram),
            ("'' cat", CommandLineError::NoProgram),
            (&"v".repeat(WORD_BYTES_MAX), CommandLineError::TooLong),
            (" \t\n", CommandLineError::Empty),
            ("a 'b", CommandLineError::Unterminated("single")),
            ("a \"b", CommandLineError::Unterminated("double")),
            ("a \"b\\", CommandLineError::Unterminated("double")),
            ("a \\", CommandLineError::DanglingEscape),
            ("a\0b", CommandLineError::Nul),
        ] {
            assert_eq!(CommandLine::parse(text), Err(error), "{text:?}");
        }
    }
}

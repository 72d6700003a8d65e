//! Kubernetes quantities: `128Mi`, `0.5`, `250m`, `1e3`. Pure and exact.

/// Why a text is not a quantity, or not one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuantityError {
    /// Not the syntax of a quantity.
    #[error("must be a quantity such as 128Mi, 1Gi, 500M, 250m or 0.5")]
    Syntax,
    /// Beyond what can be represented.
    #[error("is too large")]
    TooLarge,
}

/// A quantity of bytes, rounded up.
pub(super) fn bytes(text: &str) -> Result<u64, QuantityError> {
    u64::try_from(thousandths(text)?.div_ceil(1_000)).map_err(|_| QuantityError::TooLarge)
}

/// A quantity in thousandths (of a core), rounded up.
pub(super) fn millis(text: &str) -> Result<u32, QuantityError> {
    u32::try_from(thousandths(text)?).map_err(|_| QuantityError::TooLarge)
}

fn thousandths(text: &str) -> Result<u128, QuantityError> {
    let number_len = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_len);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(QuantityError::Syntax);
    }
    let digits = format!("{whole}{fraction}");
    if digits.len() > DIGITS_MAX {
        return Err(QuantityError::TooLarge);
    }
    let mantissa: u128 = digits.parse().map_err(|_| QuantityError::Syntax)?;
    let places = i32::try_from(fraction.len()).map_err(|_| QuantityError::TooLarge)?;
    let (factor, exponent) = scale(suffix)?;
    // 3: the result is in thousandths.
    let exponent = exponent - places + 3;
    let value = mantissa
        .checked_mul(factor)
        .ok_or(QuantityError::TooLarge)?;
    let power = 10_u128
        .checked_pow(exponent.unsigned_abs())
        .ok_or(QuantityError::TooLarge)?;
    if exponent >= 0 {
        value.checked_mul(power).ok_or(QuantityError::TooLarge)
    } else {
        Ok(value.div_ceil(power))
    }
}

/// A suffix as a factor and a power of ten.
fn scale(suffix: &str) -> Result<(u128, i32), QuantityError> {
    let scale = match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, exponent(suffix)?),
    };
    Ok(scale)
}

/// `e3`, `E-2`, …
fn exponent(suffix: &str) -> Result<i32, QuantityError> {
    let digits = suffix
        .strip_prefix(['e', 'E'])
        .ok_or(QuantityError::Syntax)?;
    let bare = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Syntax);
    }
    let exponent: i32 = digits.parse().map_err(|_| QuantityError::TooLarge)?;
    if exponent.abs() > EXPONENT_MAX {
        return Err(QuantityError::TooLarge);
    }
    Ok(exponent)
}

/// More digits than any amount of memory or cores has.
const DIGITS_MAX: usize = 18;
const EXPONENT_MAX: i32 = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_exact() {
        for (text, value) in [
            ("0", 0),
            ("128", 128),
            ("128M", 128_000_000),
            ("128Mi", 134_217_728),
            ("1.5Gi", 1_610_612_736),
            ("1e3", 1_000),
            ("1E3", 1_000),
            ("1e+3", 1_000),
            ("1E", 1_000_000_000_000_000_000),
            ("12e-1", 2),
            ("128m", 1),
            (".5k", 500),
            ("5.", 5),
        ] {
            assert_eq!(bytes(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn cores_are_in_thousandths() {
        for (text, value) in [
            ("1", 1_000),
            ("0.01", 10),
            ("250m", 250),
            ("0.0001", 1),
            ("2", 2_000),
        ] {
            assert_eq!(millis(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "", "M", ".", "-1", "+1", "1 Mi", "1mi", "1MiB", "1KB", "lots", "1.2.3", "1ee3", "1e",
            "1e1.5", "0x10", "1,5",
        ] {
            assert_eq!(bytes(bad), Err(QuantityError::Syntax), "{bad:?}");
        }
        for big in [
            "99999999999999999999",
            "999Ei",
            "1e19",
            "1e99999999999",
            "99E",
        ] {
            assert_eq!(bytes(big), Err(QuantityError::TooLarge), "{big:?}");
        }
    }
}

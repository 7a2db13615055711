//! Amounts of memory and storage (`resource.Quantity` in apimachinery).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// An amount of memory or storage, with a precision of a billionth of a byte.
///
/// Like the API server, this type rounds to the next billionth away from zero. It saturates at
/// about 1.7e29 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// The number of billionths in one unit.
const NANOS: u128 = 1_000_000_000;

/// The maximum amount with a binary suffix, in units. `8Ei` and larger amounts are reduced to it
/// (`maxAllowed` in `resource/amount.go`).
const MAX_BINARY: u128 = i64::MAX as u128;

impl Quantity {
    /// The largest amount.
    pub const MAX: Self = Self { nanos: i128::MAX };

    /// Parses `text` as `ParseQuantity` does. Returns `None` if the API server rejects it.
    ///
    /// Like the API server, ignores white space around the amount and treats missing digits as 0:
    /// `Gi` is `0Gi`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (is_negative, magnitude) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(magnitude);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let nanos = match Scale::parse(suffix)? {
            Scale::Decimal(exponent) => nanos(whole, fraction, exponent, NANOS),
            Scale::Binary(shift) => nanos(whole, fraction, 0, NANOS << shift).min(MAX_BINARY * NANOS),
        };
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
        Some(Self { nanos: if is_negative { -nanos } else { nanos } })
    }

    /// Checks whether the amount is greater than zero.
    pub fn is_positive(self) -> bool {
        self.nanos > 0
    }

    /// Checks whether the amount is a whole number of bytes.
    pub fn is_whole(self) -> bool {
        self.nanos % NANOS as i128 == 0
    }

    /// Adds two amounts. Returns the largest amount if the sum is too large.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos) }
    }
}

impl From<i64> for Quantity {
    fn from(units: i64) -> Self {
        // This cannot overflow: 63 bits for `units` and 30 bits for a billion fit into 128 bits.
        Self { nanos: i128::from(units) * NANOS as i128 }
    }
}

/// The factor that a suffix denotes.
enum Scale {
    /// The exponent of a power of ten.
    Decimal(i32),
    /// The exponent of a power of two.
    Binary(u32),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Self::Decimal(0),
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(10),
            "Mi" => Self::Binary(20),
            "Gi" => Self::Binary(30),
            "Ti" => Self::Binary(40),
            "Pi" => Self::Binary(50),
            "Ei" => Self::Binary(60),
            // The API server parses the exponent as 64 bits and keeps the lower 32 bits.
            _ => Self::Decimal(suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()? as i32),
        })
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Computes `whole.fraction` × 10^`exponent` × `unit`, rounded up. Saturates.
///
/// `unit` has at most 90 bits.
fn nanos(whole: &str, fraction: &str, exponent: i32, unit: u128) -> u128 {
    // With this many zeros, any number other than 0 exceeds `u128` or rounds up to 1.
    const MAX_ZEROS: i64 = 40;
    let digits = || whole.bytes().chain(fraction.bytes()).map(|byte| u128::from(byte - b'0'));
    let count = whole.len() + fraction.len();
    let point = whole.len() as i64 + i64::from(exponent);
    let split = usize::try_from(point).unwrap_or(0).min(count);

    let trailing_zeros = (point - count as i64).clamp(0, MAX_ZEROS);
    let integer_digits = digits().take(split).chain((0..trailing_zeros).map(|_| 0));
    let integer = integer_digits.fold(0u128, |sum, digit| sum.saturating_mul(10).saturating_add(digit));

    // Add the digits from last to first. Rounding up at each step gives the same result as rounding
    // up once, because ⌈(d + x) / 10⌉ = ⌈(d + ⌈x⌉) / 10⌉ for integers d.
    let leading_zeros = (-point).clamp(0, MAX_ZEROS);
    let fraction_digits = digits().rev().take(count - split).chain((0..leading_zeros).map(|_| 0));
    let fraction = fraction_digits.fold(0u128, |sum, digit| (digit * unit + sum).div_ceil(10));

    integer.saturating_mul(unit).saturating_add(fraction)
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantityVisitor;
        impl Visitor<'_> for QuantityVisitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `1Gi`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Quantity, E> {
                Ok(value.into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity { nanos: i128::from(value) * NANOS as i128 })
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                // The API server parses the number as it is written. Here only its value is known,
                // so parse its shortest form.
                let parsed = Quantity::parse(&value.to_string());
                parsed.ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &self))
            }
        }
        deserializer.deserialize_any(QuantityVisitor)
    }
}

/// A quantity in a field whose value is not checked. `None` if the value is not a quantity, for
/// example because it is a placeholder of a templating tool. A list or a mapping is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount(pub Option<Quantity>);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl<'de> Visitor<'de> for AmountVisitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `1Gi`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount(Quantity::parse(text)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Amount, E> {
                Ok(Amount(Some(value.into())))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Amount, E> {
                Ok(Amount(Quantity::parse(&value.to_string())))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Amount, E> {
                Ok(Amount(Quantity::parse(&value.to_string())))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Amount, E> {
                Ok(Amount(None))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Amount, E> {
                Ok(Amount(None))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn nanos(text: &str) -> Option<i128> {
        Quantity::parse(text).map(|quantity| quantity.nanos)
    }

    fn bytes(text: &str) -> Option<i128> {
        nanos(text).map(|nanos| nanos / 1_000_000_000)
    }

    #[test]
    fn accepts_amounts_that_the_api_server_accepts() {
        assert_eq!(bytes("1.5Gi"), Some(1536 << 20));
        assert_eq!(bytes(".5Gi"), Some(512 << 20));
        assert_eq!(bytes("+1Gi"), Some(1 << 30));
        assert_eq!(bytes(" 1Gi "), Some(1 << 30));
        assert_eq!(bytes("1e9"), Some(1_000_000_000));
        assert_eq!(bytes("1E9"), Some(1_000_000_000));
        assert_eq!(bytes("1e+3"), Some(1000));
        assert_eq!(bytes("1k"), Some(1000));
        assert_eq!(nanos("100m"), Some(100_000_000));
        assert_eq!(Quantity::parse("0").map(Quantity::is_positive), Some(false));
        assert_eq!(Quantity::parse("-1Gi").map(Quantity::is_positive), Some(false));
        assert_eq!(Quantity::parse("1n").map(Quantity::is_positive), Some(true));
    }

    #[test]
    fn supports_all_suffixes() {
        for (suffix, expected) in [("n", 1), ("u", 1000), ("m", 1_000_000), ("", 1_000_000_000)] {
            assert_eq!(nanos(&format!("1{suffix}")), Some(expected), "{suffix}");
        }
        let exact = |text: &str, unit: i128| assert_eq!(bytes(text), Some(unit), "{text}");
        for (power, suffix) in ["k", "M", "G", "T", "P", "E"].into_iter().enumerate() {
            exact(&format!("1{suffix}"), 1000_i128.pow(power as u32 + 1));
        }
        for (power, suffix) in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter().enumerate() {
            exact(&format!("1{suffix}"), 1024_i128.pow(power as u32 + 1));
        }
    }

    /// The amounts are those of `resource.ParseQuantity` (apimachinery 0.37.1).
    #[test]
    fn is_exact_to_a_billionth() {
        for (text, expected) in [
            ("0.3Ki", 307_200_000_000),
            ("0.1Ki", 102_400_000_000),
            ("3.3Mi", 3_460_300_800_000_000),
            ("1.5Ei", 1_729_382_256_910_270_464_000_000_000),
            ("0.000000001Ei", 1_152_921_504_606_846_976),
            ("0.0000000000000000000001Ei", 115_293),
            ("1.0000000001Ki", 1_024_000_000_103),
            ("1.0000000001", 1_000_000_001),
            ("-1.0000000001", -1_000_000_001),
            ("-1e-20", -1),
            ("0.1n", 1),
            ("0.9999999999n", 1),
            ("1.1e-9", 2),
            ("1e-2147483648", 1),
            ("9223372036854775808", 9_223_372_036_854_775_808_000_000_000),
            ("1e19", 10_000_000_000_000_000_000_000_000_000),
            ("00.10", 100_000_000),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
        assert_eq!(nanos(&format!("0.{}1", "0".repeat(1000))), Some(1));
        assert_eq!(nanos(&format!("{}1", "0".repeat(1000))), Some(1_000_000_000));
    }

    #[test]
    fn treats_missing_digits_as_zero() {
        for text in [".", "+", "-", "Gi", ".Gi", "m", "e3", "-0", "0e2147483647"] {
            assert_eq!(nanos(text), Some(0), "{text}");
        }
        assert_eq!(bytes("1.Gi"), Some(1 << 30));
    }

    #[test]
    fn caps_large_amounts() {
        for text in ["8Ei", "16Ei", "99999999999999999999999999999999999999999Ki"] {
            assert_eq!(bytes(text), Some(i128::from(i64::MAX)), "{text}");
        }
        assert_eq!(bytes("-16Ei"), Some(-i128::from(i64::MAX)));
        let largest = Quantity { nanos: i128::MAX };
        for text in ["1e30", "1e2147483647", "9".repeat(1000).as_str()] {
            assert_eq!(Quantity::parse(text), Some(largest), "{text}");
        }
        assert_eq!(largest.saturating_add(largest), largest);
        // Only the lower 32 bits of an exponent are used.
        assert_eq!(bytes("1e4294967297"), Some(10));
    }

    #[test]
    fn decodes_strings_and_numbers() {
        let parsed = |text: &str| Quantity::parse(text).expect("a quantity");
        assert_eq!(parsed("1Ki").saturating_add(parsed("1Ki")), parsed("2Ki"));
        assert_eq!(serde_json::from_str::<Quantity>("1024").ok(), Some(parsed("1Ki")));
        assert_eq!(serde_json::from_str::<Quantity>("\"1Ki\"").ok(), Some(parsed("1Ki")));
        assert_eq!(serde_json::from_str::<Quantity>("-3").ok(), Some(parsed("-3")));
        assert_eq!(serde_json::from_str::<Quantity>("0.5").ok(), Some(parsed("500m")));
        assert_eq!(serde_json::from_str::<Quantity>("0.1").ok(), Some(parsed("100m")));
        assert_eq!(serde_json::from_str::<Quantity>("1e18").ok(), Some(parsed("1E")));
        assert_eq!(serde_json::from_str::<Quantity>("18446744073709551615").ok().map(|q| q.nanos), {
            Some(i128::from(u64::MAX) * 1_000_000_000)
        });
        let error = serde_json::from_str::<Quantity>("[]").expect_err("a list");
        assert!(error.to_string().contains("a quantity such as"), "{error}");
    }

    #[test]
    fn rejects_amounts_that_the_api_server_rejects() {
        for text in [
            "1GiB",
            "1gi",
            "1 Gi",
            "",
            "12:30",
            "true",
            "1K",
            "infinity",
            "1.2.3",
            "1e",
            "1e+",
            "1e3.5",
            "1eE3",
            "+-1",
            "1k5",
            "1e1Gi",
            "0x10",
            "1_000",
            "1e99999999999999999999",
            "\u{661}",
        ] {
            assert_eq!(nanos(text), None, "{text:?}");
        }
    }
}

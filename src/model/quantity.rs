//! Amounts of memory and storage (apimachinery's `resource.Quantity`).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// An amount, in thousandths of a byte; beyond what that holds it is the largest or smallest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    milli: i128,
}

impl Quantity {
    /// What the API server reads in `text`; none where it refuses it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(|byte| matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9')).count();
        let (number, suffix) = text.split_at(digits);
        let (negative, number) = match number.as_bytes().first()? {
            b'-' => (true, &number[1..]),
            b'+' => (false, &number[1..]),
            _ => (false, number),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (base, exponent) = scale(suffix)?;
        // More digits than these are beyond any disk, and f64 is exact enough for comparing limits.
        let value: f64 = format!("0{whole}.{fraction}0").parse().ok()?;
        // Powers below 1 have no exact form.
        let power = f64::from(base).powi(exponent.abs());
        let milli = if exponent < 0 { value * 1000.0 / power } else { value * 1000.0 * power };
        let milli = milli.ceil() as i128;
        Some(Self { milli: if negative { -milli } else { milli } })
    }

    /// Whether it is 0 or less.
    pub fn is_nothing(self) -> bool {
        self.milli <= 0
    }

    /// The sum, at most the largest quantity.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { milli: self.milli.saturating_add(other.milli) }
    }
}

/// The suffix as a power: `Ki` is 1024 to the 1, `k` and `e3` are 10 to the 3.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (10, 0),
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        "Ki" => (1024, 1),
        "Mi" => (1024, 2),
        "Gi" => (1024, 3),
        "Ti" => (1024, 4),
        "Pi" => (1024, 5),
        "Ei" => (1024, 6),
        _ => (10, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
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
                Ok(Quantity { milli: i128::from(value) * 1000 })
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity { milli: i128::from(value) * 1000 })
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Quantity, E> {
                Ok(Quantity { milli: (value * 1000.0).ceil() as i128 })
            }
        }
        deserializer.deserialize_any(QuantityVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    fn bytes(text: &str) -> Option<i128> {
        Quantity::parse(text).map(|quantity| quantity.milli / 1000)
    }

    #[test]
    fn reads_what_the_api_server_reads() {
        assert_eq!(bytes("1.5Gi"), Some(1536 << 20));
        assert_eq!(bytes(".5Gi"), Some(512 << 20));
        assert_eq!(bytes("+1Gi"), Some(1 << 30));
        assert_eq!(bytes("1e9"), Some(1_000_000_000));
        assert_eq!(bytes("1E9"), Some(1_000_000_000));
        assert_eq!(bytes("1k"), Some(1000));
        assert_eq!(Quantity::parse("100m").map(|q| q.milli), Some(100));
        assert!(Quantity::parse("0").is_some_and(Quantity::is_nothing));
        assert!(Quantity::parse("-1Gi").is_some_and(Quantity::is_nothing));
    }

    #[test]
    fn knows_every_suffix() {
        let milli = |text: &str| Quantity::parse(text).map(|quantity| quantity.milli);
        for (suffix, of_thousand) in [("n", 1), ("u", 1), ("m", 1000), ("", 1_000_000), ("k", 1_000_000_000)]
        {
            assert_eq!(milli(&format!("1000{suffix}")), Some(of_thousand), "{suffix}");
        }
        assert_eq!((milli("1000000u"), milli("1000000000n")), (Some(1000), Some(1000)));
        let exact = |text: &str, unit: i128| assert_eq!(bytes(text), Some(unit), "{text}");
        for (power, suffix) in ["k", "M", "G", "T", "P", "E"].into_iter().enumerate() {
            exact(&format!("1{suffix}"), 1000_i128.pow(power as u32 + 1));
        }
        for (power, suffix) in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter().enumerate() {
            exact(&format!("1{suffix}"), 1024_i128.pow(power as u32 + 1));
        }
    }

    #[test]
    fn adds_and_reads_numbers_and_says_what_it_wants() {
        let of = |text: &str| Quantity::parse(text).expect("a quantity");
        assert_eq!(of("1Ki").plus(of("1Ki")), of("2Ki"));
        assert_eq!(serde_json::from_str::<Quantity>("1024").ok(), Some(of("1Ki")));
        assert_eq!(serde_json::from_str::<Quantity>("\"1Ki\"").ok(), Some(of("1Ki")));
        assert_eq!(serde_json::from_str::<Quantity>("-3").ok(), Some(of("-3")));
        assert_eq!(serde_json::from_str::<Quantity>("0.5").ok(), Some(of("500m")));
        let error = serde_json::from_str::<Quantity>("[]").expect_err("a list");
        assert!(error.to_string().contains("a quantity such as"), "{error}");
    }

    #[test]
    fn refuses_what_the_api_server_refuses() {
        for text in ["1GiB", "1gi", "1 Gi", "", "12:30", "true", "1K", "infinity", "Gi", ".", "1.2.3", "1e"] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
    }
}

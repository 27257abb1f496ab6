//! Numbers without a limit that are added up: between two packages of a deep tree there are more ways than fit
//! into a machine's word.

use std::fmt;
use std::ops::AddAssign;

/// What one digit counts up to.
const BASE: u32 = 1_000_000_000;

/// A natural number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// The digits to the base of a milliard, the least first; the last is not zero.
    digits: Vec<u32>,
}

impl Count {
    /// Returns one.
    pub(crate) fn one() -> Self {
        Self { digits: vec![1] }
    }

    /// Returns the number less another one, which is not larger.
    #[must_use]
    pub fn less(mut self, other: &Self) -> Self {
        let mut borrow = 0;
        for (place, digit) in self.digits.iter_mut().enumerate() {
            let taken = other.digits.get(place).copied().unwrap_or_default() + borrow;
            borrow = u32::from(*digit < taken);
            *digit = *digit + borrow * BASE - taken;
        }
        debug_assert_eq!(borrow, 0, "what is taken away is not larger");
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        self
    }

    /// Tells whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }
}

impl From<usize> for Count {
    fn from(number: usize) -> Self {
        let mut digits = Vec::new();
        let mut rest = number;
        while rest > 0 {
            digits.push(u32::try_from(rest % BASE as usize).expect("it is below the base"));
            rest /= BASE as usize;
        }
        Self { digits }
    }
}

impl AddAssign<&Self> for Count {
    fn add_assign(&mut self, other: &Self) {
        let longest = self.digits.len().max(other.digits.len());
        self.digits.resize(longest, 0);
        let mut carry = 0;
        for (place, digit) in self.digits.iter_mut().enumerate() {
            let sum = *digit + other.digits.get(place).copied().unwrap_or_default() + carry;
            (carry, *digit) = (sum / BASE, sum % BASE);
        }
        if carry > 0 {
            self.digits.push(carry);
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = self.digits.iter().rev();
        write!(f, "{}", digits.next().unwrap_or(&0))?;
        digits.try_for_each(|digit| write!(f, "{digit:09}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn it_has_no_limit_and_keeps_its_zeros() {
        let mut count = Count::one();
        for _ in 0..200 {
            let same = count.clone();
            count += &same;
        }
        let expected = "1606938044258990275541962092341162602522202993782792835301376";
        assert_eq!(count.to_string(), expected);
        let mut milliard = Count::from(999_999_999);
        milliard += &Count::one();
        assert_eq!(milliard.to_string(), "1000000000");
        assert_eq!(Count::default().to_string(), "0");
    }

    #[test]
    fn what_is_taken_away_is_borrowed_from_above() {
        let large = Count::from(5_000_000_000_000_000_000);
        assert_eq!(
            large.clone().less(&Count::one()).to_string(),
            "4999999999999999999"
        );
        assert!(large.clone().less(&large).is_zero());
    }
}

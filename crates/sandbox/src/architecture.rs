//! The architectures whose programs run here: a 64-bit system runs 32-bit programs too, and their calls have
//! other numbers. It does not know what a call does.

/// An architecture: how the kernel calls it in a filter, and the numbers of its calls.
pub(crate) struct Architecture {
    pub(crate) audit: u32,
    pub(crate) number: fn(&str) -> Option<u32>,
}

impl Architecture {
    /// Returns the number of a call, if there is one.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        (self.number)(name)
    }
}

/// Where the calls begin that an architecture has beside the table of all.
pub(crate) const PRIVATE: u32 = 0x000f_0000;

/// Returns the number of such a call: 32-bit ARM has them, without which no program begins there.
pub(crate) fn private(architecture: &str, name: &str) -> Option<u32> {
    let calls = [("breakpoint", 1), ("cacheflush", 2), ("set_tls", 5)];
    let mut calls = calls.into_iter().filter(|_| architecture == "arm");
    calls.find_map(|(call, number)| (call == name).then_some(PRIVATE + number))
}

macro_rules! architecture {
    ($audit:literal, $name:ident) => {
        $crate::architecture::Architecture {
            audit: $audit,
            number: |name| {
                if let Some(number) = $crate::architecture::private(stringify!($name), name) {
                    return Some(number);
                }
                let call = name.parse::<syscalls::$name::Sysno>().ok()?;
                u32::try_from(call.id()).ok()
            },
        }
    };
}

#[cfg(test)]
pub(crate) use architecture;

#[cfg(target_arch = "x86_64")]
pub(crate) const ARCHITECTURES: [Architecture; 2] = [
    architecture!(0xc000_003e, x86_64),
    architecture!(0x4000_0003, x86),
];
#[cfg(target_arch = "aarch64")]
pub(crate) const ARCHITECTURES: [Architecture; 2] = [
    architecture!(0xc000_00b7, aarch64),
    architecture!(0x4000_0028, arm),
];

//! A text is no policy, or one that can hold, and that says in one line what somebody agrees to.
//!
//! `cargo +nightly fuzz run policy fuzz/corpus/policy fuzz/seeds/policy`, in `crates/trust`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Policy;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = match Policy::read(text) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(
                !error.to_string().is_empty(),
                "it is refused without a reason"
            );
            return;
        }
    };
    let threshold = policy.threshold.get();
    let people = policy.people().iter().filter(|member| !member.machine);
    let people = u32::try_from(people.count()).expect("a text is shorter");
    assert!(threshold <= people, "nothing can be verified by it");
    assert!(policy.clone().with_threshold(people + 1).is_err());
    assert!(policy.clone().with_threshold(0).is_err());
    let same = policy.clone().with_threshold(threshold);
    assert!(
        same.as_ref() == Ok(&policy),
        "the same threshold made another policy"
    );
    for member in policy.people() {
        assert!(
            !member.name.contains(char::is_control),
            "a name gives orders to a terminal"
        );
        for certificate in &member.certificates {
            let owner = policy.owner(certificate).map(|owner| &owner.name);
            assert!(
                owner == Some(&member.name),
                "a certificate is somebody else's"
            );
        }
        // Whatever the pattern, it takes no time.
        member.may_sign("core-musl-with-a-longer-name");
    }
    assert!(
        !policy.statement().contains('\n'),
        "it is more than one line of what is pinned"
    );
});

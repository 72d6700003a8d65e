//! Power of two choices over shard-local load; pure.

/// Picks one of `count` endpoints: the less loaded of two random ones.
///
/// `load(i)` is the number of requests this shard has in flight there, or `None` for an endpoint
/// to avoid. Only when all are to be avoided is one of those picked: a guess beats a refusal.
pub(crate) fn pick(
    count: usize,
    mut random: impl FnMut() -> u64,
    load: impl Fn(usize) -> Option<u32>,
) -> Option<usize> {
    match count {
        0 => None,
        1 => Some(0),
        _ => {
            let first = below(random(), count);
            let second = (first + 1 + below(random(), count - 1)) % count;
            match (load(first), load(second)) {
                (Some(a), Some(b)) => Some(if b < a { second } else { first }),
                (Some(_), None) => Some(first),
                (None, Some(_)) => Some(second),
                (None, None) => {
                    // Both are avoided: look at the rest from a random place on.
                    let rest = (0..count).map(|i| (first + i) % count);
                    rest.into_iter()
                        .find(|i| load(*i).is_some())
                        .or(Some(first))
                }
            }
        }
    }
}

/// A number in `0..n` from 64 random bits, without the bias or the cost of a remainder.
fn below(random: u64, n: usize) -> usize {
    ((u128::from(random) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64) -> impl FnMut() -> u64 {
        let mut state = seed | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        }
    }

    #[test]
    fn none_and_one() {
        assert_eq!(pick(0, random(1), |_| Some(0)), None);
        assert_eq!(pick(1, random(1), |_| None), Some(0));
    }

    #[test]
    fn the_less_loaded_of_two_wins() {
        let mut r = random(7);
        for _ in 0..1_000 {
            assert_eq!(pick(2, &mut r, |i| Some([3, 1][i])), Some(1));
        }
    }

    #[test]
    fn an_avoided_endpoint_is_picked_only_when_all_are() {
        let mut r = random(9);
        for _ in 0..1_000 {
            let picked = pick(5, &mut r, |i| (i == 3).then_some(100));
            assert_eq!(picked, Some(3));
            assert!(pick(5, &mut r, |_| None).is_some());
        }
    }

    #[test]
    fn whoever_may_be_picked_is_picked_before_all_who_are_avoided() {
        let mut random = crate::http::tests::Random::new(91);
        for _ in 0..20_000 {
            let count = 1 + random.below(12);
            let loads: Vec<Option<u32>> = (0..count)
                .map(|_| (!random.one_in(2)).then(|| random.next() as u32 % 100))
                .collect();
            let picked = pick(count, || random.next(), |i| loads[i]).unwrap();
            // One alone is not asked for: there is no choice.
            let all_avoided = loads.iter().all(Option::is_none);
            assert!(
                loads[picked].is_some() || all_avoided,
                "{picked} of {loads:?}"
            );
        }
    }

    #[test]
    fn equal_load_is_shared_evenly() {
        let mut r = random(11);
        let mut hits = [0u32; 3];
        for _ in 0..30_000 {
            hits[pick(3, &mut r, |_| Some(0)).unwrap()] += 1;
        }
        assert!(hits.iter().all(|h| (9_000..11_000).contains(h)), "{hits:?}");
    }
}

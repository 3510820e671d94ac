//! The test behind "no more than past Panko".

/// The chance that Panko's side has at least as much as it has, if it made no difference through
/// which side a period went.
///
/// Each number is what one period of a turn lost. All of them are dealt to the sides anew, in every
/// way that leaves each side as many periods as it has; this is the share of the ways in which
/// Panko's gets its sum or more. Were each period one workflow, it would be Fisher's exact test. But
/// the tasks that one killed worker takes with it are no independent accidents, the kills are: so a
/// period has one.
#[must_use]
pub fn chance(direct: &[u32], panko: &[u32]) -> f64 {
    let target = panko.iter().sum::<u32>() as usize;
    let (all, ours) = (direct.len() + panko.len(), panko.len());
    // chances[k][s]: of the periods dealt so far, Panko's side got k, with sum s (or more, for the
    // last s).
    let mut chances = vec![vec![0.0; target + 1]; ours + 1];
    if let Some(none) = chances.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for (dealt, &lost) in direct.iter().chain(panko).enumerate() {
        // From the most down, so that what is read is still of before this period.
        for got in (0..=ours.min(dealt)).rev() {
            let Some([sums, rest @ ..]) = chances.get_mut(got..) else { continue };
            let mut more = rest.first_mut();
            let to_panko = ours.saturating_sub(got) as f64 / (all - dealt) as f64;
            for (sum, chance) in sums.iter_mut().enumerate() {
                let with = (sum + lost as usize).min(target);
                if let Some(more) = more.as_mut().and_then(|more| more.get_mut(with)) {
                    *more += *chance * to_panko;
                }
                *chance *= 1.0 - to_panko;
            }
        }
    }
    chances.last().and_then(|sums| sums.last()).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(chance: f64, expected: f64) {
        assert!((chance - expected).abs() < 1e-9, "{chance} is not {expected}");
    }

    #[test]
    fn with_one_workflow_a_period_it_is_fishers_test() {
        // Fisher's tea: 3 of 4 against 1 of 4; p = (16 + 1) / 70.
        close(chance(&[1, 0, 0, 0], &[1, 1, 1, 0]), 17.0 / 70.0);
        close(chance(&[0, 0, 0, 0], &[1, 1, 1, 1]), 1.0 / 70.0);
        close(chance(&[1, 1, 1, 1], &[0, 0, 0, 0]), 1.0);
    }

    #[test]
    fn the_size_of_each_loss_counts() {
        // Of the six ways to deal two of these, Panko's side has 5 or more in three.
        close(chance(&[0, 1], &[5, 0]), 3.0 / 6.0);
        close(chance(&[5, 0], &[1, 0]), 5.0 / 6.0);
    }

    #[test]
    fn sides_of_different_length_are_fine() {
        close(chance(&[0, 0, 0], &[2]), 1.0 / 4.0);
        close(chance(&[], &[2]), 1.0);
        close(chance(&[2], &[]), 1.0);
    }

    #[test]
    fn one_bad_kill_among_many_is_no_proof_and_many_are() {
        let mut panko = [0; 48];
        panko[7] = 9;
        assert!(chance(&[0; 48], &panko) > 0.4);
        let panko = [1; 48];
        assert!(chance(&[0; 48], &panko) < 1e-9);
    }
}

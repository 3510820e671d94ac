//! The steps of a move by rings.

use std::collections::BTreeMap;

use crate::config::Config;

/// How much of what the first ring gets its clusters have after each step.
const PARTS: [f64; 3] = [0.1, 0.5, 1.0];

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The ring of the members that get slots.
    pub ring: u32,
    /// What each gets.
    pub moves: Vec<(String, u32)>,
    /// All members that have got slots until then.
    pub reached: Vec<String>,
}

/// The steps by which these members get so many slots in all: ring by ring, the first ring in growing parts.
pub fn plan(config: &Config, to: &[String], slots: u32) -> anyhow::Result<Vec<Step>> {
    let mut rings: BTreeMap<u32, Vec<&String>> = BTreeMap::new();
    for member in to {
        // A member is named CLUSTER, or CLUSTER/NAMESPACE.
        let cluster = member.split_once('/').map_or(member.as_str(), |(cluster, _)| cluster);
        let known = config.clusters.iter().find(|known| known.name == cluster);
        let names =
            || config.clusters.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let known = known.ok_or_else(|| {
            anyhow::anyhow!("{member} is on no cluster of panko.yaml: {}", names())
        })?;
        let ring = rings.entry(known.ring).or_default();
        anyhow::ensure!(!ring.contains(&member), "{member} stands twice in --to");
        ring.push(member);
    }
    let each = slots / u32::try_from(to.len()).unwrap_or(u32::MAX).max(1);
    anyhow::ensure!(each > 0, "{slots} slots are too few for {} members", to.len());
    let (mut steps, mut reached) = (Vec::new(), Vec::new());
    for (number, (ring, members)) in rings.into_iter().enumerate() {
        reached.extend(members.iter().map(|member| (*member).clone()));
        let parts: &[f64] = if number == 0 { &PARTS } else { &[1.0] };
        let mut had = 0;
        for part in parts {
            let has = ((f64::from(each) * part).round() as u32).clamp(1, each);
            let more = has.saturating_sub(had);
            if more > 0 {
                let moves = members.iter().map(|member| ((*member).clone(), more)).collect();
                steps.push(Step { ring, moves, reached: reached.clone() });
            }
            had = has.max(had);
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Cluster;

    fn config(rings: &[(&str, u32)]) -> Config {
        let text = "clusters: []\nnamespaces: []";
        let mut config: Config = serde_saphyr::from_str(text).unwrap();
        let cluster = |(name, ring): &(&str, u32)| Cluster {
            name: (*name).to_owned(),
            address: String::new(),
            tls: None,
            api_key_file: None,
            nexus_callback_url: None,
            ring: *ring,
        };
        config.clusters = rings.iter().map(cluster).collect();
        config
    }

    fn moves(step: &Step) -> Vec<(&str, u32)> {
        step.moves.iter().map(|(to, slots)| (to.as_str(), *slots)).collect()
    }

    #[test]
    fn the_first_ring_grows_and_the_others_follow_whole() {
        let config = config(&[("a", 0), ("b", 0), ("c", 7), ("d", 2)]);
        let to = ["c", "d", "b"].map(str::to_owned);
        let steps = plan(&config, &to, 300).unwrap();
        let all: Vec<_> = steps.iter().map(|step| (step.ring, moves(step))).collect();
        let expected = [
            (0, vec![("b", 10)]),
            (0, vec![("b", 40)]),
            (0, vec![("b", 50)]),
            (2, vec![("d", 100)]),
            (7, vec![("c", 100)]),
        ];
        assert_eq!(all, expected);
        assert_eq!(steps[3].reached, ["b", "d"]);
    }

    #[test]
    fn few_slots_make_few_steps_and_no_more_than_were_asked_for() {
        let config = config(&[("a", 0), ("b", 0)]);
        for slots in 1..20 {
            let steps = plan(&config, &["b".to_owned()], slots).unwrap();
            let sum: u32 = steps.iter().flat_map(|step| &step.moves).map(|(_, slots)| slots).sum();
            assert_eq!(sum, slots);
        }
        assert!(plan(&config, &["x".to_owned()], 9).is_err());
        assert!(plan(&config, &["a".to_owned(), "b".to_owned()], 1).is_err());
    }
}

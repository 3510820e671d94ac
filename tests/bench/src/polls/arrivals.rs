//! When tasks come, and where.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::null::NullCluster;

/// A burst lasts this long, begins once in every [`BETWEEN`], and has this many times the tasks.
const BURST: f64 = 1.0;
const BETWEEN: f64 = 5.0;
const TIMES: f64 = 10.0;

/// How often tasks come. Their arrivals are a Poisson process.
#[derive(Debug, Clone, Copy)]
pub enum Pattern {
    /// Tasks a second.
    Steady(f64),
    /// Tasks a second between the bursts.
    Bursty(f64),
}

impl Pattern {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Steady(rate) => format!("{rate}/s"),
            Self::Bursty(rate) => format!("{rate}/s, bursts ×{TIMES}"),
        }
    }

    /// The arrivals of `length`. Equal seeds give equal arrivals.
    pub fn arrivals(self, length: Duration, seed: u64) -> Vec<Duration> {
        let mut random = SmallRng::seed_from_u64(seed);
        let most = match self {
            Self::Steady(rate) => rate,
            Self::Bursty(rate) => rate * TIMES,
        };
        let mut arrivals = Vec::new();
        let mut at = 0.0;
        // Thinning: arrivals at the highest rate, of which each stays with its moment's share of it.
        loop {
            at += -(1.0 - random.random::<f64>()).ln() / most;
            if at >= length.as_secs_f64() {
                return arrivals;
            }
            if random.random::<f64>() * most < self.rate(at) {
                arrivals.push(Duration::from_secs_f64(at));
            }
        }
    }

    fn rate(self, at: f64) -> f64 {
        match self {
            Self::Steady(rate) => rate,
            // The burst comes at the end, when the pool has got used to less.
            Self::Bursty(rate) if at % BETWEEN >= BETWEEN - BURST => rate * TIMES,
            Self::Bursty(rate) => rate,
        }
    }
}

/// Injects a task at each of `arrivals`, from now on, each into one of the queues on one of the
/// clusters. Returns when the last is out.
pub async fn inject(
    clusters: &[Arc<NullCluster>],
    queues: Vec<String>,
    arrivals: Vec<Duration>,
    seed: u64,
) -> anyhow::Result<()> {
    let clusters = clusters.to_vec();
    // A thread of its own: the runtime's clock has milliseconds, and its work would delay tasks.
    let injecting = move || {
        let mut random = SmallRng::seed_from_u64(seed);
        let began = Instant::now();
        for arrival in arrivals {
            std::thread::sleep((began + arrival).saturating_duration_since(Instant::now()));
            let cluster = clusters.get(random.random_range(0..clusters.len()));
            let queue = queues.get(random.random_range(0..queues.len()));
            if let (Some(cluster), Some(queue)) = (cluster, queue) {
                cluster.inject(queue);
            }
        }
    };
    Ok(tokio::task::spawn_blocking(injecting).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_have_ten_times_the_arrivals_of_other_seconds() {
        let arrivals = Pattern::Bursty(200.0).arrivals(Duration::from_secs(100), 7);
        let (burst, between): (Vec<Duration>, Vec<Duration>) =
            arrivals.into_iter().partition(|at| at.as_secs_f64() % BETWEEN >= BETWEEN - BURST);
        // Per second: 20 seconds of bursts, 80 between.
        let (burst, between) = (burst.len() as f64 / 20.0, between.len() as f64 / 80.0);
        assert!((1_900.0..2_100.0).contains(&burst), "{burst}");
        assert!((185.0..215.0).contains(&between), "{between}");
    }
}

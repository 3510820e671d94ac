//! Slots change owners while something fails: the control server is killed at every step, an Envoy or its way to the
//! control server hangs, the database is away. Clients and workers go on, and no answer is wrong.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::until;
use panko_tests::moves::{Clients, records};
use panko_tests::operator::Operator;
use panko_tests::sandbox::options;
use panko_tests::valve::Valve;

const SECOND: Duration = Duration::from_secs(1);

/// How long something that hangs does so.
const WHILE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_faults_while_slots_move_on_server_1_29() -> Result<()> {
    nobody_notices(Kind::Cli, 1).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make moves"]
async fn nobody_notices_faults_while_slots_move_again_and_again_on_server_1_32() -> Result<()> {
    nobody_notices(Kind::Server, 5).await
}

/// Three members and two Envoys, of which the second reaches the control server through a valve.
struct Stage {
    sandbox: Sandbox,
    operator: Operator,
    clients: Clients,
    valve: Valve,
    owned: Vec<u64>,
    /// How often the control server was killed while a handover was under way, by the history.
    killed_half_way: usize,
}

async fn nobody_notices(kind: Kind, rounds: usize) -> Result<()> {
    let mut stage = Stage::begin(kind).await?;
    for _ in 0..rounds {
        stage.an_envoy_hangs().await?;
        stage.a_filters_stream_hangs().await?;
        stage.killed_at_every_step().await?;
    }
    stage.end().await
}

impl Stage {
    async fn begin(kind: Kind) -> Result<Self> {
        let three = options(kind, &[("a", 1), ("b", 1), ("c", 1)])?;
        // Scans go on all the time, so that what is killed is killed in the middle of one.
        let three = Options { clusters: 3, envoys: 2, scan_every_seconds: 1, ..three };
        let mut sandbox = Sandbox::prepare(&three)?;
        let server = sandbox.addresses().control_servers.first().context("a control server")?.grpc;
        let valve = Valve::open(server).await?;
        let yaml = sandbox.data_dir().join("envoy-2.yaml");
        let text = std::fs::read_to_string(&yaml)?;
        let (was, is) = (server.port().to_string(), valve.address().port().to_string());
        ensure!(text.matches(&was).count() == 1, "the control server's port is there once");
        std::fs::write(&yaml, text.replace(&was, &is))?;
        sandbox.start_all().await?;
        let operator = Operator::of(&sandbox)?;
        let [first, second] = sandbox.addresses().envoys.as_slice() else {
            anyhow::bail!("two Envoys")
        };
        let clients =
            Clients::start(first.address).await?.and_at(second.address, "gRPC, other Envoy")?;
        let owned = operator.owned().await?;
        tokio::time::sleep(4 * SECOND).await;
        Ok(Self { sandbox, operator, clients, valve, owned, killed_half_way: 0 })
    }

    /// Begins to move slots, and comes back as soon as that is acknowledged.
    async fn begin_move(&mut self, from: usize, to: usize) -> Result<()> {
        let name = |at: usize| ["a", "b", "c"][at];
        let (from_name, to_name) = (name(from), name(to));
        self.operator
            .run(&["move", "--from", from_name, "--to", to_name, "--slots", "300", "--no-wait"])
            .await?;
        self.owned[from] -= 300;
        self.owned[to] += 300;
        Ok(())
    }

    /// Waits until all slots have the owners that they were to get.
    async fn completed(&self) -> Result<()> {
        until("the slots have their new owners", 30 * SECOND, async || {
            self.operator.owned().await.is_ok_and(|owned| owned == self.owned)
        })
        .await
    }

    /// How many former owners slots have.
    async fn former(&self) -> Result<u64> {
        let placement = self.operator.run(&["status", "placement"]).await?;
        let members = placement["members"].as_array().context("members")?;
        Ok(members.iter().filter_map(|member| member["former"].as_u64()).sum())
    }

    /// Returns when it was gone.
    async fn restart(&mut self) -> Result<SystemTime> {
        let began = std::time::Instant::now();
        self.sandbox.kill_part("control-server").await?;
        let killed = SystemTime::now();
        self.sandbox.start_part("control-server").await?;
        println!("the control server was away for {:.1} s", began.elapsed().as_secs_f64());
        Ok(killed)
    }

    /// Whether the handover that is completed now was under way when the control server was killed, which counts.
    async fn was_half_way(&mut self, killed: SystemTime) -> Result<bool> {
        let half_way = self.operator.completed_after(killed).await?;
        self.killed_half_way += usize::from(half_way);
        Ok(half_way)
    }

    /// The handover that is under way has waited for this Envoy, for a while.
    async fn waits_for(&self, envoy: &str) -> Result<()> {
        tokio::time::sleep(WHILE).await;
        let placement = self.operator.run(&["status", "placement"]).await?;
        let waits = placement["waits_for"].to_string();
        ensure!(waits.contains(envoy), "{placement}");
        Ok(())
    }

    /// It holds up the change and the calls of its own clients, and no others.
    async fn an_envoy_hangs(&mut self) -> Result<()> {
        self.clients.during("the other Envoy hangs, and that is reversed half-way").await?;
        let before = self.owned.clone();
        self.sandbox.hang_part("envoy-2", true)?;
        self.begin_move(0, 1).await?;
        self.waits_for("envoy-2").await?;
        self.operator.run(&["reverse"]).await?;
        ensure!(self.operator.owned().await? == before, "half-way nothing has moved");
        self.owned = before;
        self.clients.during("the control server is killed between the two steps").await?;
        self.begin_move(0, 2).await?;
        let killed = self.restart().await?;
        self.waits_for("envoy-2").await?;
        self.clients.during("the other Envoy goes on").await?;
        self.sandbox.hang_part("envoy-2", false)?;
        self.completed().await?;
        ensure!(self.was_half_way(killed).await?, "it was completed before the kill");
        tokio::time::sleep(SECOND).await;
        Ok(())
    }

    /// It holds up the change; what goes from that Envoy to clusters goes on.
    async fn a_filters_stream_hangs(&mut self) -> Result<()> {
        self.clients.during("the other Envoy's way to the control server hangs").await?;
        self.valve.hold(true);
        self.begin_move(1, 0).await?;
        self.waits_for("envoy-2").await?;
        self.clients.during("it goes on").await?;
        self.valve.hold(false);
        self.completed().await?;
        tokio::time::sleep(SECOND).await;
        Ok(())
    }

    async fn killed_at_every_step(&mut self) -> Result<()> {
        self.clients.during("the control server is killed right after the first step").await?;
        self.begin_move(0, 1).await?;
        let killed = self.restart().await?;
        self.completed().await?;
        self.was_half_way(killed).await?;
        tokio::time::sleep(SECOND).await;

        self.clients.during("… while its first step has not reached the other Envoy").await?;
        self.valve.hold(true);
        self.begin_move(2, 0).await?;
        self.sandbox.kill_part("control-server").await?;
        let killed = SystemTime::now();
        self.valve.hold(false);
        self.sandbox.start_part("control-server").await?;
        self.completed().await?;
        ensure!(self.was_half_way(killed).await?, "it was completed before the kill");
        tokio::time::sleep(SECOND).await;

        self.clients.during("… right after the second").await?;
        self.begin_move(1, 2).await?;
        self.completed().await?;
        self.restart().await?;
        ensure!(self.operator.owned().await? == self.owned, "what was completed stays");
        tokio::time::sleep(SECOND).await;

        self.clients.during("… while former owners are released").await?;
        // With this one each has as many as at the beginning of the round.
        self.begin_move(2, 1).await?;
        self.completed().await?;
        let before = self.former().await?;
        until("a scan has released some", 30 * SECOND, async || {
            self.former().await.is_ok_and(|now| now < before)
        })
        .await?;
        self.restart().await?;
        ensure!(self.operator.owned().await? == self.owned, "what was completed stays");
        tokio::time::sleep(2 * SECOND).await;
        Ok(())
    }

    async fn end(mut self) -> Result<()> {
        println!("the control server was killed {} times half-way", self.killed_half_way);
        let ids = self.clients.stop().await?;
        records::check(self.sandbox.addresses(), &ids).await?;
        let verified = self.operator.run(&["verify"]).await?;
        ensure!(verified["duplicates_in_all"] == 0, "{verified}");
        self.sandbox.stop_all().await;
        Ok(())
    }
}

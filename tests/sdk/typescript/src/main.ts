// Every feature of an unchanged TypeScript SDK, checked end to end at one address: a row for each promise, for
// each cluster. The README says how to run it.
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, makeTelemetryFilterString, DefaultLogger } from '@temporalio/worker';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as activities from './activities';
import { checks } from './checks';
import { greeterHandler } from './nexus';
import { report, type Row } from './report';
import { Stage } from './stage';

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      address: { type: 'string' }, namespace: { type: 'string', default: 'default' }, ids: { type: 'string' },
    },
  });
  const { address, namespace } = values;
  if (!address) throw new Error('say where with --address HOST:PORT');
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => {}),
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'ERROR' }) } },
  });
  const any = Array.from({ length: 200 }, (_, n) => `typescript-${process.pid}-${n}`);
  const ids: Record<string, string[]> = values.ids
    ? JSON.parse(readFileSync(values.ids, 'utf8')) : { direct: any };
  const clusters = Object.keys(ids).sort();

  // All defaults: what is checked is what users run.
  const connection = await Connection.connect({ address });
  const client = new Client({ connection, namespace });
  const taskQueue = `checklist-typescript-${Date.now().toString(36)}`;
  const native = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection: native, namespace, taskQueue,
    workflowsPath: require.resolve('./workflows'),
    nexusServices: [greeterHandler],
    activities: {
      greet: activities.greet, flaky: activities.flaky,
      heartbeats: activities.heartbeats, later: activities.later,
    },
  });
  const running = worker.run();
  const stages = clusters.map((name) => new Stage(client, native, taskQueue, name, ids[name].values()));
  const rows: Row[] = [];
  for (const stage of stages) {
    for (const [check, run] of Object.entries(checks)) {
      rows.push(await row(check, stage.cluster, () => run(stage)));
    }
  }
  const stops = async () => {
    worker.shutdown();
    await Promise.race([running, new Promise((_, no) => setTimeout(() => no(new Error('it still runs')), 20_000))]);
  };
  rows.push(await row('the worker stops when told', clusters[0], stops));
  for (const stage of stages) {
    rows.push(await row('no workflow task timed out', stage.cluster, async () => {
      for (const id of stage.started) {
        const { events } = await client.workflow.getHandle(id).fetchHistory();
        const lost = events?.some((e) => e.workflowTaskTimedOutEventAttributes?.timeoutType === 1);
        if (lost) throw new Error(`${id} has a task that timed out`);
      }
    }));
  }
  return report(rows, clusters);
}

/** Runs one check. */
async function row(check: string, cluster: string, run: () => Promise<void>): Promise<Row> {
  const began = Date.now();
  try {
    await Promise.race([run(), new Promise<never>((_, no) => setTimeout(() => no(new Error('not in time')), 40_000))]);
    return { check, cluster, seconds: (Date.now() - began) / 1000 };
  } catch (error) {
    return { check, cluster, seconds: (Date.now() - began) / 1000, problem: String((error as Error).stack ?? error) };
  }
}

main().then((good) => process.exit(good ? 0 : 1), (error) => {
  console.error(error);
  process.exit(1);
});

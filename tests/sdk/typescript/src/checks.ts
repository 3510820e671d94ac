// The promises: each throws if it is broken.
import type { Connection, ScheduleHandle, Workflow, WorkflowHandle } from '@temporalio/client';
import type { VersioningBehavior } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { tokens } from './activities';
import { Stage, WithStartWorkflowOperation, equal, fails, until } from './stage';
import * as workflows from './workflows';

type Check = (s: Stage) => Promise<void>;

const namespace = (s: Stage): string => s.client.options.namespace;

/** What a workflow with this one activity returns. */
const activity = (name: 'greet' | 'flaky', input: string, wanted: string): Check => async (s) =>
  equal(await (await s.start(workflows.works, name, input)).result(), wanted);

/** A worker of one version, on a queue of the deployment's name. */
const versioned = (s: Stage, name: string, buildId: string, behavior: VersioningBehavior): Promise<Worker> =>
  Worker.create({
    connection: s.native, namespace: namespace(s), taskQueue: name,
    workflowsPath: require.resolve('./workflows'),
    workerDeploymentOptions: {
      version: { deploymentName: name, buildId }, useWorkerVersioning: true,
      defaultVersioningBehavior: behavior,
    },
  });

/** Has a version get what starts. Servers know it once its workers have polled. */
const current = (s: Stage, name: string, buildId: string): Promise<void> =>
  until('the version is known', () => s.client.workflowService.setWorkerDeploymentCurrentVersion({
    namespace: namespace(s), deploymentName: name, buildId, version: `${name}.${buildId}`, identity: 'a test',
  }).then(() => true));

const begin = <T extends Workflow>(s: Stage, taskQueue: string, workflow: T, ...args: Parameters<T>) =>
  s.client.workflow.start(workflow, { ...s.options(), taskQueue, args } as never) as Promise<WorkflowHandle<T>>;

/** The version that a workflow runs on. */
const buildId = async (handle: WorkflowHandle): Promise<string | null | undefined> =>
  (await handle.describe()).raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;

/** A schedule that starts echo once an hour. */
const hourly = (s: Stage, text: string): Promise<ScheduleHandle> => {
  const scheduleId = `schedule-${s.id()}`;
  return s.client.schedule.create({
    scheduleId, spec: { intervals: [{ every: '1 hour' }] },
    action: {
      type: 'startWorkflow', workflowType: workflows.echo, workflowId: `by-${scheduleId}`,
      args: [text], taskQueue: s.queue,
    },
  });
};

/** The workflows that a schedule has started. */
const runs = async (schedule: ScheduleHandle): Promise<string[]> =>
  (await schedule.describe()).info.recentActions.map(({ action }) => action.workflow.workflowId);

export const checks: Record<string, Check> = {
  'a workflow returns its result': async (s) =>
    equal(await (await s.start(workflows.echo, 'panko')).result(), 'panko'),

  'signals, queries and updates reach an open workflow': async (s) => {
    const handle = await s.start(workflows.counter);
    await handle.signal(workflows.add, 5);
    equal(await handle.executeUpdate(workflows.plus, { args: [7] }), 12);
    equal(await handle.query(workflows.total), 12);
    await handle.signal(workflows.finish);
    equal(await handle.result(), 12);
  },

  'a closed workflow answers queries': async (s) => {
    const handle = await s.start(workflows.counter);
    await handle.signal(workflows.finish);
    await handle.result();
    equal(await handle.query(workflows.total), 0);
  },

  'an update starts its workflow': async (s) => {
    const startWorkflowOperation = new WithStartWorkflowOperation(workflows.counter, {
      ...s.options(), workflowIdConflictPolicy: 'USE_EXISTING',
    });
    const sum = await s.client.workflow.executeUpdateWithStart(workflows.plus, {
      startWorkflowOperation, args: [3],
    });
    equal(sum, 3);
  },

  'a signal starts its workflow': async (s) => {
    const handle = await s.client.workflow.signalWithStart(workflows.counter, {
      ...s.options(), signal: workflows.add, signalArgs: [2],
    });
    equal(await handle.query(workflows.total), 2);
  },

  'a workflow is cancelled': async (s) => {
    const handle = await s.start(workflows.counter);
    await handle.cancel();
    await fails(handle.result(), 'CancelledFailure');
  },

  'a workflow is terminated': async (s) => {
    const handle = await s.start(workflows.counter);
    await handle.terminate('a test');
    await fails(handle.result(), 'TerminatedFailure');
  },

  'a reset workflow runs again': async (s) => {
    const handle = await s.start(workflows.echo, 'twice');
    await handle.result();
    const { runId } = await s.client.workflowService.resetWorkflowExecution({
      namespace: namespace(s), workflowExecution: { workflowId: handle.workflowId },
      workflowTaskFinishEventId: 4 as never, requestId: randomUUID(), reason: 'a test',
    });
    equal(await s.client.workflow.getHandle(handle.workflowId, runId ?? undefined).result(), 'twice');
  },

  'a workflow continues as new': async (s) =>
    equal(await (await s.start(workflows.again, 3)).result(), 0),

  'a child is found under its own id': async (s) => {
    for (let n = 0; n < 4; n++) {
      const id = `${s.queue}-${s.cluster}-child-${n}`;
      const handle = await s.start(workflows.parent, id);
      const child = s.client.workflow.getHandle<typeof workflows.counter>(id);
      await until('the child', () => child.signal(workflows.add, 4).then(() => true));
      equal(await child.query(workflows.total), 4);
      await child.signal(workflows.finish);
      equal(await child.result(), 4);
      equal(await handle.result(), 4);
    }
  },

  'a timer fires': async (s) => equal(await (await s.start(workflows.sleeper)).result(), 'slept'),

  'a description and a history tell the same': async (s) => {
    const handle = await s.start(workflows.echo, 'seen');
    await handle.result();
    const history = await handle.fetchHistory();
    equal((await handle.describe()).historyLength, history.events?.length);
  },

  'an activity is tried again': activity('flaky', 'tried', 'tried'),
  'an activity returns its result': activity('greet', 'panko', 'hello panko'),
  'a local activity returns its result': async (s) =>
    equal(await (await s.start(workflows.worksLocally, 'panko')).result(), 'hello panko'),

  'an activity that heartbeats is cancelled': async (s) => {
    const handle = await s.start(workflows.works, 'heartbeats', '');
    await until('a heartbeat', async () => {
      const pending = (await handle.describe()).raw.pendingActivities ?? [];
      return pending.length === 1 && pending[0].heartbeatDetails != null;
    });
    await handle.cancel();
    await fails(handle.result(), 'CancelledFailure');
  },

  'an activity is completed by its token': async (s) => {
    const handle = await s.start(workflows.works, 'later', '');
    await until('the activity', async () => tokens.length > 0);
    await s.client.activity.complete(tokens.pop()!, 'done');
    equal(await handle.result(), 'done');
  },

  'an activity is completed by its id': async (s) => {
    const handle = await s.start(workflows.works, 'later', '');
    await until('the activity', async () => tokens.length > 0);
    tokens.pop();
    const id = { workflowId: handle.workflowId, activityId: 'the-activity' };
    await until('its id', () => s.client.activity.complete(id, 'done').then(() => true));
    equal(await handle.result(), 'done');
  },

  'a schedule is made, triggered, listed and deleted': async (s) => {
    const schedule = await hourly(s, 'scheduled');
    await schedule.trigger();
    let started: string[] = [];
    await until('the scheduled run', async () => (started = await runs(schedule)).length > 0);
    equal(await s.client.workflow.getHandle(started[0]).result(), 'scheduled');
    await until('the schedule in the list', async () => {
      for await (const entry of s.client.schedule.list({ pageSize: 1 })) {
        if (entry.scheduleId === schedule.scheduleId) return true;
      }
      return false;
    });
    await schedule.delete();
  },

  'a schedule is paused, changed and backfilled': async (s) => {
    const schedule = await hourly(s, 'before');
    await schedule.pause('a test');
    const { state } = await schedule.describe();
    equal(state.paused && state.note, 'a test');
    await schedule.unpause();
    await schedule.update((before) => ({ ...before, action: { ...before.action, args: ['changed'] } }));
    const end = Date.now() - 24 * 3_600_000;
    await schedule.backfill({ start: new Date(end - 150 * 60_000), end: new Date(end), overlap: 'ALLOW_ALL' });
    let started: string[] = [];
    await until('the hours of before', async () => (started = await runs(schedule)).length >= 2);
    for (const id of started) equal(await s.client.workflow.getHandle(id).result(), 'changed');
    await schedule.delete();
  },

  'a memo and search attributes are set, changed and searched': async (s) => {
    const { mark } = workflows;
    const { operatorService } = s.client.connection as Connection;
    const keyword = 2; // INDEXED_VALUE_TYPE_KEYWORD
    await operatorService
      .addSearchAttributes({ namespace: namespace(s), searchAttributes: { [mark.name]: keyword } })
      .catch((error) => equal(error.code, 6)); // ALREADY_EXISTS
    await until('the attribute is known', () =>
      s.client.workflow.count(`${mark.name} = 'none'`).then(() => true));
    const options = s.options();
    const value = `value-${options.workflowId}`;
    const handle = await s.client.workflow.start(workflows.marked, {
      ...options, args: [`${value}-changed`], memo: { note: 'kept' },
      typedSearchAttributes: [{ key: mark, value }],
    });
    const found = (by: string, note: string) => until('it is found', async () => {
      const rows = [];
      for await (const info of s.client.workflow.list({ query: `${mark.name} = '${by}'` })) rows.push(info);
      return rows.length === 1 && rows[0].workflowId === handle.workflowId && rows[0].memo?.note === note;
    });
    await found(value, 'kept');
    await handle.signal(workflows.change);
    await handle.result();
    await found(`${value}-changed`, 'changed');
  },

  'lists and counts have the workflows of all clusters': async (s) => {
    const mine = new Set<string>();
    for (let n = 0; n < 3; n++) mine.add((await s.start(workflows.echo, 'listed')).workflowId);
    const query = `TaskQueue = '${s.queue}'`;
    await until('all of them once, and as many as are counted', async () => {
      const runs = new Set<string>();
      let rows = 0;
      for await (const info of s.client.workflow.list({ query, pageSize: 5 })) {
        runs.add(info.runId);
        mine.delete(info.workflowId);
        rows++;
      }
      equal(runs.size, rows);
      return mine.size === 0 && (await s.client.workflow.count(query)).count === rows;
    });
  },

  'Nexus operations end now and later, on any cluster': async (s) => {
    const name = `${s.queue}-${s.cluster}`;
    const { operatorService } = s.client.connection as Connection;
    const { endpoint } = await operatorService.createNexusEndpoint({
      spec: { name, target: { worker: { namespace: namespace(s), taskQueue: s.queue } } },
    });
    equal(await (await s.start(workflows.callsNexus, name, 'now', 'panko')).result(), 'hello panko');
    // Half of these workflows live on another cluster than the operation.
    for (let n = 0; n < 4; n++) {
      const id = `${name}-later-${n}`;
      equal(await (await s.start(workflows.callsNexus, name, 'later', id)).result(), id);
    }
    await operatorService.deleteNexusEndpoint({ id: endpoint?.id, version: endpoint?.version });
  },

  'a worker version is made current': async (s) => {
    const name = `shop-${s.queue}-${s.cluster}`;
    const worker = await versioned(s, name, 'one', 'PINNED');
    await worker.runUntil(async () => {
      await current(s, name, 'one');
      const handle = await begin(s, name, workflows.echo, 'versioned');
      equal(await handle.result(), 'versioned');
      equal(await buildId(handle), 'one');
    });
  },

  'a new version takes over by a ramp': async (s) => {
    const name = `ramp-${s.queue}-${s.cluster}`;
    const one = await versioned(s, name, 'one', 'AUTO_UPGRADE');
    const two = await versioned(s, name, 'two', 'AUTO_UPGRADE');
    await one.runUntil(two.runUntil(async () => {
      await current(s, name, 'one');
      const old = await begin(s, name, workflows.counter);
      equal(await old.query(workflows.total), 0);
      equal(await buildId(old), 'one');
      await until('the version is known', () => s.client.workflowService.setWorkerDeploymentRampingVersion({
        namespace: namespace(s), deploymentName: name, buildId: 'two', version: `${name}.two`,
        percentage: 100, identity: 'a test',
      }).then(() => true));
      const young = await begin(s, name, workflows.counter);
      equal(await young.query(workflows.total), 0);
      equal(await buildId(young), 'two');
      await current(s, name, 'two');
      for (const handle of [old, young]) {
        await handle.signal(workflows.finish);
        equal(await handle.result(), 0);
        equal(await buildId(handle), 'two');
      }
    }));
  },

  'a batch terminates by query': async (s) => {
    const handle = await s.start(workflows.counter);
    const query = `WorkflowId = '${handle.workflowId}' AND ExecutionStatus = 'Running'`;
    await until('it is visible', async () => (await s.client.workflow.count(query)).count === 1);
    await s.client.workflowService.startBatchOperation({
      namespace: namespace(s), visibilityQuery: query, jobId: randomUUID(), reason: 'a test',
      terminationOperation: { identity: 'a test' },
    });
    await fails(handle.result(), 'TerminatedFailure');
  },
};


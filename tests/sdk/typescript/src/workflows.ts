// The workflows of the checklist, each as small as its checks allow.
import {
  condition, upsertMemo, upsertSearchAttributes, continueAsNew, createNexusServiceClient, defineQuery, defineSignal, defineUpdate, executeChild,
  proxyActivities, proxyLocalActivities, setHandler, sleep, ActivityCancellationType,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type * as activities from './activities';
import { greeter } from './nexus-service';

export const add = defineSignal<[number]>('add');
export const change = defineSignal('change');
export const finish = defineSignal('finish');
export const total = defineQuery<number>('total');
/** A search attribute of the checklist's own. */
export const mark = defineSearchAttributeKey('PankoMark', 'KEYWORD');
export const plus = defineUpdate<number, [number]>('plus');

const options = {
  startToCloseTimeout: '30 seconds', heartbeatTimeout: '10 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '100 milliseconds', maximumAttempts: 3 },
} as const;

export async function echo(text: string): Promise<string> {
  return text;
}

/** Adds up what signals and updates bring, until it is told to finish. */
export async function counter(): Promise<number> {
  let sum = 0;
  let finished = false;
  setHandler(add, (n) => { sum += n; });
  setHandler(plus, (n) => (sum += n));
  setHandler(finish, () => { finished = true; });
  setHandler(total, () => sum);
  await condition(() => finished);
  return sum;
}

/** Changes its memo and its search attribute once it is told to. */
export async function marked(value: string): Promise<void> {
  let told = false;
  setHandler(change, () => { told = true; });
  await condition(() => told);
  upsertMemo({ note: 'changed' });
  upsertSearchAttributes([{ key: mark, value }]);
}

export async function parent(child: string): Promise<number> {
  return executeChild(counter, { workflowId: child });
}

export async function again(left: number): Promise<number> {
  if (left > 0) await continueAsNew<typeof again>(left - 1);
  return left;
}

/** Calls one operation through an endpoint. */
export async function callsNexus(endpoint: string, operation: 'now' | 'later', input: string): Promise<string> {
  const client = createNexusServiceClient({ service: greeter, endpoint });
  return client.executeOperation(operation, input, { scheduleToCloseTimeout: '20 seconds' });
}

export async function sleeper(): Promise<string> {
  await sleep(1000);
  return 'slept';
}

export async function worksLocally(name: string): Promise<string> {
  return proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10 seconds' }).greet(name);
}

/** Runs one activity by its name. */
export async function works(name: keyof typeof activities, input: string): Promise<string> {
  const all = proxyActivities<Record<string, (input: string) => Promise<string>>>({
    ...options, activityId: 'the-activity',
  } as never);
  return all[name](input);
}

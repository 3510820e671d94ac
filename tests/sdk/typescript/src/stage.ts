// What a check gets: a client of the address, and ids that live on one cluster.
import { Client, WithStartWorkflowOperation } from '@temporalio/client';
import type { Workflow, WorkflowHandle } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';

export class Stage {
  readonly started: string[] = [];

  constructor(
    readonly client: Client,
    /** What workers connect by. */
    readonly native: NativeConnection,
    readonly queue: string,
    readonly cluster: string,
    private readonly ids: Iterator<string>,
  ) {}

  id(): string {
    const next = this.ids.next();
    if (next.done) throw new Error(`the ids of cluster ${this.cluster} are used up: give more`);
    return next.value;
  }

  /** What every start has in common: this cluster, a new id, and an end of what a failed check leaves open. */
  options() {
    const workflowId = this.id();
    this.started.push(workflowId);
    return { workflowId, taskQueue: this.queue, workflowExecutionTimeout: '2 minutes' as const };
  }

  start<T extends Workflow>(workflow: T, ...args: Parameters<T>): Promise<WorkflowHandle<T>> {
    return this.client.workflow.start(workflow, { ...this.options(), args } as never) as never;
  }
}

export { WithStartWorkflowOperation };

export function equal(got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${String(got)}, not ${String(wanted)}`);
}

/** Repeats what takes a moment. */
export async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  let last: unknown;
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((go) => setTimeout(go, 200));
  }
  throw new Error(`${what}: not in time (${String(last)})`);
}

/** The call fails with this error, or because of it. */
export async function fails(call: Promise<unknown>, name: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    for (let e = error as Error | undefined; e; e = e.cause as Error | undefined) {
      if (e.name === name) return;
    }
    throw error;
  }
  throw new Error(`it has a result, and no ${name}`);
}

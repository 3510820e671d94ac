// The worker's side of the Nexus service.
import { WorkflowRunOperationHandler, startWorkflow } from '@temporalio/nexus';
import * as nexus from 'nexus-rpc';
import { greeter } from './nexus-service';
import type { echo } from './workflows';

export const greeterHandler = nexus.serviceHandler(greeter, {
  async now(_context, name) {
    return `hello ${name}`;
  },
  later: new WorkflowRunOperationHandler<string, string>(async (context, id) =>
    startWorkflow<typeof echo>(context, 'echo', { args: [id], workflowId: id })),
});

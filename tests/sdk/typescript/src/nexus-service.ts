// The contract that the calling workflow sees.
import * as nexus from 'nexus-rpc';

export const greeter = nexus.service('greeter', {
  now: nexus.operation<string, string>({ name: 'greet-now' }),
  /** Ends with a workflow whose id, and result, is its input. */
  later: nexus.operation<string, string>({ name: 'greet-later' }),
});

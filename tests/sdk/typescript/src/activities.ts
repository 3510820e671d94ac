// The activities of the checklist.
import { CompleteAsyncError, Context } from '@temporalio/activity';

/** The tokens of activities that somebody else ends, in the order in which they began. */
export const tokens: Uint8Array[] = [];

export async function greet(name: string): Promise<string> {
  return `hello ${name}`;
}

/** Fails the first time. */
export async function flaky(text: string): Promise<string> {
  if (Context.current().info.attempt === 1) throw new Error('the first attempt fails on purpose');
  return text;
}

/** Goes on until it is cancelled. */
export async function heartbeats(): Promise<string> {
  for (;;) {
    Context.current().heartbeat('beat');
    await Context.current().sleep(200);
  }
}

export async function later(): Promise<string> {
  tokens.push(Context.current().info.taskToken);
  throw new CompleteAsyncError();
}

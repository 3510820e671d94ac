package checklist;

import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;

/** What a check gets: a client of the address, and ids that live on one cluster. */
final class Stage {
  final WorkflowClient client;
  final String queue;
  final String cluster;
  final List<String> started = new ArrayList<>();
  private final Iterator<String> ids;

  Stage(WorkflowClient client, String queue, String cluster, Iterator<String> ids) {
    this.client = client;
    this.queue = queue;
    this.cluster = cluster;
    this.ids = ids;
  }

  String id() {
    if (!ids.hasNext()) {
      throw new IllegalStateException("the ids of cluster " + cluster + " are used up: give more");
    }
    return ids.next();
  }

  /** What every start has in common: this cluster, a new id, an end of what a failed check leaves open. */
  WorkflowOptions options() {
    String id = id();
    started.add(id);
    return WorkflowOptions.newBuilder()
        .setWorkflowId(id)
        .setTaskQueue(queue)
        .setWorkflowExecutionTimeout(Duration.ofMinutes(2))
        .build();
  }

  <T> T stub(Class<T> workflow) {
    return client.newWorkflowStub(workflow, options());
  }

  WorkflowStub start(String workflow, Object... arguments) {
    WorkflowStub stub = client.newUntypedWorkflowStub(workflow, options());
    stub.start(arguments);
    return stub;
  }

  static void equal(Object got, Object wanted) {
    if (!wanted.equals(got)) {
      throw new AssertionError(got + ", not " + wanted);
    }
  }

  /** Repeats what takes a moment. */
  static void until(String what, Callable<Boolean> done) throws InterruptedException {
    Throwable last = null;
    for (long end = System.nanoTime() + 30_000_000_000L; System.nanoTime() < end; ) {
      try {
        if (done.call()) {
          return;
        }
      } catch (Exception e) {
        last = e;
      }
      Thread.sleep(200);
    }
    throw new AssertionError(what + ": not in time", last);
  }

  /** The call fails because of this. */
  static void fails(Callable<?> call, Class<? extends Throwable> why) throws Exception {
    try {
      call.call();
    } catch (Exception e) {
      for (Throwable cause = e; cause != null; cause = cause.getCause()) {
        if (why.isInstance(cause)) {
          return;
        }
      }
      throw e;
    }
    throw new AssertionError("it has a result, and no " + why.getSimpleName());
  }
}

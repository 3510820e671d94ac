package checklist;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.temporal.api.enums.v1.TimeoutType;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.worker.WorkerFactory;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/**
 * Every feature of an unchanged Java SDK, checked end to end at one address: a row for each promise, for each
 * cluster. The README says how to run it.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> options = new TreeMap<>(Map.of("--namespace", "default"));
    for (int n = 0; n + 1 < arguments.length; n += 2) {
      options.put(arguments[n], arguments[n + 1]);
    }
    if (!options.containsKey("--address")) {
      System.err.println("say where with --address HOST:PORT");
      System.exit(2);
    }
    System.exit(run(options) ? 0 : 1);
  }

  private static boolean run(Map<String, String> options) throws Exception {
    var ids = ids(options.get("--ids"));
    // All defaults: what is checked is what users run.
    var service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder().setTarget(options.get("--address")).build());
    var client =
        WorkflowClient.newInstance(
            service,
            WorkflowClientOptions.newBuilder().setNamespace(options.get("--namespace")).build());
    String queue = "checklist-java-" + Long.toHexString(System.nanoTime());
    var factory = WorkerFactory.newInstance(client);
    var worker = factory.newWorker(queue);
    worker.registerWorkflowImplementationTypes(Workflows.ALL);
    worker.registerActivitiesImplementations(new Activities.Impl());
    worker.registerNexusServiceImplementation(new Greeter.Impl());
    factory.start();

    List<Row> rows = new ArrayList<>();
    List<Stage> stages = new ArrayList<>();
    ids.forEach((name, own) -> stages.add(new Stage(client, queue, name, own.iterator())));
    for (Stage stage : stages) {
      Checks.all().forEach((name, check) -> rows.add(Row.of(name, stage.cluster, () -> check.run(stage))));
    }
    rows.add(Row.of("the worker stops when told", stages.get(0).cluster, () -> {
      factory.shutdown();
      factory.awaitTermination(20, TimeUnit.SECONDS);
      if (!factory.isTerminated()) {
        throw new AssertionError("it still runs");
      }
    }));
    for (Stage stage : stages) {
      rows.add(Row.of("no workflow task timed out", stage.cluster, () -> health(client, stage)));
    }
    return Row.report(rows, List.copyOf(ids.keySet()));
  }

  private static void health(WorkflowClient client, Stage stage) {
    for (String id : stage.started) {
      for (var event : client.fetchHistory(id).getEvents()) {
        var lost = event.getWorkflowTaskTimedOutEventAttributes();
        if (lost.getTimeoutType() == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE) {
          throw new AssertionError(id + " has a task that timed out");
        }
      }
    }
  }

  private static Map<String, List<String>> ids(String file) throws Exception {
    if (file == null) {
      long now = System.nanoTime();
      return Map.of("direct", IntStream.range(0, 200).mapToObj(n -> "java-" + now + "-" + n).toList());
    }
    return new ObjectMapper().readValue(new File(file), new TypeReference<TreeMap<String, List<String>>>() {});
  }
}

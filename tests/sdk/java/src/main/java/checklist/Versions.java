package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.until;

import io.temporal.api.workflowservice.v1.SetWorkerDeploymentCurrentVersionRequest;
import io.temporal.api.workflowservice.v1.SetWorkerDeploymentRampingVersionRequest;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.common.VersioningBehavior;
import io.temporal.common.WorkerDeploymentVersion;
import io.temporal.worker.WorkerDeploymentOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;
import java.util.List;

/** Versioned workers, beside the one that all other checks share. */
final class Versions {
  private Versions() {}

  static void current(Stage s) throws Exception {
    String name = "shop-" + s.queue + "-" + s.cluster;
    var factory = start(s, name, VersioningBehavior.PINNED, "one");
    try {
      makeCurrent(s, name, "one");
      WorkflowStub stub = begin(s, name, "Echo", "versioned");
      equal(stub.getResult(String.class), "versioned");
      equal(buildId(stub), "one");
    } finally {
      factory.shutdown();
    }
  }

  /** A second version gets what starts by a ramp, and then the workflows of the first. */
  static void ramp(Stage s) throws Exception {
    String name = "ramp-" + s.queue + "-" + s.cluster;
    var one = start(s, name, VersioningBehavior.AUTO_UPGRADE, "one");
    var two = start(s, name, VersioningBehavior.AUTO_UPGRADE, "two");
    try {
      makeCurrent(s, name, "one");
      WorkflowStub old = begin(s, name, "Counter");
      equal(old.query("total", Integer.class), 0);
      equal(buildId(old), "one");
      until("the version is known", () -> {
        s.client.getWorkflowServiceStubs().blockingStub().setWorkerDeploymentRampingVersion(
            SetWorkerDeploymentRampingVersionRequest.newBuilder()
                .setNamespace(s.client.getOptions().getNamespace())
                .setDeploymentName(name)
                .setBuildId("two")
                .setVersion(name + ".two")
                .setPercentage(100)
                .setIdentity("a test")
                .build());
        return true;
      });
      WorkflowStub young = begin(s, name, "Counter");
      equal(young.query("total", Integer.class), 0);
      equal(buildId(young), "two");
      makeCurrent(s, name, "two");
      for (WorkflowStub stub : List.of(old, young)) {
        stub.signal("finish");
        equal(stub.getResult(Integer.class), 0);
        equal(buildId(stub), "two");
      }
    } finally {
      one.shutdown();
      two.shutdown();
    }
  }

  /** A worker of one version, on a queue of the deployment's name. */
  private static WorkerFactory start(Stage s, String name, VersioningBehavior behavior, String build) {
    var factory = WorkerFactory.newInstance(s.client);
    var deployment =
        WorkerDeploymentOptions.newBuilder()
            .setVersion(new WorkerDeploymentVersion(name, build))
            .setUseVersioning(true)
            .setDefaultVersioningBehavior(behavior)
            .build();
    var options = WorkerOptions.newBuilder().setDeploymentOptions(deployment).build();
    factory.newWorker(name, options)
        .registerWorkflowImplementationTypes(Workflows.EchoImpl.class, Workflows.CounterImpl.class);
    factory.start();
    return factory;
  }

  /** Has a version get what starts. Servers know it once its workers have polled. */
  private static void makeCurrent(Stage s, String name, String build) throws Exception {
    until("the version is known", () -> {
      s.client.getWorkflowServiceStubs().blockingStub().setWorkerDeploymentCurrentVersion(
          SetWorkerDeploymentCurrentVersionRequest.newBuilder()
              .setNamespace(s.client.getOptions().getNamespace())
              .setDeploymentName(name)
              .setBuildId(build)
              .setVersion(name + "." + build)
              .setIdentity("a test")
              .build());
      return true;
    });
  }

  private static WorkflowStub begin(Stage s, String name, String workflow, Object... arguments) {
    var start = WorkflowOptions.newBuilder(s.options()).setTaskQueue(name).build();
    WorkflowStub stub = s.client.newUntypedWorkflowStub(workflow, start);
    stub.start(arguments);
    return stub;
  }

  /** The version that a workflow runs on. */
  private static String buildId(WorkflowStub stub) {
    var info = stub.describe().getWorkflowExecutionInfo().getVersioningInfo();
    return info.getDeploymentVersion().getBuildId();
  }
}

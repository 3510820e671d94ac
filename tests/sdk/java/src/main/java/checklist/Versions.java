package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.until;

import io.temporal.api.workflowservice.v1.SetWorkerDeploymentCurrentVersionRequest;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.common.VersioningBehavior;
import io.temporal.common.WorkerDeploymentVersion;
import io.temporal.worker.WorkerDeploymentOptions;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;

/** A versioned worker, beside the one that all other checks share. */
final class Versions {
  private Versions() {}

  static void current(Stage s) throws Exception {
    String name = "shop-" + s.queue + "-" + s.cluster;
    var factory = WorkerFactory.newInstance(s.client);
    var deployment =
        WorkerDeploymentOptions.newBuilder()
            .setVersion(new WorkerDeploymentVersion(name, "one"))
            .setUseVersioning(true)
            .setDefaultVersioningBehavior(VersioningBehavior.PINNED)
            .build();
    var options = WorkerOptions.newBuilder().setDeploymentOptions(deployment).build();
    factory.newWorker(name, options)
        .registerWorkflowImplementationTypes(Workflows.EchoImpl.class);
    factory.start();
    try {
      until("the version is known", () -> {
        s.client.getWorkflowServiceStubs().blockingStub().setWorkerDeploymentCurrentVersion(
            SetWorkerDeploymentCurrentVersionRequest.newBuilder()
                .setNamespace(s.client.getOptions().getNamespace())
                .setDeploymentName(name)
                .setBuildId("one")
                .setVersion(name + ".one")
                .setIdentity("a test")
                .build());
        return true;
      });
      var start = WorkflowOptions.newBuilder(s.options()).setTaskQueue(name).build();
      WorkflowStub stub = s.client.newUntypedWorkflowStub("Echo", start);
      stub.start("versioned");
      equal(stub.getResult(String.class), "versioned");
      var info = stub.describe().getWorkflowExecutionInfo().getVersioningInfo();
      equal(info.getDeploymentVersion().getBuildId(), "one");
    } finally {
      factory.shutdown();
    }
  }
}

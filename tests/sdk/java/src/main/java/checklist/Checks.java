package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.fails;
import static checklist.Stage.until;

import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest;
import io.temporal.client.UpdateOptions;
import io.temporal.client.WithStartWorkflowOperation;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateStage;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TerminatedFailure;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** The promises: each throws if it is broken. */
final class Checks {
  private Checks() {}

  interface Check {
    void run(Stage s) throws Exception;
  }

  static Map<String, Check> all() {
    Map<String, Check> all = new LinkedHashMap<>();
    all.put("a workflow returns its result", s -> equal(s.stub(Workflows.Echo.class).run("panko"), "panko"));
    all.put("signals, queries and updates reach an open workflow", Checks::messages);
    all.put("a closed workflow answers queries", s -> {
      WorkflowStub stub = s.start("Counter");
      stub.signal("finish");
      stub.getResult(Integer.class);
      equal(stub.query("total", Integer.class), 0);
    });
    all.put("an update starts its workflow", Checks::updateWithStart);
    all.put("a signal starts its workflow", s -> {
      WorkflowStub stub = s.client.newUntypedWorkflowStub("Counter", s.options());
      stub.signalWithStart("add", new Object[] {2}, new Object[] {});
      equal(stub.query("total", Integer.class), 2);
    });
    all.put("a workflow is cancelled", s -> {
      WorkflowStub stub = s.start("Counter");
      stub.cancel();
      fails(() -> stub.getResult(Integer.class), CanceledFailure.class);
    });
    all.put("a workflow is terminated", s -> {
      WorkflowStub stub = s.start("Counter");
      stub.terminate("a test");
      fails(() -> stub.getResult(Integer.class), TerminatedFailure.class);
    });
    all.put("a reset workflow runs again", Checks::reset);
    all.put("a workflow continues as new", s -> equal(s.stub(Workflows.Again.class).run(3), 0));
    all.put("a child is found under its own id", Checks::children);
    all.put("a timer fires", s -> equal(s.stub(Workflows.Sleeper.class).run(), "slept"));
    all.put("a description and a history tell the same", s -> {
      WorkflowStub stub = s.start("Echo", "seen");
      stub.getResult(String.class);
      String id = stub.getExecution().getWorkflowId();
      long told = stub.describe().getWorkflowExecutionInfo().getHistoryLength();
      equal((long) s.client.fetchHistory(id).getEvents().size(), told);
    });
    all.put("an activity is tried again", activity("flaky", "tried", "tried"));
    all.put("an activity returns its result", activity("greet", "panko", "hello panko"));
    all.put("a local activity returns its result",
        s -> equal(s.stub(Workflows.WorksLocally.class).run("panko"), "hello panko"));
    all.put("an activity that heartbeats is cancelled", s -> {
      WorkflowStub stub = s.start("Works", "heartbeats", "");
      until("a heartbeat", () -> {
        var pending = stub.describe().getRawDescription().getPendingActivitiesList();
        return pending.size() == 1 && pending.get(0).hasHeartbeatDetails();
      });
      stub.cancel();
      fails(() -> stub.getResult(String.class), CanceledFailure.class);
    });
    all.put("an activity is completed by its token", s -> {
      WorkflowStub stub = s.start("Works", "later", "");
      byte[] token = Activities.Impl.BEGUN.take().getTaskToken();
      s.client.newActivityCompletionClient().complete(token, "done");
      equal(stub.getResult(String.class), "done");
    });
    all.put("an activity is completed by its id", s -> {
      WorkflowStub stub = s.start("Works", "later", "");
      var info = Activities.Impl.BEGUN.take();
      s.client.newActivityCompletionClient()
          .complete(info.getWorkflowId(), Optional.empty(), info.getActivityId(), "done");
      equal(stub.getResult(String.class), "done");
    });
    Schedules.add(all);
    Views.add(all);
    all.put("Nexus operations end now and later, on any cluster", NexusOperations::run);
    all.put("a worker version is made current", Versions::current);
    all.put("a new version takes over by a ramp", Versions::ramp);
    return all;
  }

  /** What a workflow with this one activity returns. */
  private static Check activity(String name, String input, String wanted) {
    return s -> equal(s.stub(Workflows.Works.class).run(name, input), wanted);
  }

  private static void messages(Stage s) {
    Workflows.Counter counter = s.stub(Workflows.Counter.class);
    WorkflowClient.start(counter::run);
    counter.add(5);
    equal(counter.plus(7), 12);
    equal(counter.total(), 12);
    counter.finish();
    equal(WorkflowStub.fromTyped(counter).getResult(Integer.class), 12);
  }

  private static void updateWithStart(Stage s) {
    WorkflowOptions options =
        WorkflowOptions.newBuilder(s.options())
            .setWorkflowIdConflictPolicy(
                WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
            .build();
    Workflows.Counter counter = s.client.newWorkflowStub(Workflows.Counter.class, options);
    UpdateOptions<Integer> update =
        UpdateOptions.newBuilder(Integer.class).setWaitForStage(WorkflowUpdateStage.COMPLETED).build();
    int sum =
        WorkflowClient.executeUpdateWithStart(
            counter::plus, 3, update, new WithStartWorkflowOperation<>(counter::run));
    equal(sum, 3);
  }

  private static void reset(Stage s) {
    WorkflowStub stub = s.start("Echo", "twice");
    stub.getResult(String.class);
    var again =
        s.client.getWorkflowServiceStubs().blockingStub().resetWorkflowExecution(
            ResetWorkflowExecutionRequest.newBuilder()
                .setNamespace(s.client.getOptions().getNamespace())
                .setWorkflowExecution(stub.getExecution())
                .setWorkflowTaskFinishEventId(4)
                .setRequestId("reset " + stub.getExecution().getRunId())
                .setReason("a test")
                .build());
    WorkflowExecution run =
        stub.getExecution().toBuilder().setRunId(again.getRunId()).build();
    equal(s.client.newUntypedWorkflowStub(run, Optional.empty()).getResult(String.class), "twice");
  }

  /** A child runs with its parent, under an id that another cluster may own. */
  private static void children(Stage s) throws Exception {
    for (int n = 0; n < 4; n++) {
      String id = s.queue + "-" + s.cluster + "-child-" + n;
      WorkflowStub parent = s.start("Parent", id);
      WorkflowStub child = s.client.newUntypedWorkflowStub(id);
      until("the child", () -> {
        child.signal("add", 4);
        return true;
      });
      equal(child.query("total", Integer.class), 4);
      child.signal("finish");
      equal(child.getResult(Integer.class), 4);
      equal(parent.getResult(Integer.class), 4);
    }
  }
}

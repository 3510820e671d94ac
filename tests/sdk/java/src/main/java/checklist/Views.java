package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.fails;
import static checklist.Stage.until;

import io.temporal.api.batch.v1.BatchOperationTermination;
import io.temporal.api.workflowservice.v1.StartBatchOperationRequest;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.client.schedules.Schedule;
import io.temporal.client.schedules.ScheduleActionExecutionStartWorkflow;
import io.temporal.client.schedules.ScheduleActionStartWorkflow;
import io.temporal.client.schedules.ScheduleClient;
import io.temporal.client.schedules.ScheduleClientOptions;
import io.temporal.client.schedules.ScheduleHandle;
import io.temporal.client.schedules.ScheduleIntervalSpec;
import io.temporal.client.schedules.ScheduleOptions;
import io.temporal.client.schedules.ScheduleSpec;
import io.temporal.failure.TerminatedFailure;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Checks of schedules, lists and batches. */
final class Views {
  private Views() {}

  static void add(Map<String, Checks.Check> all) {
    all.put("a schedule is made, triggered, listed and deleted", Views::schedules);
    all.put("lists and counts have the workflows of all clusters", Views::lists);
    all.put("a batch terminates by query", Views::batches);
  }

  private static void schedules(Stage s) throws Exception {
    var client =
        ScheduleClient.newInstance(
            s.client.getWorkflowServiceStubs(),
            ScheduleClientOptions.newBuilder()
                .setNamespace(s.client.getOptions().getNamespace())
                .build());
    String id = "schedule-" + s.id();
    var action =
        ScheduleActionStartWorkflow.newBuilder()
            .setWorkflowType("Echo")
            .setArguments("scheduled")
            .setOptions(
                WorkflowOptions.newBuilder().setWorkflowId("by-" + id).setTaskQueue(s.queue).build())
            .build();
    var spec =
        ScheduleSpec.newBuilder()
            .setIntervals(List.of(new ScheduleIntervalSpec(Duration.ofHours(1))))
            .build();
    ScheduleHandle handle =
        client.createSchedule(
            id,
            Schedule.newBuilder().setAction(action).setSpec(spec).build(),
            ScheduleOptions.newBuilder().build());
    handle.trigger();
    String[] started = {null};
    until("the scheduled run", () -> {
      for (var result : handle.describe().getInfo().getRecentActions()) {
        var run = (ScheduleActionExecutionStartWorkflow) result.getAction();
        started[0] = run.getWorkflowId();
      }
      return started[0] != null;
    });
    equal(s.client.newUntypedWorkflowStub(started[0]).getResult(String.class), "scheduled");
    until("the schedule in the list", () ->
        client.listSchedules(1).anyMatch(entry -> entry.getScheduleId().equals(id)));
    handle.delete();
  }

  private static void lists(Stage s) throws Exception {
    Set<String> mine = new HashSet<>();
    for (int n = 0; n < 3; n++) {
      mine.add(s.start("Echo", "listed").getExecution().getWorkflowId());
    }
    String query = "TaskQueue = '" + s.queue + "'";
    until("all of them once, and as many as are counted", () -> {
      Set<String> runs = new HashSet<>();
      long[] rows = {0};
      s.client.listExecutions(query).forEach(info -> {
        runs.add(info.getExecution().getRunId());
        mine.remove(info.getExecution().getWorkflowId());
        rows[0]++;
      });
      return mine.isEmpty()
          && runs.size() == rows[0]
          && s.client.countWorkflows(query).getCount() == rows[0];
    });
  }

  private static void batches(Stage s) throws Exception {
    WorkflowStub stub = s.start("Counter");
    String id = stub.getExecution().getWorkflowId();
    String query = "WorkflowId = '" + id + "' AND ExecutionStatus = 'Running'";
    until("it is visible", () -> s.client.countWorkflows(query).getCount() == 1);
    s.client.getWorkflowServiceStubs().blockingStub().startBatchOperation(
        StartBatchOperationRequest.newBuilder()
            .setNamespace(s.client.getOptions().getNamespace())
            .setVisibilityQuery(query)
            .setJobId(UUID.randomUUID().toString())
            .setReason("a test")
            .setTerminationOperation(BatchOperationTermination.newBuilder().setIdentity("a test"))
            .build());
    fails(() -> stub.getResult(Integer.class), TerminatedFailure.class);
  }
}

package checklist;

import static checklist.Stage.equal;
import static checklist.Stage.until;

import io.temporal.api.enums.v1.ScheduleOverlapPolicy;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.schedules.Schedule;
import io.temporal.client.schedules.ScheduleActionExecutionStartWorkflow;
import io.temporal.client.schedules.ScheduleActionStartWorkflow;
import io.temporal.client.schedules.ScheduleBackfill;
import io.temporal.client.schedules.ScheduleClient;
import io.temporal.client.schedules.ScheduleClientOptions;
import io.temporal.client.schedules.ScheduleHandle;
import io.temporal.client.schedules.ScheduleIntervalSpec;
import io.temporal.client.schedules.ScheduleOptions;
import io.temporal.client.schedules.ScheduleSpec;
import io.temporal.client.schedules.ScheduleUpdate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Checks of schedules. */
final class Schedules {
  private final Stage s;
  private final ScheduleClient client;
  private final String id;
  private final ScheduleHandle handle;

  /** One that starts Echo once an hour. */
  private Schedules(Stage s, String text) {
    this.s = s;
    client =
        ScheduleClient.newInstance(
            s.client.getWorkflowServiceStubs(),
            ScheduleClientOptions.newBuilder()
                .setNamespace(s.client.getOptions().getNamespace())
                .build());
    id = "schedule-" + s.id();
    var spec =
        ScheduleSpec.newBuilder()
            .setIntervals(List.of(new ScheduleIntervalSpec(Duration.ofHours(1))))
            .build();
    handle =
        client.createSchedule(
            id,
            Schedule.newBuilder().setAction(action(text)).setSpec(spec).build(),
            ScheduleOptions.newBuilder().build());
  }

  static void add(Map<String, Checks.Check> all) {
    all.put("a schedule is made, triggered, listed and deleted",
        s -> new Schedules(s, "scheduled").triggered());
    all.put("a schedule is paused, changed and backfilled", s -> new Schedules(s, "before").backfilled());
  }

  private ScheduleActionStartWorkflow action(String text) {
    return ScheduleActionStartWorkflow.newBuilder()
        .setWorkflowType("Echo")
        .setArguments(text)
        .setOptions(
            WorkflowOptions.newBuilder().setWorkflowId("by-" + id).setTaskQueue(s.queue).build())
        .build();
  }

  private void triggered() throws Exception {
    handle.trigger();
    returned(1, "scheduled");
    until("the schedule in the list", () ->
        client.listSchedules(1).anyMatch(entry -> entry.getScheduleId().equals(id)));
    handle.delete();
  }

  private void backfilled() throws Exception {
    handle.pause("a test");
    var state = handle.describe().getSchedule().getState();
    equal(state.isPaused(), true);
    equal(state.getNote(), "a test");
    handle.unpause();
    handle.update(input ->
        new ScheduleUpdate(
            Schedule.newBuilder(input.getDescription().getSchedule())
                .setAction(action("changed"))
                .build()));
    Instant end = Instant.now().minus(Duration.ofHours(24));
    handle.backfill(
        List.of(
            new ScheduleBackfill(
                end.minus(Duration.ofMinutes(150)),
                end,
                ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL)));
    returned(2, "changed");
    handle.delete();
  }

  /** At least so many runs of the schedule end with this. */
  private void returned(int least, String wanted) throws Exception {
    List<String> runs = new ArrayList<>();
    until("the scheduled runs", () -> {
      runs.clear();
      for (var result : handle.describe().getInfo().getRecentActions()) {
        runs.add(((ScheduleActionExecutionStartWorkflow) result.getAction()).getWorkflowId());
      }
      return runs.size() >= least;
    });
    for (String run : runs) {
      equal(s.client.newUntypedWorkflowStub(run).getResult(String.class), wanted);
    }
  }
}

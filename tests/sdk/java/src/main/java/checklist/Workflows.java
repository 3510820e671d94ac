package checklist;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.common.RetryOptions;
import io.temporal.common.SearchAttributeKey;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.NexusOperationOptions;
import io.temporal.workflow.NexusServiceOptions;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.Map;

/** The workflows of the checklist, each as small as its checks allow. */
final class Workflows {
  private Workflows() {}

  static final Class<?>[] ALL = {
    EchoImpl.class, CounterImpl.class, MarkedImpl.class, ParentImpl.class, AgainImpl.class, SleeperImpl.class,
    WorksLocallyImpl.class, WorksImpl.class, CallsNexusImpl.class,
  };

  @WorkflowInterface
  public interface Echo {
    @WorkflowMethod
    String run(String text);
  }

  public static class EchoImpl implements Echo {
    public String run(String text) {
      return text;
    }
  }

  /** A search attribute of the checklist's own. */
  static final SearchAttributeKey<String> MARK = SearchAttributeKey.forKeyword("PankoMark");

  /** Changes its memo and its search attribute once it is told to. */
  @WorkflowInterface
  public interface Marked {
    @WorkflowMethod
    void run(String value);

    @SignalMethod
    void change();
  }

  public static class MarkedImpl implements Marked {
    private boolean told;

    public void run(String value) {
      Workflow.await(() -> told);
      Workflow.upsertMemo(Map.of("note", "changed"));
      Workflow.upsertTypedSearchAttributes(MARK.valueSet(value));
    }

    public void change() {
      told = true;
    }
  }

  /** Adds up what signals and updates bring, until it is told to finish. */
  @WorkflowInterface
  public interface Counter {
    @WorkflowMethod
    int run();

    @SignalMethod
    void add(int n);

    @SignalMethod
    void finish();

    @UpdateMethod
    int plus(int n);

    @QueryMethod
    int total();
  }

  public static class CounterImpl implements Counter {
    private int sum;
    private boolean finished;

    public int run() {
      Workflow.await(() -> finished);
      return sum;
    }

    public void add(int n) {
      sum += n;
    }

    public void finish() {
      finished = true;
    }

    public int plus(int n) {
      sum += n;
      return sum;
    }

    public int total() {
      return sum;
    }
  }

  @WorkflowInterface
  public interface Parent {
    @WorkflowMethod
    int run(String child);
  }

  public static class ParentImpl implements Parent {
    public int run(String child) {
      var options = ChildWorkflowOptions.newBuilder().setWorkflowId(child).build();
      return Workflow.newChildWorkflowStub(Counter.class, options).run();
    }
  }

  @WorkflowInterface
  public interface Again {
    @WorkflowMethod
    int run(int left);
  }

  public static class AgainImpl implements Again {
    public int run(int left) {
      if (left > 0) {
        Workflow.continueAsNew(left - 1);
      }
      return left;
    }
  }

  @WorkflowInterface
  public interface Sleeper {
    @WorkflowMethod
    String run();
  }

  public static class SleeperImpl implements Sleeper {
    public String run() {
      Workflow.sleep(Duration.ofSeconds(1));
      return "slept";
    }
  }

  @WorkflowInterface
  public interface WorksLocally {
    @WorkflowMethod
    String run(String name);
  }

  public static class WorksLocallyImpl implements WorksLocally {
    public String run(String name) {
      var options =
          LocalActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofSeconds(10)).build();
      return Workflow.newLocalActivityStub(Activities.class, options).greet(name);
    }
  }

  /** Calls one operation through an endpoint. */
  @WorkflowInterface
  public interface CallsNexus {
    @WorkflowMethod
    String run(String endpoint, String operation, String input);
  }

  public static class CallsNexusImpl implements CallsNexus {
    public String run(String endpoint, String operation, String input) {
      var limits =
          NexusOperationOptions.newBuilder().setScheduleToCloseTimeout(Duration.ofSeconds(20)).build();
      var options =
          NexusServiceOptions.newBuilder().setEndpoint(endpoint).setOperationOptions(limits).build();
      Greeter greeter = Workflow.newNexusServiceStub(Greeter.class, options);
      return operation.equals("now") ? greeter.now(input) : greeter.later(input);
    }
  }

  /** Runs one activity by its name. */
  @WorkflowInterface
  public interface Works {
    @WorkflowMethod
    String run(String activity, String input);
  }

  public static class WorksImpl implements Works {
    public String run(String activity, String input) {
      var retries =
          RetryOptions.newBuilder()
              .setInitialInterval(Duration.ofMillis(100))
              .setMaximumAttempts(3)
              .build();
      var options =
          ActivityOptions.newBuilder()
              .setStartToCloseTimeout(Duration.ofSeconds(30))
              .setHeartbeatTimeout(Duration.ofSeconds(10))
              .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
              .setRetryOptions(retries)
              .build();
      return Workflow.newUntypedActivityStub(options).execute(activity, String.class, input);
    }
  }
}

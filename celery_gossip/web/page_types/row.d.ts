// Rows, commands and responses of the server, for the type check of the page. Not served and not part of the package.
// Written by `GOSSIP_TEST_ROWS=new python -m pytest tests/web/test_row_types.py` from celery_gossip/web/schema.py,
// response.py and celery_gossip/control.

declare namespace Row {
  /** Tasks that were sent to one queue by processes that count them, and what became of them. */
  interface Balance {
    readonly source: string;
    readonly queue: string;
    readonly is_route: boolean;
    readonly sent: number;
    readonly received: number;
    readonly ended: number;
    readonly waiting: number | null;
    readonly reserved: number;
    readonly scheduled: number;
    readonly active: number;
    readonly missing: number | null;
    readonly window: number; // seconds
    readonly reason: string;
    readonly tasks: Readonly<Record<string, SentTask>>;
  }

  /** One beat process. */
  interface Beat {
    readonly source: string;
    readonly hostname: string;
    readonly app: string;
    readonly state: string;
    readonly state_since: number; // Unix seconds
    readonly silent_since: number | null; // Unix seconds
    readonly stalled_for: number; // seconds
    readonly started_at: number; // Unix seconds
    readonly scheduler: string;
    readonly is_standby: boolean;
    readonly is_embedded: boolean;
    readonly instances: number;
    readonly entries: number;
    readonly is_partial: boolean;
    readonly due_at: number | null; // Unix seconds
    readonly sent_at: number | null; // Unix seconds
    readonly sends: number;
    readonly errors: number;
    readonly is_verified: boolean | null;
  }

  /** One queue on one worker. */
  interface Check {
    readonly source: string;
    readonly hostname: string;
    readonly queue: string;
    readonly state: string;
    readonly is_paused: boolean;
    readonly active: number;
    readonly reserved: number;
    readonly scheduled: number;
    readonly concurrency: number;
    readonly consuming_since: number; // Unix seconds
  }

  /** Completeness of a search of one source. */
  interface Coverage {
    readonly source: string;
    readonly since: number | null; // Unix seconds
    readonly unlisted_running: number;
    readonly unlisted_waiting: number;
    readonly is_frozen: boolean;
  }

  /** Last report of a worker that is gone, or of the instance before it that ended while tasks ran. */
  interface Ending {
    readonly source: string;
    readonly hostname: string;
    readonly boot: string;
    readonly state: string;
    readonly at: number; // Unix seconds
    readonly concurrency: number;
    readonly active: number;
    readonly listed: number;
    readonly reserved: number;
    readonly scheduled: number;
    readonly loop_lag: number; // seconds
    readonly stalled_for: number; // seconds
    readonly queues: readonly string[];
    readonly findings: readonly Finding[];
  }

  /** One entry of a schedule. */
  interface Entry {
    readonly source: string;
    readonly app: string;
    readonly hostname: string;
    readonly name: string;
    readonly task: string;
    readonly schedule: string;
    readonly queue: string;
    readonly state: string;
    readonly due_at: number | null; // Unix seconds
    readonly sent_at: number | null; // Unix seconds
    readonly late: number | null; // seconds
    readonly sends: number;
    readonly runs: number;
    readonly errors: number;
    readonly error: string;
    readonly history: readonly Send[];
  }

  /** Age of the message of a queue that is delivered next, as its header says. */
  interface ExactAge {
    readonly age: number | null; // seconds
    readonly reason: string;
  }

  /** A task that failed. */
  interface Failure {
    readonly source: string;
    readonly id: string;
    readonly hostname: string;
    readonly queue: string;
    readonly at: number; // Unix seconds
    readonly runtime: number | null; // seconds
    readonly retries: number;
    readonly message: string | null;
    readonly traceback: readonly string[];
  }

  /** Failures with the same task, exception and code line, of those that the server keeps. */
  interface FailureGroup {
    readonly source: string;
    readonly key: string;
    readonly task: string;
    readonly exception: string;
    readonly line: string;
    readonly message: string | null;
    readonly count: number;
    readonly last_hour: number;
    readonly first_at: number; // Unix seconds
    readonly last_at: number; // Unix seconds
    readonly trend: readonly number[];
    readonly queues: readonly string[];
    readonly hostnames: readonly string[];
  }

  /** How complete the failures of one source are. */
  interface FailureTotals {
    readonly source: string;
    readonly kept: number;
    readonly displaced: number;
    readonly unlisted: number;
  }

  /** A detected problem, with advice. */
  interface Finding {
    readonly source: string;
    readonly kind: string;
    readonly severity: string;
    readonly subject: string;
    readonly subject_kind: string;
    readonly since: number; // Unix seconds
    readonly text: string;
  }

  /** A subject whose name contains the text of a search. */
  interface FoundName {
    readonly source: string;
    readonly kind: string;
    readonly name: string;
  }

  /** Highest values within a step of ten seconds or a minute: one point of a chart; null where unknown. */
  interface Level {
    readonly size: number; // seconds
    readonly start: number; // Unix seconds
    readonly backlog: number | null;
    readonly oldest_min: number | null; // seconds
    readonly oldest_max: number | null; // seconds
    readonly rss: number | null;
    readonly memory_used: number | null;
    readonly cpu: number | null;
  }

  /** Counts of the tasks that a list selects, of which it has 500 rows at most. */
  interface ListTotals {
    readonly total: number;
    readonly states: Readonly<Record<string, number>>;
    readonly unlisted_running: number;
    readonly unlisted_waiting: number;
  }

  /** A task that runs, or waits in a worker. */
  interface ListedTask {
    readonly source: string;
    readonly id: string;
    readonly name: string;
    readonly hostname: string;
    readonly queue: string;
    readonly since: number; // Unix seconds
    readonly is_older: boolean;
    readonly retries: number | null;
    readonly is_redelivered: boolean | null;
    readonly soft_time_limit: number | null; // seconds
    readonly time_limit: number | null; // seconds
    readonly state: string;
    readonly due_at: number | null; // Unix seconds
  }

  /** Starts of workers within a minute of each other, or a time without reports, as a mark on charts. */
  interface Mark {
    readonly kind: string;
    readonly source: string;
    readonly at: number; // Unix seconds
    readonly until: number | null; // Unix seconds
    readonly count: number;
    readonly release: string;
    readonly previous: string;
    readonly hostnames: readonly string[];
  }

  /** One queue: a column of the matrix. */
  interface MatrixQueue {
    readonly source: string;
    readonly name: string;
    readonly workers: number;
    readonly paused: string;
    readonly slots: number;
    readonly free_slots: number;
    readonly active: number;
    readonly reserved: number;
    readonly backlog: number | null;
  }

  /** One worker, one host, or all workers with the same queues: a row of the matrix. */
  interface MatrixRow {
    readonly source: string;
    readonly key: string;
    readonly name: string;
    readonly hostname: string;
    readonly hostnames: readonly string[];
    readonly queue_set: string;
    readonly workers: number;
    readonly states: Readonly<Record<string, number>>;
    readonly slots: number;
    readonly active: number;
    readonly reserved: number;
    readonly lag: number; // seconds
    readonly memory_share: number | null;
    readonly queues: readonly string[];
    readonly cells: readonly (readonly [number, number, number, number, number])[];
  }

  /** Processes of a prefork pool: those alive, and counts since the start of the worker. */
  interface PoolProcesses {
    readonly alive: number;
    readonly starting: number;
    readonly started: number;
    readonly exited: number;
    readonly recycled: number;
    readonly terminated: number;
    readonly lost: number;
    readonly last_loss: number | null;
  }

  /** One queue, summed over all its workers. */
  interface Queue {
    readonly source: string;
    readonly name: string;
    readonly paused: string;
    readonly workers: number;
    readonly states: Readonly<Record<string, number>>;
    readonly active: number;
    readonly reserved: number;
    readonly scheduled: number;
    readonly slots: number;
    readonly free_slots: number;
    readonly backlog: number | null;
    readonly oldest_age_min: number | null; // seconds
    readonly oldest_age_max: number | null; // seconds
    readonly load: number;
    readonly per_second: number; // tasks that ended per second, over the last minute
    readonly failure_rate: number | null; // failed tasks among those that succeeded or failed in the last minute, 0 to 1
    readonly runtime: Timing;
    readonly wait: Timing;
    readonly spark: readonly number[];
  }

  /** Memory in bytes and CPU time of a worker, from the latest report that contains them; null where unknown. */
  interface Resources {
    readonly at: number; // Unix seconds
    readonly rss: number | null;
    readonly children_rss: number | null;
    readonly largest_child_rss: number | null;
    readonly cpu_seconds: number | null; // seconds
    readonly memory_limit: number | null;
    readonly memory_used: number | null;
    readonly processes: PoolProcesses | null;
  }

  /** A task that is running. */
  interface RunningTask {
    readonly source: string;
    readonly id: string;
    readonly name: string;
    readonly hostname: string;
    readonly queue: string;
    readonly since: number; // Unix seconds
    readonly is_older: boolean;
    readonly retries: number | null;
    readonly is_redelivered: boolean | null;
    readonly soft_time_limit: number | null; // seconds
    readonly time_limit: number | null; // seconds
  }

  /** Figures of one report; the last 60 of a worker are kept. */
  interface Sample {
    readonly at: number; // Unix seconds
    readonly memory_used: number | null;
    readonly rss: number | null;
    readonly active: number;
    readonly reserved: number;
    readonly lost: number | null;
    readonly lag: number; // seconds
  }

  /** Times that an entry was sent between two reports, most often one. */
  interface Send {
    readonly at: number; // Unix seconds
    readonly sends: number;
    readonly errors: number;
    readonly error: string;
    readonly late: number | null; // seconds
  }

  /** Tasks of one name from one queue, since the server began to listen. */
  interface SentTask {
    readonly sent: number;
    readonly received: number;
  }

  /** State of a task on one worker, now or when it was seen last. */
  interface Sighting {
    readonly source: string;
    readonly id: string;
    readonly name: string;
    readonly hostname: string;
    readonly queue: string;
    readonly state: string;
    readonly was: string;
    readonly worker_state: string;
    readonly since: number | null; // Unix seconds
    readonly due_at: number | null; // Unix seconds
    readonly seen_at: number; // Unix seconds
    readonly has_ended: boolean;
    readonly retries: number | null;
    readonly is_redelivered: boolean | null;
    readonly soft_time_limit: number | null; // seconds
    readonly time_limit: number | null; // seconds
    readonly exception: string;
    readonly message: string | null;
    readonly runtime: number | null; // seconds
    readonly line: string;
    readonly group: string;
    readonly traceback: readonly string[];
    readonly stack: readonly string[];
  }

  /** Release, versions, registered tasks and settings of a worker; an empty text is unknown. */
  interface Software {
    readonly release: string;
    readonly celery: string;
    readonly kombu: string;
    readonly python: string;
    readonly gossip: string;
    readonly registry: string;
    readonly tasks: number;
    readonly settings: Readonly<Record<string, boolean | number>>;
  }

  /** A watched app on its broker. */
  interface Source {
    readonly source: string;
    readonly app: string;
    readonly broker: string;
    readonly label: string;
    readonly listening_since: number | null; // Unix seconds
    readonly is_connected: boolean;
    readonly isolated_since: number | null; // Unix seconds
    readonly error: string;
    readonly rejected: number;
  }

  /** Tasks that ended within a few seconds: one point of a chart. Steps without any event are left out. */
  interface Step {
    readonly size: number; // seconds
    readonly start: number; // Unix seconds
    readonly seconds: number; // seconds
    readonly received: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly retried: number;
    readonly wait_p50: number | null; // seconds
    readonly wait_p95: number | null; // seconds
    readonly run_p50: number | null; // seconds
    readonly run_p95: number | null; // seconds
  }

  /** All tasks of one name: those that run, and those of the last minute. */
  interface Task {
    readonly source: string;
    readonly name: string;
    readonly running: number;
    readonly received: number;
    readonly succeeded: number;
    readonly failed: number;
    readonly retried: number;
    readonly revoked: number;
    readonly rejected: number;
    readonly per_second: number; // tasks that ended per second, over the last minute
    readonly failure_rate: number | null; // failed tasks among those that succeeded or failed in the last minute, 0 to 1
    readonly failures: Readonly<Record<string, number>>;
    readonly runtime: Timing;
    readonly wait: Timing;
  }

  /** Percentiles of a duration over the last minute, in seconds; null if nothing was measured. */
  interface Timing {
    readonly p50: number | null; // seconds
    readonly p95: number | null; // seconds
    readonly p99: number | null; // seconds
  }

  /** Sums over one source; the row with an empty `source` sums all sources. */
  interface Totals {
    readonly source: string;
    readonly states: Readonly<Record<string, number>>;
    readonly slots: number;
    readonly active: number;
    readonly reserved: number;
    readonly scheduled: number;
    readonly backlog: number | null;
    readonly per_second: number; // tasks that ended per second, over the last minute
    readonly failure_rate: number | null; // failed tasks among those that succeeded or failed in the last minute, 0 to 1
    readonly runtime: Timing;
    readonly wait: Timing;
  }

  /** One worker, from its last report. */
  interface Worker {
    readonly source: string;
    readonly hostname: string;
    readonly state: string;
    readonly state_since: number; // Unix seconds
    readonly reason: string;
    readonly silent_since: number | null; // Unix seconds
    readonly interval: number; // seconds
    readonly pool: string;
    readonly concurrency: number;
    readonly active: number;
    readonly reserved: number;
    readonly scheduled: number;
    readonly processed: number;
    readonly loop_lag: number; // seconds
    readonly stalled_for: number; // seconds
    readonly queues: readonly string[];
    readonly paused: readonly string[];
    readonly per_second: number; // tasks that ended per second, over the last minute
    readonly failure_rate: number | null; // failed tasks among those that succeeded or failed in the last minute, 0 to 1
    readonly boot: string;
    readonly booted_at: number | null; // Unix seconds
    readonly restarts: number;
    readonly is_verified: boolean | null;
    readonly stack: readonly string[];
    readonly release: string;
    readonly software: Software | null;
    readonly resources: Resources | null;
    readonly memory_spark: readonly number[];
    readonly pid: number | null;
    readonly started_at: number | null; // Unix seconds
    readonly configuration: Readonly<Record<string, boolean | number | string>>;
    readonly task_names: readonly string[];
  }

  /** A command that a user sent. */
  interface Activity {
    readonly id: number;
    readonly at: number;
    readonly source: string;
    readonly user: string;
    readonly act: string;
    readonly text: string;
    readonly task_ids: readonly string[];
    readonly queue: string | null;
    readonly workers: number;
    readonly hostnames: readonly string[];
    readonly answers: Readonly<Record<string, string>>;
    readonly outcomes: Readonly<Record<string, "answered" | "confirmed" | "failed" | "not_confirmed" | "unknown" | "waiting">>;
    readonly counts: Readonly<Record<string, number>>;
    readonly outcome: "answered" | "confirmed" | "failed" | "not_confirmed" | "unknown" | "waiting";
    readonly detail: string;
    readonly seconds: number | null;
  }

  /** The session in which the page was opened. */
  interface OwnSession {
    readonly id: string;
    readonly csrf: string;
    readonly is_admin: boolean;
  }

  /** Settings that the page reads when it is opened. */
  interface Config {
    readonly version: string;
    readonly boot: string;
    readonly may_control: boolean;
    readonly is_controlled: boolean;
    readonly permissions: readonly string[];
    readonly csrf: string;
    readonly task_url: string;
    readonly user: string;
    readonly session: OwnSession | null;
  }

  /** The workers that a command was sent to, and the replies that arrived within two seconds. */
  interface ControlReply {
    readonly asked: readonly string[];
    readonly answers: Readonly<Record<string, string>>;
    readonly errors: readonly string[];
    readonly refused: Readonly<Record<string, string>>;
    readonly activity: number | null;
    readonly detail: string;
  }

  /** A browser in which a user has logged in. */
  interface SessionRow {
    readonly id: string;
    readonly user: string;
    readonly is_own: boolean;
    readonly is_admin: boolean;
    readonly client: string;
    readonly browser: string;
    readonly started_at: number; // Unix seconds
    readonly used_at: number; // Unix seconds
    readonly ends_at: number; // Unix seconds
  }

  /** The sessions of the user, for an admin those of all users; newest first. */
  interface SessionList {
    readonly now: number; // Unix seconds
    readonly sessions: readonly SessionRow[];
  }

  /** A refused request. */
  interface Error {
    readonly error: string;
  }

  /** Results of a search. At most 50 tasks, and 50 names of each kind and source. */
  interface SearchResult {
    readonly now: number; // Unix seconds
    readonly sightings: readonly Sighting[];
    readonly names: readonly FoundName[];
    readonly coverage: readonly Coverage[];
  }

  /** Stop consuming a queue. */
  interface Pause {
    readonly act: "pause";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly queue: string;
  }

  /** Consume a paused queue again. */
  interface Resume {
    readonly act: "resume";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly queue: string;
  }

  /** Consume a queue that the workers do not serve yet. */
  interface AddConsumer {
    readonly act: "add_consumer";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly queue: string;
  }

  /** Add slots to pools. */
  interface Grow {
    readonly act: "grow";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly n?: number;
  }

  /** Remove slots from pools. */
  interface Shrink {
    readonly act: "shrink";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly n?: number;
  }

  /** Change the limits of workers that run with --autoscale. */
  interface Autoscale {
    readonly act: "autoscale";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly max: number;
    readonly min: number;
  }

  /** Do not start these tasks. Those that run continue. */
  interface Revoke {
    readonly act: "revoke";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly ids: readonly string[];
  }

  /** Do not start these tasks, and end those that run. */
  interface Terminate {
    readonly act: "terminate";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly ids: readonly string[];
    readonly signal?: "ABRT" | "KILL" | "QUIT" | "TERM";
  }

  /** Shut workers down warm: they finish the tasks that run. */
  interface Shutdown {
    readonly act: "shutdown";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
  }

  /** Replace the processes of pools, each after its next task. Needs Celery's `worker_pool_restarts`. */
  interface PoolRestart {
    readonly act: "pool_restart";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
  }

  /** Limit how many tasks of a name each worker starts. */
  interface RateLimit {
    readonly act: "rate_limit";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly task: string;
    readonly rate_limit: string;
  }

  /** Set the time limits of the tasks of a name, in seconds. Null: that of the worker's pool, if it has one. */
  interface TimeLimit {
    readonly act: "time_limit";
    readonly source: string;
    readonly hostname?: string | null;
    readonly hostnames?: readonly string[] | null;
    readonly task: string;
    readonly soft?: number | null;
    readonly hard?: number | null;
  }

  /** Delete the messages that wait in a queue on the broker. Those that workers have reserved remain. */
  interface Purge {
    readonly act: "purge";
    readonly source: string;
    readonly queue: string;
    readonly confirm: string;
  }

  type Command = Pause | Resume | AddConsumer | Grow | Shrink | Autoscale | Revoke | Terminate | Shutdown | PoolRestart | RateLimit | TimeLimit | Purge;

  /** Name of a table → its row. */
  interface Tables {
    activity: Activity;
    balance: Balance;
    beats: Beat;
    cases: Failure;
    checks: Check;
    coverage: Coverage;
    ending: Ending;
    exact: ExactAge;
    failure: FailureGroup;
    failure_totals: FailureTotals;
    failures: FailureGroup;
    findings: Finding;
    last_reports: Sample;
    last_tasks: RunningTask;
    levels: Level;
    list_totals: ListTotals;
    listed: ListedTask;
    marks: Mark;
    matrix: MatrixRow;
    matrix_queues: MatrixQueue;
    names: FoundName;
    queue: Queue;
    queues: Queue;
    recording: Sample;
    runs: RunningTask;
    schedule: Entry;
    sightings: Sighting;
    sources: Source;
    steps: Step;
    task: Task;
    tasks: Task;
    totals: Totals;
    worker: Worker;
    workers: Worker;
  }
}

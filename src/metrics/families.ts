/** Every metric: its type, its unit, its labels, and what it tells. Pure. */

export interface Family {
  readonly type: "counter" | "gauge" | "histogram"
  /** The name says it too; `count`: of things. https://prometheus.io/docs/practices/naming/ */
  readonly unit: "seconds" | "bytes" | "count" | "info"
  readonly help: string
  readonly labels: ReadonlyArray<string>
  readonly buckets?: ReadonlyArray<number>
}

/** From a poll that finds nothing to a first sync of thousands of objects. */
const SYNC = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180]
const REQUEST = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const COLLECTION = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

type Row<L extends string> = Family & { readonly labels: ReadonlyArray<L> }

const family =
  (type: Family["type"], buckets?: ReadonlyArray<number>) =>
  <const L extends string = never>(
    unit: Family["unit"],
    help: string,
    ...labels: ReadonlyArray<L>
  ): Row<L> => ({ type, unit, help, labels, ...(buckets === undefined ? {} : { buckets }) })

const counter = family("counter")
const gauge = family("gauge")
const histogram = (buckets: ReadonlyArray<number>) => family("histogram", buckets)

/** Names are a promise: dashboards and alerts stand on them. `repository` is `namespace/name`. */
export const FAMILIES = {
  nopea_build_info: gauge("info", "Version of the controller and of Node.", "version", "node"),
  nopea_leader: gauge(
    "count",
    "1 where this process may write: it leads, or there is no election.",
  ),
  nopea_repositories: gauge("count", "GitRepositories that have a worker."),
  nopea_mailbox_requests: gauge("count", "Triggers that wait in mailboxes, by kind.", "trigger"),

  nopea_syncs_total: counter(
    "count",
    "Syncs that ended. nothing: all was as it was; done: applied whole; partial: some objects failed, wait or are held; waiting: for dependsOn; failed: nothing could be applied.",
    "repository",
    "trigger",
    "result",
  ),
  nopea_sync_stage_duration_seconds: histogram(SYNC)(
    "seconds",
    "How long the stages of syncs took: fetch, render, look (at the cluster), plan, apply, status, and whole.",
    "stage",
  ),
  nopea_objects_total: counter(
    "count",
    "Objects that syncs created, configured, deleted or healed, or failed to.",
    "repository",
    "action",
  ),
  nopea_drift_total: counter(
    "count",
    "Changes of fields or objects by others, when they were seen first.",
    "repository",
    "type",
  ),
  nopea_heals_total: counter("count", "Objects that were put back as Git says.", "repository"),
  nopea_heal_failures_total: counter("count", "Heals that failed, each try.", "repository"),
  nopea_worker_crashes_total: counter("count", "Workers that crashed and restarted.", "repository"),
  nopea_repository_ready: gauge("count", "1 where the condition Ready is True.", "repository"),
  nopea_repository_suspended: gauge("count", "1 where spec.suspend is set.", "repository"),
  nopea_repository_desired_objects: gauge("count", "Objects in Git.", "repository"),
  nopea_repository_applied_objects: gauge(
    "count",
    "Objects that are in the cluster as Git says.",
    "repository",
  ),
  nopea_repository_drifted_objects: gauge(
    "count",
    "Objects that somebody changed and that are not put back.",
    "repository",
  ),
  nopea_repository_suspended_objects: gauge(
    "count",
    "Objects under break-glass (nopea.io/suspend-heal).",
    "repository",
  ),
  nopea_repository_prune_held_objects: gauge(
    "count",
    "Objects whose deletion waits for approval (spec.pruneLimit).",
    "repository",
  ),
  nopea_repository_last_sync_timestamp_seconds: gauge(
    "seconds",
    "When the last sync ended, well or not.",
    "repository",
  ),
  nopea_repository_last_success_timestamp_seconds: gauge(
    "seconds",
    "When a sync last ended with the repository Ready.",
    "repository",
  ),

  nopea_kube_requests_total: counter(
    "count",
    "Requests that the API server answered, by status code; none: no answer came.",
    "verb",
    "code",
  ),
  nopea_kube_request_duration_seconds: histogram(REQUEST)(
    "seconds",
    "Requests to the API server from asking for a turn to the answer, repeats included.",
    "verb",
  ),
  nopea_git_operations_total: counter("count", "Operations on Git.", "operation", "result"),
  nopea_git_operation_duration_seconds: histogram(SYNC)(
    "seconds",
    "How long operations on Git took.",
    "operation",
  ),
  nopea_git_fetched_bytes_total: counter("bytes", "Bytes of packs that fetches brought."),
  nopea_git_read_bytes_total: counter("bytes", "Bytes of files that were read from mirrors."),
  nopea_cdevents_total: counter(
    "count",
    "CDEvents by what became of them: delivered, or dropped.",
    "sink",
    "result",
  ),
  nopea_cdevents_waiting: gauge("count", "CDEvents that wait for their sink.", "sink"),
  nopea_metrics_series_refused_total: counter(
    "count",
    "Updates that were not counted, because there were too many series.",
  ),

  process_cpu_seconds_total: counter("seconds", "User and system CPU time."),
  process_resident_memory_bytes: gauge("bytes", "Resident memory."),
  process_start_time_seconds: gauge("seconds", "When the process started, since the epoch."),
  process_open_fds: gauge("count", "Open file descriptors."),
  nodejs_heap_size_used_bytes: gauge("bytes", "Heap in use."),
  nodejs_heap_size_total_bytes: gauge("bytes", "Heap that is allocated."),
  nodejs_external_memory_bytes: gauge("bytes", "Memory outside the heap, buffers included."),
  nodejs_eventloop_lag_mean_seconds: gauge("seconds", "Mean delay of the event loop."),
  nodejs_eventloop_lag_p99_seconds: gauge("seconds", "99th percentile of that delay."),
  nodejs_eventloop_lag_max_seconds: gauge("seconds", "Longest such delay."),
  nodejs_gc_duration_seconds: histogram(COLLECTION)(
    "seconds",
    "Garbage collections by kind.",
    "kind",
  ),
} as const satisfies Readonly<Record<string, Family>>

type Table = typeof FAMILIES
export type MetricName = keyof Table
export type Labels<Name extends MetricName> = Readonly<
  Record<Table[Name]["labels"][number], string>
>

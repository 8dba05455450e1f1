// Types that several modules of the page share, for its type check. Not served and not part of the package.
// Functions in these types are properties, not methods: only then does tsc compare their parameters strictly.

declare namespace Page {
  type Name =
    | "overview"
    | "queues"
    | "workers"
    | "matrix"
    | "tasks"
    | "schedule"
    | "queue"
    | "worker"
    | "task"
    | "failures"
    | "failure"
    | "runs"
    | "run"
    | "activity"
    | "missing";
  type List = "queues" | "workers" | "tasks" | "failures" | "runs";
  type Query = Record<string, string>;

  /** What an address names. `source` and `name` are those of a subject. */
  interface Route {
    page: Name;
    query: Query;
    source?: string;
    name?: string;
  }
  type SubjectRoute = Route & { source: string; name: string };

  /** Services that every page gets. */
  interface Context {
    store: import("../page/store.js").Store;
    router: import("../page/router.js").Router;
    config: () => Pick<Row.Config, "boot" | "permissions" | "is_controlled" | "csrf" | "task_url" | "user" | "session">;
    isStale: (source: string) => boolean;
    announce: (text: string) => void;
  }

  interface Mounted {
    title: string;
    topics: string[];
    element: HTMLElement;
    onRoute: (route: Route) => void;
    update: () => void;
  }

  /** A part of a page; `A`: the arguments of its update(). */
  interface Part<A extends unknown[] = []> {
    element: HTMLElement;
    update: (...args: A) => void;
    onRoute?: (route: Route) => void;
  }

  /** Texts around an age, and the one in place of an unknown age. */
  interface AgeTexts {
    before?: string;
    after?: string;
    none?: string;
  }

  // Elements

  type Attribute = string | number | boolean | null | undefined;
  type Attributes = Record<string, Attribute>;
  type Child = Node | string | number | false | null | undefined;
  type Children = (Child | readonly Child[])[];
  type CreateHtml = <T extends keyof HTMLElementTagNameMap>(
    tag: T,
    attributes?: Attributes,
    ...children: Children
  ) => HTMLElementTagNameMap[T];
  type CreateSvg = <T extends keyof SVGElementTagNameMap>(
    tag: T,
    attributes?: Attributes,
    ...children: Children
  ) => SVGElementTagNameMap[T];

  // Tables

  type SortKey = string | number | null;

  /** A column of a table; see the class Table. */
  interface Column<R> {
    id: string;
    label: string;
    hint?: string;
    width?: number;
    priority?: number;
    isNumber?: boolean;
    isDescending?: boolean;
    sortKey?: (row: R) => SortKey;
    text?: (row: R) => string;
    makeCell?: () => Part<[R]>;
  }
  /** The elements of a row that is shown. */
  interface ShownRow<R> {
    element: HTMLElement;
    updates: ((row: R) => void)[];
    row: R | null;
    isStale: boolean;
  }

  type Sortable<R> = Pick<Column<R>, "id" | "sortKey">;
  interface Sort<R> {
    column: Sortable<R>;
    isDescending: boolean;
  }

  interface TableOptions<R> {
    columns: Column<R>[];
    defaultSort: string;
    empty: string;
    caption: string;
    router: import("../page/router.js").Router;
    href?: (row: R) => string | null;
    isStale?: (row: R) => boolean;
    parameter?: string;
    pageSize?: number;
  }

  interface ListOptions<R> extends Pick<TableOptions<R>, "columns" | "defaultSort" | "href" | "isStale"> {
    title: string;
    topic: List | "schedule" | "activity";
    noun: string;
    nothing: string;
    states?: string[];
    stateOf?: (row: R) => string;
    textOf: (row: R) => string;
  }

  type FieldColumn<F> = <K extends string, R extends Record<K, F> = Record<K, F>>(
    id: K,
    label: string,
    options?: Partial<Column<R>>,
  ) => Column<R>;
  type PresetColumn<F> = <R extends F>(options?: Partial<Column<R>>) => Column<R>;

  interface SectionOptions<T extends keyof Row.Tables>
    extends Pick<TableOptions<Row.Tables[T]>, "columns" | "defaultSort" | "empty" | "href" | "pageSize"> {
    title: string;
    more?: HTMLElement;
    topic: string;
    table: T;
    control?: HTMLElement | null;
  }
  type Linked = Pick<Row.Check, "source" | "hostname" | "queue">;

  /** `list`: title of its list; `label`, `control`: beside the name; `before`: above the charts, `sections`: below. */
  interface SubjectOptions<K extends "queue" | "worker" | "task"> {
    kind: K;
    list: string;
    stats: Stat<Row.Tables[K]>[];
    label?: Part<[Row.Tables[K]]>;
    control?: Part<[Row.Tables[K]]> | false;
    before?: Part<[Row.Tables[K]]>;
    sections?: Part<[Row.Tables[K]]>[];
  }

  /** A figure of a subject, with either `text` or `makeValue`. */
  interface Stat<R> {
    label: string;
    hint?: string;
    text?: (row: R) => string;
    makeValue?: () => Part<[R]>;
    note?: (row: R) => string;
    isWide?: boolean;
  }

  /** A result of a search; `kind`: run, task, queue, worker, or none for an id that nothing is known about. */
  interface Found {
    kind: string;
    name: string;
    note: string;
    href: string;
  }

  /** A dialog for a command; `build()` returns the command of its fields, null while they are not complete. */
  interface CommandOptions {
    title: string;
    verb: string;
    text?: string;
    fields?: HTMLElement[];
    build: () => Row.Command | null;
  }

  // Events

  /** Changed fields or new rows, and the keys of removed rows. */
  interface Change {
    set?: Record<string, object>;
    del?: string[];
  }
  interface TablesEvent {
    now: number;
    topics: Record<string, { full: boolean; tables: Record<string, Change> }>;
  }

  /** State of the stream, and the Unix seconds of its last event. */
  interface Link {
    state: string;
    lastEventAt: number;
  }

  // Charts

  type Values = (number | null)[];
  type Line =
    | "succeeded"
    | "failed"
    | "share"
    | "wait_p50"
    | "wait_p95"
    | "run_p50"
    | "run_p95"
    | "backlog"
    | "oldest_min"
    | "oldest_max"
    | "rss"
    | "memory_used"
    | "cpu";
  type AxisKind = "count" | "share" | "seconds" | "bytes";

  /** Unix seconds. */
  interface Period {
    start: number;
    end: number;
  }
  /** Period that the address names; without `end` it follows the time. */
  interface Range {
    seconds: number;
    end?: number;
    isZoomed: boolean;
  }
  /** Period with the size of its steps, and the seconds for which the server keeps these. */
  interface Window {
    seconds: number;
    size: number;
    kept?: number;
    end?: number;
  }
  type Outage = Pick<Row.Mark, "at" | "until">;

  /** `isOptional`: not in the legend if it has no values. */
  interface ChartLine {
    id: Line;
    label: string;
    isArea?: boolean;
    isOptional?: boolean;
  }

  interface ChartEvents {
    onHover: (time: number | null) => void;
    onZoom: (start: number, end: number) => void;
    onReset: () => boolean;
  }

  /** `lines`: areas are stacked in this order; `min`, `max`: bounds of the upper end of the axis; `isLevel`: of the table "levels". */
  interface ChartOptions extends ChartEvents {
    title: string;
    axis: AxisKind;
    format: (value: number | null | undefined) => string;
    lines: ChartLine[];
    min?: number;
    max?: number;
    isWhole?: boolean;
    isLevel?: boolean;
  }

  /** Values per step; see charted(). `times`: the middles of the steps; `since`: when the server began to listen. */
  type Charted = Period & { size: number; since: number; times: number[] } & Record<Line, Values>;
}

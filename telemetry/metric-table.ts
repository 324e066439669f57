/**
 * Every number that Toolmeter tells about itself, one line each: both the Prometheus page and the OTLP export are made
 * from this. Names and units follow OpenTelemetry's conventions (UCUM units; `{thing}` counts things); a name of
 * Prometheus is derived from them (`telemetry/prometheus.ts`).
 */
interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** `s` seconds, `By` bytes, `{thing}` a count. */
  readonly unit: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, inclusive. */
  readonly bounds?: readonly number[];
}

/** OpenTelemetry's advice for `http.server.request.duration`, seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

const counter = <const L extends readonly string[]>(unit: string, help: string, labels: L) =>
  ({ kind: 'counter', unit, help, labels }) as const;
const gauge = <const L extends readonly string[]>(unit: string, help: string, labels: L) =>
  ({ kind: 'gauge', unit, help, labels }) as const;
const seconds = <const L extends readonly string[]>(help: string, labels: L) =>
  ({ kind: 'histogram', unit: 's', help, labels, bounds: SECONDS }) as const;

export const METRICS = {
  'http.server.request.duration': seconds('Time from a request to its answer.', [
    'http.request.method',
    'http.route',
    'http.response.status_code',
  ]),
  'toolmeter.auth.denied': counter('{request}', 'Requests refused, by the code of the refusal.', ['code']),

  'toolmeter.ingest.records': counter('{record}', 'Records posted; result: accepted or rejected.', [
    'format',
    'result',
  ]),
  'toolmeter.ingest.size': counter('By', 'Bytes of posted bodies, unpacked.', ['format']),
  'toolmeter.ingest.append.duration': seconds('Time until posted records were on disk.', []),

  // By outbox of this process: `ingest` (before brokers), `adopted` (what dead collectors of the machine left).
  'toolmeter.outbox.calls.open': gauge('{call}', 'Calls begun and not ended.', ['outbox']),
  'toolmeter.outbox.records.buffered': gauge('{record}', 'Ended calls that are not in the spool yet.', [
    'outbox',
  ]),
  'toolmeter.outbox.records.spooled': gauge('{record}', 'Records in the spool that are not published yet.', [
    'outbox',
  ]),
  'toolmeter.outbox.records.published': counter('{record}', 'Records published from a spool.', ['outbox']),
  'toolmeter.outbox.records.dropped': counter(
    '{record}',
    'Records dropped: the spool was full, or the destination refused them for good.',
    ['outbox'],
  ),

  'toolmeter.log.skipped': counter(
    '{offset}',
    'Offsets that retention dropped before the group had read them.',
    ['group', 'partition'],
  ),

  'toolmeter.processor.records': counter(
    '{record}',
    'Raw records decided on; result: call, duplicate or dead.',
    ['result'],
  ),
  'toolmeter.processor.batch.duration': seconds('Time that a batch took in the stages.', []),
  'toolmeter.processor.lag': gauge('s', "How long the newest batch's oldest record waited in the log.", [
    'partition',
  ]),

  'toolmeter.sink.rows': counter('{row}', 'Rows inserted, by table.', ['table']),
  'toolmeter.sink.insert.duration': seconds('Time of an insert.', []),
  'toolmeter.sink.retries': counter('{attempt}', 'Inserts tried again, by the code of the failure.', [
    'code',
  ]),
  'toolmeter.sink.lag': gauge('s', "How long the newest range's oldest row waited in the log.", [
    'partition',
  ]),
  'toolmeter.seal.days': counter('{day}', 'Recorded days sealed.', []),
  'toolmeter.seal.duration': seconds('Time to seal a day.', []),
  'toolmeter.seal.differences': gauge(
    '{day}',
    'Sealed days that differ from their rows, at the last check.',
    [],
  ),

  'toolmeter.store.query.duration': seconds('Time of a query of the API.', ['query']),
  'toolmeter.config.reloads': counter('{reload}', 'Reloads of a watched file; result: ok or failed.', [
    'file',
    'result',
  ]),
  'toolmeter.ready': gauge('{part}', '1 where the part is ready.', ['part']),

  'process.uptime': gauge('s', 'Time since the process started.', []),
  'process.memory.usage': gauge('By', 'Resident memory.', []),
  'nodejs.eventloop.delay.max': gauge('s', 'Longest delay of the event loop since the last reading.', []),
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof METRICS;
export type Metric = MetricSpec;
export type NamesOf<K extends MetricSpec['kind']> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];

/** Values of a metric's labels: all of them, no others. */
export type LabelsOf<N extends MetricName> = Readonly<
  Record<(typeof METRICS)[N]['labels'][number], string | number>
>;

export const specOf = (name: MetricName): MetricSpec => METRICS[name];

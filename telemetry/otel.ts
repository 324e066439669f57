import { messageOf } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { VERSION } from '../core/version.ts';
import type { Registry } from './metrics.ts';
import { useTracer } from './spans.ts';

type Env = Record<string, string | undefined>;

export interface TelemetryOptions {
  /** Base URL of an OTLP/HTTP receiver (`telemetry.otlp_endpoint`); absent: `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint?: string;
  /** `service.name`, unless `OTEL_SERVICE_NAME` says another: `toolmeter`, `toolmeter-api`, … */
  readonly serviceName: string;
  /** Exported beside spans; absent in threads, whose numbers the main thread exports with its own. */
  readonly registry?: Registry;
  readonly log: Log;
  /**
   * `messaging.system` of spans on the log. OpenTelemetry's messaging conventions know `kafka` and leave a name of
   * one's own to a system that they don't know: the embedded log is `toolmeter`.
   */
  readonly messagingSystem: 'kafka' | 'toolmeter';
  /** Pause between two exports of metrics, milliseconds. Default: OpenTelemetry's, 60,000. */
  readonly metricIntervalMs?: number;
  readonly env?: Env;
}

export interface Telemetry {
  /** Sends what is waiting (for at most three seconds) and stops. Never rejects: telemetry fails nothing. */
  shutdown(): Promise<void>;
}

const SHUTDOWN_MS = 3_000;

/** The receiver's base URL, or null where none is configured, or OpenTelemetry is switched off (`OTEL_SDK_DISABLED`). */
export function otlpEndpoint(configured: string | undefined, env: Env = process.env): string | null {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return null;
  const endpoint = configured ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  return endpoint === undefined || endpoint === '' ? null : endpoint.replace(/\/+$/, '');
}

/**
 * Starts OpenTelemetry where an endpoint is configured; returns null, having loaded nothing, where there is none.
 * Headers, timeouts, compression, certificates, sampling and resource attributes are read from OpenTelemetry's own
 * `OTEL_…` variables. Once a process or thread.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry | null> {
  const endpoint = otlpEndpoint(options.endpoint, options.env);
  if (endpoint === null) return null;
  const [api, node, trace, metrics, traceOtlp, metricsOtlp, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const { metricProducer } = await import('./otel-metrics.ts');
  const { registry, log } = options;
  const report = (message: string): void => log.warn({ code: 'TM_TELEMETRY', endpoint }, message);
  const sdk = node.startNodeSdk({
    logLevel: 'none',
    resourceAttributes: {
      'service.namespace': 'toolmeter',
      'service.name': (options.env ?? process.env).OTEL_SERVICE_NAME ?? options.serviceName,
      'service.version': VERSION,
    },
    spanProcessors: [
      new trace.BatchSpanProcessor({
        exporter: new traceOtlp.OTLPTraceExporter({ url: `${endpoint}/v1/traces` }),
      }),
    ],
    metricReaders:
      registry === undefined
        ? []
        : [
            new metrics.PeriodicExportingMetricReader({
              exporter: new metricsOtlp.OTLPMetricExporter({ url: `${endpoint}/v1/metrics` }),
              metricProducers: [metricProducer(registry, metrics, resources.emptyResource(), Date.now)],
              ...(options.metricIntervalMs !== undefined && {
                exportIntervalMillis: options.metricIntervalMs,
                exportTimeoutMillis: options.metricIntervalMs,
              }),
            }),
          ],
    logRecordProcessors: [],
    instrumentations: [],
  });
  // After the start, which sets a logger of its own that writes to the console.
  api.diag.setLogger(
    {
      error: report,
      warn: report,
      info: (message) => log.debug({}, message),
      debug: () => undefined,
      verbose: () => undefined,
    },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  useTracer({
    api,
    tracer: api.trace.getTracer('toolmeter', VERSION),
    messagingSystem: options.messagingSystem,
  });
  log.info({ endpoint }, 'OpenTelemetry export is on');
  return {
    shutdown: async () => {
      useTracer(null);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          report(`the last export did not end within ${SHUTDOWN_MS} ms`);
          resolve();
        }, SHUTDOWN_MS);
      });
      try {
        await Promise.race([sdk.shutdown(), late]);
      } catch (error) {
        report(`the last export failed: ${messageOf(error)}`);
      } finally {
        clearTimeout(timer);
        for (const part of [api.trace, api.metrics, api.context, api.propagation, api.diag]) part.disable();
      }
    },
  };
}

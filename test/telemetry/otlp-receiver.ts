import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  links?: { traceId: string; spanId: string }[];
  status?: { code?: number };
}

export interface OtlpMetric {
  name: string;
  unit: string;
  sum?: { isMonotonic: boolean; dataPoints: { asDouble?: number; asInt?: string; attributes: unknown[] }[] };
  gauge?: { dataPoints: { asDouble?: number; asInt?: string }[] };
  histogram?: {
    dataPoints: { count: string; sum: number; bucketCounts: string[]; explicitBounds: number[] }[];
  };
}

/** A receiver of OTLP/HTTP in its JSON encoding (opentelemetry.io/docs/specs/otlp), which keeps what it is sent. */
export async function otlpReceiver(answer: (path: string) => number = () => 200) {
  const spans: OtlpSpan[] = [];
  const metrics: OtlpMetric[] = [];
  const resources: unknown[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString('utf8');
      const status = answer(request.url ?? '');
      if (status === 200) {
        const body = JSON.parse(text);
        for (const group of body.resourceSpans ?? []) {
          resources.push(group.resource);
          for (const scope of group.scopeSpans) spans.push(...scope.spans);
        }
        for (const group of body.resourceMetrics ?? [])
          for (const scope of group.scopeMetrics) metrics.push(...scope.metrics);
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    resources,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

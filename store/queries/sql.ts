import { ToolmeterError } from '../../core/errors.ts';
import { LABELS, type LabelFilter } from '../../schemas/api.ts';
import type { Params } from '../client.ts';

/**
 * Conditions and the values of their places. SQL text comes only from this code; what a user gave is always bound.
 */
export class Where {
  readonly #conditions: string[] = [];
  readonly #params: Record<string, string | number | readonly string[]> = {};

  /** Adds a condition with the values of its `{name:Type}` places. */
  add(condition: string, params: Record<string, string | number | readonly string[]> = {}): this {
    this.#conditions.push(condition);
    Object.assign(this.#params, params);
    return this;
  }

  /** Any of the values of each label. */
  labels(filter: LabelFilter): this {
    for (const label of LABELS) {
      const values = filter[label];
      if (values !== undefined) this.add(`${label} IN {${label}:Array(String)}`, { [label]: values });
    }
    return this;
  }

  /** `from` ≤ ts < `to`, also by the hour, which is what the table is ordered by. */
  eventTime(from: string, to: string): this {
    return this.add(
      `ts >= ${MICROS('from_us')} AND ts < ${MICROS('to_us')}
       AND toStartOfHour(ts) >= ${SECONDS('from_hour')} AND toStartOfHour(ts) <= ${SECONDS('to_hour')}`,
      {
        from_us: micros(from).toString(),
        to_us: micros(to).toString(),
        from_hour: hourFloor(micros(from)),
        to_hour: hourFloor(micros(to)),
      },
    );
  }

  get sql(): string {
    return this.#conditions.length === 0 ? '1' : this.#conditions.join('\n  AND ');
  }

  get params(): Params {
    return this.#params;
  }
}

/** A place for a time in microseconds since 1970, as DateTime64(6). */
export const MICROS = (name: string): string => `fromUnixTimestamp64Micro({${name}:Int64}, 'UTC')`;
/** A place for a time in milliseconds since 1970, as DateTime64(3). */
export const MILLIS = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`;
/** A place for a time in seconds since 1970, as DateTime. */
export const SECONDS = (name: string): string => `toDateTime({${name}:Int64}, 'UTC')`;

const HOUR_US = 3_600_000_000n;

/**
 * Microseconds since 1970 of an ISO 8601 time in UTC; digits past the sixth are cut off.
 * @throws ToolmeterError TM_QUERY_TIME
 */
export function micros(iso: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?Z$/.exec(iso);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}Z`);
  if (Number.isNaN(ms)) {
    throw new ToolmeterError(
      'TM_QUERY_TIME',
      `"${iso.slice(0, 64)}" is not a time.`,
      'Write 2026-03-01T00:00:00Z.',
    );
  }
  return BigInt(ms) * 1000n + BigInt((match?.[2] ?? '').slice(0, 6).padEnd(6, '0'));
}

/** Start of the hour, seconds since 1970. */
export function hourFloor(us: bigint): number {
  return Number((us - (((us % HOUR_US) + HOUR_US) % HOUR_US)) / 1_000_000n);
}

/** First full hour at or after, seconds since 1970. */
export function hourCeil(us: bigint): number {
  return hourFloor(us + HOUR_US - 1n);
}

/** A count that JSON may hold. ClickHouse gives 64-bit integers as text. */
export function count(text: string | number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new ToolmeterError('TM_QUERY_COUNT', `${text} is more than can be given as a number.`);
  }
  return value;
}

import type { Inventory, InventoryFilter, InventoryResults } from '../../schemas/api.ts';
import type { StoreClient } from '../client.ts';
import { count, Where } from './sql.ts';

interface Shape {
  /** Columns that make a row. */
  readonly keys: readonly string[];
  /** What else a row tells, and its SQL. */
  readonly facts: Readonly<Record<string, string>>;
  readonly where: string;
}

const TOOLS = "uniqExactIf((server, tool), tool != '')";

const SHAPES: Readonly<Record<Inventory, Shape>> = {
  callers: {
    keys: ['caller', 'caller_source', 'caller_verified'],
    facts: { servers: 'uniqExact(server)', tools: TOOLS },
    where: '1',
  },
  servers: {
    keys: ['server'],
    facts: {
      server_version: "argMaxIf(c.server_version, c.ts, c.server_version != '')",
      transports: "arraySort(groupUniqArrayIf(100)(transport, transport != ''))",
      vantages: 'arraySort(groupUniqArray(100)(vantage))',
      tools: TOOLS,
      callers: 'uniqExact(caller)',
    },
    where: '1',
  },
  tools: {
    keys: ['server', 'tool'],
    facts: { callers: 'uniqExact(caller)' },
    where: "tool != ''",
  },
};

/** 64-bit integers, which ClickHouse gives as text. */
const COUNTS = ['observations', 'calls', 'errors', 'findings', 'servers', 'tools', 'callers'] as const;

/** Who calls, or what is called, with what is to be known of each; most observations first, over event time. */
export async function inventory<I extends Inventory>(
  client: StoreClient,
  of: I,
  filter: InventoryFilter,
): Promise<InventoryResults[I]> {
  const { keys, facts, where: only } = SHAPES[of];
  const where = new Where()
    .eventTime(filter.from, filter.to)
    .labels(filter.where)
    .add("kind = 'call'")
    .add(only);
  const rows = await client.query<Record<string, unknown>>(
    `SELECT ${[...keys, ...Object.entries(facts).map(([name, sql]) => `${sql} AS ${name}`)].join(', ')},
       count() AS observations,
       countIf(counted) AS calls,
       countIf(counted AND is_error) AS errors,
       if(countIf(counted AND outcome != 'lost') = 0, NULL,
          toUInt64(round(quantileTDigestIf(0.95)(duration_us, counted AND outcome != 'lost')))) AS p95_us,
       sumIf(arraySum(mapValues(pii)), counted) AS findings,
       arraySort(groupUniqArray(100)(team)) AS teams,
       min(ts) AS first_seen, max(ts) AS last_seen
     FROM calls AS c WHERE ${where.sql}
     GROUP BY ${keys.join(', ')}
     ORDER BY observations DESC, ${keys.join(', ')}
     LIMIT {page:UInt32}`,
    { ...where.params, page: filter.limit + 1 },
  );
  for (const row of rows) {
    for (const name of COUNTS) if (row[name] !== undefined) row[name] = count(row[name] as string);
    if (row.p95_us !== null) row.p95_us = count(row.p95_us as string);
  }
  return { rows: rows.slice(0, filter.limit), truncated: rows.length > filter.limit } as InventoryResults[I];
}

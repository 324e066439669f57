import { z } from 'zod';
import {
  CallersResultSchema,
  type Inventory,
  type InventoryResults,
  ServersResultSchema,
  ToolsResultSchema,
} from '../../schemas/api.ts';
import { narrow } from '../auth/scope.ts';
import type { CsvTable } from '../csv.ts';
import { labelParameters, rangeOf, rangeParameters, whereOf, whole } from '../query-string.ts';
import { type ReadRoute, readRoute } from '../route.ts';
import type { RouteDeps } from './deps.ts';

interface Page {
  readonly summary: string;
  readonly result: z.ZodType;
  /** Columns of its CSV before those that all have; a list is joined by blanks. */
  readonly columns: Readonly<Record<string, 'text' | 'number'>>;
}

const PAGES: Readonly<Record<Inventory, Page>> = {
  callers: {
    summary: 'Who calls: each caller, where its name comes from, and what it did',
    result: CallersResultSchema,
    columns: {
      caller: 'text',
      caller_source: 'text',
      caller_verified: 'text',
      servers: 'number',
      tools: 'number',
    },
  },
  servers: {
    summary: 'What is called: each server, how it is watched, and how it did',
    result: ServersResultSchema,
    columns: {
      server: 'text',
      server_version: 'text',
      transports: 'text',
      vantages: 'text',
      tools: 'number',
      callers: 'number',
    },
  },
  tools: {
    summary: 'What is called: each tool of each server, and how it did',
    result: ToolsResultSchema,
    columns: { server: 'text', tool: 'text', callers: 'number' },
  },
};

const MEASURES = {
  observations: 'number',
  calls: 'number',
  errors: 'number',
  p95_us: 'number',
  findings: 'number',
  teams: 'text',
  first_seen: 'text',
  last_seen: 'text',
} as const;

/** `GET /v1/callers`, `/v1/servers`, `/v1/tools`. */
export const inventoryRoutes = (deps: RouteDeps): readonly ReadRoute[] => [
  inventoryRoute('callers', deps),
  inventoryRoute('servers', deps),
  inventoryRoute('tools', deps),
];

function inventoryRoute(of: Inventory, { queries, clock }: RouteDeps): ReadRoute {
  const { summary, result, columns } = PAGES[of];
  return readRoute({
    path: `/v1/${of}`,
    id: of,
    summary,
    description:
      'Most observations first. Calls, errors, percentile and findings are of counted observations: one call is one.',
    permission: 'inventory.read',
    query: z.strictObject({
      ...rangeParameters,
      ...labelParameters,
      limit: whole(1, 10_000).optional().describe('Rows. Default: 1,000.'),
    }),
    result,
    csv: (answer) => table(answer as InventoryResults[Inventory], { ...columns, ...MEASURES }),
    answer: async ({ query, principal }) => {
      const filter = narrow(
        { ...rangeOf(query, clock.nowMs()), where: whereOf(query), limit: query.limit ?? 1_000 },
        principal,
      );
      return filter === null ? { rows: [], truncated: false } : queries.inventory(of, filter);
    },
  });
}

function table(
  { rows }: InventoryResults[Inventory],
  columns: Readonly<Record<string, 'text' | 'number'>>,
): CsvTable {
  const names = Object.keys(columns);
  return {
    columns: names.map((name) => ({ name, type: columns[name] as 'text' | 'number' })),
    rows: (rows as readonly Record<string, unknown>[]).map((row) => names.map((name) => cell(row[name]))),
  };
}

function cell(value: unknown): string | number {
  if (Array.isArray(value)) return value.join(' ');
  if (typeof value === 'boolean') return String(value);
  return (value ?? '') as string | number;
}

import type { Home } from '../../core/home.ts';
import type { Log } from '../../core/log.ts';
import type { PartStatus } from '../../telemetry/health.ts';
import type { Settings } from '../settings.ts';

/** What a role is started with. Plain data but for the logger, so that a thread can make its own. */
export interface RoleContext {
  readonly settings: Settings;
  readonly home: Home;
  readonly log: Log;
}

/**
 * A part of Toolmeter that runs by itself, in a thread of `toolmeter up` or as a process: `processor` (raw → calls),
 * `store` (calls → ClickHouse, sealing), `http` (API and ingest).
 */
export interface Role {
  status(): PartStatus[] | Promise<PartStatus[]>;
  /** Finishes what is in hand and lets go of everything. */
  stop(): Promise<void>;
}

export type StartRole = (context: RoleContext) => Promise<Role>;
/** In the order in which they start. */
export const ROLES = ['store', 'processor'] as const;
export type RoleName = (typeof ROLES)[number];

/**
 * Who may do what: the one table. A route names the permission that it needs; a key has one role.
 * - admin: everything but posting events, which only collectors do.
 * - finance: money, and the calls behind it, without their content.
 * - security: calls with their content, and whether the record is complete.
 * - sre: latency, calls without content, dead letters, our own metrics.
 * - viewer: sums, percentiles and names; no single call.
 */
export const ROLES = ['admin', 'finance', 'security', 'sre', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export const POLICY = {
  'spend.read': ['admin', 'finance', 'viewer'],
  'calls.read': ['admin', 'finance', 'security', 'sre'],
  /** `arguments_text` and `result_text` of a call. */
  'content.read': ['admin', 'security'],
  'latency.read': ['admin', 'sre', 'viewer'],
  /** Names of callers, servers and tools, and how often. */
  'inventory.read': ['admin', 'finance', 'security', 'sre', 'viewer'],
  'completeness.read': ['admin', 'finance', 'security', 'sre', 'viewer'],
  'dead_letters.read': ['admin', 'security', 'sre'],
  'metrics.read': ['admin', 'sre'],
} as const satisfies Record<string, readonly Role[]>;
export type Permission = keyof typeof POLICY;

/** What has a team, and so can be narrowed to it. A key of a team has no other permission. */
const OF_A_TEAM: readonly Permission[] = [
  'spend.read',
  'calls.read',
  'content.read',
  'latency.read',
  'inventory.read',
];

/** Who asks. `teams` null: all of them. */
export interface Principal {
  /** Id of the key, or `loopback`: the machine's own user, without a key, in embedded mode. */
  readonly id: string;
  readonly role: Role;
  readonly teams: readonly string[] | null;
}

export function isAllowed(principal: Principal, permission: Permission): boolean {
  const roles: readonly Role[] = POLICY[permission];
  return roles.includes(principal.role) && (principal.teams === null || OF_A_TEAM.includes(permission));
}

import type { CallDetail, LabelFilter } from '../../schemas/api.ts';
import { isAllowed, type Principal } from './policy.ts';

/**
 * A filter narrowed to the teams of the key; every query of calls goes through here. Null where nothing is left to
 * see: the answer is then empty, as it is for a team that has no calls.
 */
export function narrow<F extends { where: LabelFilter }>(filter: F, principal: Principal): F | null {
  const { teams } = principal;
  if (teams === null) return filter;
  const asked = filter.where.team;
  const left = asked === undefined ? [...teams] : asked.filter((team) => teams.includes(team));
  return left.length === 0 ? null : { ...filter, where: { ...filter.where, team: left } };
}

/** A call as this key may see it, or null where it may not. Content is left out where the role may not read it. */
export function reveal(detail: CallDetail, principal: Principal): CallDetail | null {
  const { teams } = principal;
  if (teams !== null && !teams.includes(detail.call.team)) return null;
  const observations =
    teams === null ? detail.observations : detail.observations.filter(({ team }) => teams.includes(team));
  if (isAllowed(principal, 'content.read')) return { ...detail, observations };
  const call = { ...detail.call, arguments_text: '', result_text: '' };
  return { ...detail, call, observations };
}

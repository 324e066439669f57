import type { Clock } from '../../core/clock.ts';
import type { StoreQueries } from '../queries.ts';

/** What a route that asks the store needs. */
export interface RouteDeps {
  readonly queries: StoreQueries;
  readonly clock: Clock;
}

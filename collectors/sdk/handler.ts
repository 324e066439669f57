import type { Implementation } from '../rpc/message.ts';
import { ExtraContext } from './context.ts';
import { HttpExchange } from './exchange.ts';
import { failed } from './failures.ts';
import { trackerFor } from './options.ts';
import { callScope } from './scope.ts';
import type { FetchHandlerLike } from './sdk-types.ts';
import type { MeterOptions } from './types.ts';

const METERED = Symbol.for('io.toolmeter/metered');

/**
 * Meters the handler that v2's `createMcpHandler` makes, in place. What its servers' transports see is theirs to
 * record where the factory is metered too; all else is recorded from HTTP: every call of an unmetered factory, the
 * handler's own refusals (headers that contradict the body, unsupported versions, oversized or unreadable bodies),
 * and `subscriptions/listen`.
 */
export function meterHandler(handler: FetchHandlerLike, options: MeterOptions): void {
  if (METERED in handler) return;
  Object.defineProperty(handler, METERED, { value: true });
  const fetch = handler.fetch;
  /** The server's name is in few answers; it is the same for all. */
  let declared: Implementation | undefined;
  handler.fetch = function (
    this: FetchHandlerLike,
    request: Request,
    ...rest: [{ authInfo?: unknown; parsedBody?: unknown }?]
  ): Promise<Response> {
    let exchange: HttpExchange | undefined;
    try {
      if (request.method.toUpperCase() === 'POST') {
        const tracker = trackerFor('server', 'http', options, declared);
        const extra = { request, authInfo: rest[0]?.authInfo };
        const context = new ExtraContext(extra, request.headers.get('mcp-session-id') ?? undefined);
        const learnt = (server: Implementation): void => {
          declared = server;
        };
        exchange = new HttpExchange(tracker, request, rest[0]?.parsedBody, context, learnt, options.log);
      }
    } catch (error) {
      failed('follow an HTTP request', error, options.log);
    }
    if (exchange === undefined) return fetch.call(this ?? handler, request, ...rest);
    const open = exchange;
    return callScope().run(open, async () => {
      let response: Response;
      try {
        response = await fetch.call(this ?? handler, await open.forwarded(), ...rest);
      } catch (error) {
        open.threw();
        throw error;
      }
      return open.answered(response);
    });
  };
}

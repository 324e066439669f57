/** What a request's target asks for, by its method and path alone. */
export type Route =
  /** The upstream's Streamable HTTP endpoint; `query` with its question mark, or empty. */
  | { readonly kind: 'mcp'; readonly server: string; readonly query: string }
  /** The stream of the deprecated HTTP+SSE pair. */
  | { readonly kind: 'sse'; readonly server: string; readonly query: string }
  /** Where its messages are posted: the sealed address that the endpoint event named. */
  | { readonly kind: 'message'; readonly server: string; readonly sealed: string }
  | { readonly kind: 'health' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'none' };

const NONE: Route = { kind: 'none' };

/** `/servers/NAME/mcp`, `/servers/NAME/sse`, `/servers/NAME/message/SEALED`. Names are not decoded: none needs it. */
export function routeOf(target: string): Route {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  if (path === '/healthz') return { kind: 'health' };
  if (path === '/readyz') return { kind: 'ready' };
  const parts = path.split('/', 6);
  const [root, servers, server, what, sealed] = parts;
  if (root !== '' || servers !== 'servers' || server === undefined || server === '') return NONE;
  const query = mark === -1 ? '' : target.slice(mark);
  if ((what === 'mcp' || what === 'sse') && parts.length === 4) return { kind: what, server, query };
  if (what === 'message' && sealed !== undefined && parts.length === 5)
    return { kind: 'message', server, sealed };
  return NONE;
}

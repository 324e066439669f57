/** What a request's target asks for. */
export interface Route {
  readonly server: string;
  /** With its question mark, or empty. */
  readonly query: string;
}

/** `/servers/NAME/mcp`, or undefined. Names are not decoded: none needs it. */
export function routeOf(target: string): Route | undefined {
  const [, server, query = ''] = /^\/servers\/([^/?#]+)\/mcp(\?.*)?$/s.exec(target) ?? [];
  return server === undefined ? undefined : { server, query };
}

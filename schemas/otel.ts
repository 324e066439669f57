/**
 * Our fields and OpenTelemetry's attributes for them, one line each. Sources: semantic conventions for MCP and GenAI
 * (`mcp.*`, `gen_ai.*`), general attributes (`error.type`, `network.*`, `client.address`, `jsonrpc.*`). Where the
 * conventions have none, the attribute is ours under `toolmeter.`.
 */
export interface FieldAttribute {
  /** Path in a `CallEvent`. */
  readonly field: string;
  /** Column of `calls`, and field of a `MeteredCall`. */
  readonly column: string;
  readonly attribute: string;
}

const line = (field: string, column: string, attribute: string): FieldAttribute => ({
  field,
  column,
  attribute,
});

export const FIELD_ATTRIBUTES: readonly FieldAttribute[] = [
  line('method', 'method', 'mcp.method.name'),
  line('session_id', 'session_id', 'mcp.session.id'),
  line('protocol_version', 'protocol_version', 'mcp.protocol.version'),
  line('resource_uri', 'resource_uri', 'mcp.resource.uri'),
  line('tool', 'tool', 'gen_ai.tool.name'),
  line('prompt', 'prompt', 'gen_ai.prompt.name'),
  line('request_id.value', 'request_id', 'jsonrpc.request.id'),
  line('error.code', 'error_code', 'error.type'),
  line('error.text', 'error_text', 'error.message'),
  line('transport', 'transport', 'network.transport'),
  line('ip', 'ip', 'client.address'),
  line('server.name', 'server', 'service.name'),
  line('server.version', 'server_version', 'service.version'),
  line('client.name', 'client', 'toolmeter.client.name'),
  line('client.version', 'client_version', 'toolmeter.client.version'),
  line('model.name', 'model', 'gen_ai.request.model'),
  line('usage.input', 'tokens_result', 'gen_ai.usage.input_tokens'),
  line('usage.output', 'tokens_arguments', 'gen_ai.usage.output_tokens'),
  line('arguments.text', 'arguments_text', 'gen_ai.tool.call.arguments'),
  line('result.text', 'result_text', 'gen_ai.tool.call.result'),
  line('caller.id', 'caller', 'toolmeter.caller.id'),
  line('caller.source', 'caller_source', 'toolmeter.caller.source'),
  line('caller.verified', 'caller_verified', 'toolmeter.caller.verified'),
  line('call_id', 'call_id', 'toolmeter.call.id'),
  line('vantage', 'vantage', 'toolmeter.vantage'),
  line('outcome', 'outcome', 'toolmeter.outcome'),
];

export const attributeOf = (column: string): string | undefined =>
  FIELD_ATTRIBUTES.find((entry) => entry.column === column)?.attribute;

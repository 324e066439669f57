import type { CallEvent, Content, ObservedCall } from '../schemas/call-event.ts';
import { type MeteredCall, PROCESSING_VERSION } from '../schemas/metered-call.ts';
import type { RawRecord } from '../schemas/record.ts';

/** The row that an event starts as: everything that it says itself, nothing that processing adds. */
export function rowOf(event: CallEvent, record: RawRecord, rawOffset: bigint): MeteredCall {
  return event.kind === 'call' ? callRow(event, record, rawOffset) : adjustmentRow(event, record, rawOffset);
}

function blank(event: CallEvent, record: RawRecord, rawOffset: bigint): MeteredCall {
  return {
    schema_version: event.schema_version,
    processing_version: PROCESSING_VERSION,
    kind: event.kind,
    event_id: event.event_id,
    call_id: event.call_id,
    collector: record.at?.collector ?? record.collector ?? '',
    instance: record.at?.instance ?? '',
    epoch: record.at?.epoch ?? '',
    lane: record.at?.lane ?? 0,
    seq: record.at?.seq ?? 0,
    collector_kind: event.collector.kind,
    collector_version: event.collector.version,
    durable: event.durable,
    vantage: '',
    nested: false,
    parent_call_id: '',
    trace_id: '',
    span_id: '',
    method: '',
    tool: '',
    resource_uri: '',
    prompt: '',
    server: '',
    server_version: '',
    client: '',
    client_version: '',
    protocol_version: '',
    transport: '',
    session_id: '',
    request_id: '',
    request_id_type: '',
    caller: '',
    caller_source: 'none',
    caller_verified: false,
    acting_as: '',
    ip: '',
    tags: event.tags,
    ts: '',
    duration_us: 0,
    outcome: '',
    error_code: '',
    error_text: '',
    late_answer: false,
    arguments_state: 'none',
    arguments_bytes: 0,
    arguments_text: '',
    arguments_hash: '',
    result_state: 'none',
    result_bytes: 0,
    result_text: '',
    result_hash: '',
    hash_kid: '',
    pseudonym_kid: '',
    media_items: 0,
    media_bytes: 0,
    pii: {},
    tokens_arguments: 0,
    tokens_result: 0,
    tokens_definitions: 0,
    tokens_basis: 'none',
    tokenizer: '',
    model: '',
    model_source: 'none',
    cost_usd: '0',
    cost_basis: 'unpriced',
    cost_lines: [],
    team: '',
    cost_center: '',
    project: '',
    environment: '',
    attribution: '',
    counted: false,
    calls: 0,
    adjusts: '',
    reason: '',
    trusted: record.trusted,
    raw_offset: Number(rawOffset),
  };
}

function callRow(event: ObservedCall, record: RawRecord, rawOffset: bigint): MeteredCall {
  const row = blank(event, record, rawOffset);
  row.vantage = event.vantage;
  row.nested = event.nested ?? false;
  row.parent_call_id = event.links?.parent_call_id ?? '';
  if (event.trace !== undefined) {
    row.trace_id = event.trace.traceparent.slice(3, 35);
    row.span_id = event.trace.traceparent.slice(36, 52);
  }
  row.method = event.method;
  row.tool = event.tool ?? '';
  row.resource_uri = event.resource_uri ?? '';
  row.prompt = event.prompt ?? '';
  row.server = event.server.name;
  row.server_version = event.server.version ?? '';
  row.client = event.client?.name ?? '';
  row.client_version = event.client?.version ?? '';
  row.protocol_version = event.protocol_version ?? '';
  row.transport = event.transport;
  row.session_id = event.session_id ?? '';
  row.request_id = event.request_id?.value ?? '';
  row.request_id_type = event.request_id?.type ?? '';
  row.caller = event.caller.id;
  row.caller_source = event.caller.source;
  row.caller_verified = event.caller.verified;
  row.acting_as = event.caller.acting_as ?? '';
  row.ip = event.ip ?? '';
  row.ts = event.started_at;
  row.duration_us = event.duration_us;
  row.outcome = event.outcome;
  row.error_code = event.error?.code ?? '';
  row.error_text = event.error?.text ?? '';
  row.late_answer = event.late_answer ?? false;
  row.arguments_state = event.arguments.state;
  row.arguments_bytes = event.arguments.bytes;
  row.arguments_text = event.arguments.text ?? '';
  row.arguments_hash = event.arguments.hash?.value ?? '';
  row.result_state = event.result.state;
  row.result_bytes = event.result.bytes;
  row.result_text = event.result.text ?? '';
  row.result_hash = event.result.hash?.value ?? '';
  row.hash_kid = event.arguments.hash?.kid ?? event.result.hash?.kid ?? '';
  for (const content of [event.arguments, event.result]) addContent(row, content);
  if (event.model !== undefined) {
    row.model = event.model.name;
    row.model_source = event.model.source;
  }
  return row;
}

function addContent(row: MeteredCall, content: Content): void {
  if (content.media !== undefined) {
    row.media_items += content.media.items;
    row.media_bytes += content.media.bytes;
  }
  if (content.scrub === undefined) return;
  row.pseudonym_kid = content.scrub.kid;
  for (const [type, count] of Object.entries(content.scrub.findings))
    row.pii[type] = (row.pii[type] ?? 0) + count;
}

function adjustmentRow(
  event: Extract<CallEvent, { kind: 'adjustment' }>,
  record: RawRecord,
  rawOffset: bigint,
): MeteredCall {
  const row = blank(event, record, rawOffset);
  row.ts = event.ts;
  Object.assign(row, event.labels);
  row.adjusts = event.adjusts;
  row.reason = event.reason;
  row.cost_lines = event.cost_lines;
  row.counted = true;
  return row;
}

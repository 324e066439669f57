import { ClickHouseException } from './exception.ts';

/** Bounds of every statement; a client's own setting can only be tighter. */
export interface Bounds {
  readonly maxExecutionS: number;
  readonly maxMemoryBytes: number;
  readonly maxResultBytes: number;
}

/** Parameters of the interface itself, not settings of the engine: read elsewhere, or without a meaning here. */
export const NOT_SETTINGS: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  'role',
  'session_id',
  'session_timeout',
  'session_check',
  'quota_key',
  'client_protocol_version',
  'compress',
  'decompress',
  'buffer_size',
  'wait_end_of_query',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_response_buffer_size',
  'http_response_compression_method',
  'http_native_compression_disable_checksumming_on_decompress',
  'http_headers_progress_interval_ms',
  'http_write_exception_in_output_format',
  'http_make_head_request',
  'send_progress_in_http_headers',
  'add_http_cors_header',
  'cancel_http_readonly_queries_on_client_close',
  'network_compression_method',
  'readonly',
]);

/** How values are read and written, how a query is run, and what the sink's protocol needs: nothing that opens a door. */
const ALLOWED_PREFIXES = [
  'output_format_',
  'input_format_',
  'format_',
  'date_time_',
  'optimize_',
  'join_',
  'group_by_',
  'distributed_product_',
  'allow_experimental_',
  'allow_suspicious_',
  'enable_',
  'max_rows_',
  'max_bytes_',
  'union_',
  'except_',
  'intersect_',
  'low_cardinality_',
  'cast_',
  'aggregate_',
  'transform_',
  'empty_result_',
  'query_cache_',
  'session_time',
] as const;
const ALLOWED: ReadonlySet<string> = new Set([
  'max_threads',
  'max_block_size',
  'max_result_rows',
  'result_overflow_mode',
  'timeout_overflow_mode',
  'read_overflow_mode',
  'limit',
  'offset',
  'extremes',
  'prefer_column_name_to_alias',
  'final',
  'log_queries',
  'use_uncompressed_cache',
  'use_query_cache',
  'short_circuit_function_evaluation',
  'async_insert',
  'wait_for_async_insert',
  'wait_end_of_query',
  'insert_deduplicate',
  'insert_deduplication_token',
  'deduplicate_blocks_in_dependent_materialized_views',
  'insert_null_as_default',
  'max_insert_block_size',
  'max_insert_threads',
  'min_insert_block_size_rows',
  'min_insert_block_size_bytes',
  'max_partitions_per_insert_block',
  'mutations_sync',
  'alter_sync',
  'replication_alter_partitions_sync',
  'lightweight_deletes_sync',
  'data_type_default_nullable',
  'materialize_ttl_after_modify',
  'max_partition_size_to_drop',
  'max_table_size_to_drop',
  'connect_timeout',
  'receive_timeout',
  'send_timeout',
]);
/** Of the allowed prefixes, those that name files or libraries of the server. */
const NAMES_FILES = /_path$|_schema$|_file|_schema_|_template|schema_inference_cache|_dictionary/;

/** Settings that the bounds cap, and what a client's 0 (no limit) becomes. */
const CAPPED = {
  max_execution_time: 'maxExecutionS',
  max_memory_usage: 'maxMemoryBytes',
  max_result_bytes: 'maxResultBytes',
} as const;
const isCapped = (name: string): name is keyof typeof CAPPED => Object.hasOwn(CAPPED, name);

/**
 * The settings of one statement: the client's that are allowed, under the bounds.
 * @throws ClickHouseException SETTING_CONSTRAINT_VIOLATION, BAD_ARGUMENTS
 */
export function settingsOf(asked: Iterable<readonly [string, string]>, bounds: Bounds): Map<string, string> {
  const settings = new Map<string, string>([['timeout_overflow_mode', 'throw']]);
  for (const [name, key] of Object.entries(CAPPED)) settings.set(name, String(bounds[key]));
  for (const [name, value] of asked) {
    if (isCapped(name)) {
      const wanted = Number(value);
      if (value === '' || !(wanted >= 0))
        throw new ClickHouseException('BAD_ARGUMENTS', `Setting ${name} is not a number`);
      const bound = bounds[CAPPED[name]];
      settings.set(name, String(wanted === 0 ? bound : Math.min(wanted, bound)));
      continue;
    }
    const isAllowed =
      /^[a-z][a-z0-9_]{0,127}$/.test(name) &&
      (ALLOWED.has(name) ||
        (ALLOWED_PREFIXES.some((prefix) => name.startsWith(prefix)) && !NAMES_FILES.test(name)));
    if (!isAllowed)
      throw new ClickHouseException(
        'SETTING_CONSTRAINT_VIOLATION',
        `Setting ${name.slice(0, 128)} should not be changed`,
      );
    if (value.length > 4096) throw new ClickHouseException('BAD_ARGUMENTS', `Setting ${name} is too long`);
    settings.set(name, value);
  }
  settings.set('result_overflow_mode', 'throw');
  settings.set('timeout_overflow_mode', 'throw');
  return settings;
}

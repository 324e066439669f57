-- One row an observation or adjustment of a call, its cost lines inside it: one insert is atomic.
-- Partitioned by when it was learnt (recorded_at), ordered by when it happened (ts).
-- The deduplication window counts blocks of a table partition; the sink's tokens live in it.
CREATE TABLE IF NOT EXISTS calls
(
    schema_version UInt16,
    processing_version UInt16,
    kind LowCardinality(String),
    event_id UUID,
    call_id String,
    collector LowCardinality(String),
    instance LowCardinality(String),
    epoch LowCardinality(String),
    lane UInt16,
    seq UInt64 CODEC(Delta, ZSTD(1)),
    collector_kind LowCardinality(String),
    collector_version LowCardinality(String),
    durable Bool,
    vantage LowCardinality(String),
    nested Bool,
    parent_call_id String,
    trace_id String,
    span_id String,
    method LowCardinality(String),
    tool LowCardinality(String),
    resource_uri String CODEC(ZSTD(1)),
    prompt LowCardinality(String),
    server LowCardinality(String),
    server_version LowCardinality(String),
    client LowCardinality(String),
    client_version LowCardinality(String),
    protocol_version LowCardinality(String),
    transport LowCardinality(String),
    session_id String CODEC(ZSTD(1)),
    request_id String CODEC(ZSTD(1)),
    request_id_type LowCardinality(String),
    caller LowCardinality(String),
    caller_source LowCardinality(String),
    caller_verified Bool,
    acting_as LowCardinality(String),
    ip String,
    tags Map(LowCardinality(String), String),
    ts DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    outcome LowCardinality(String),
    error_code LowCardinality(String),
    error_text String CODEC(ZSTD(1)),
    late_answer Bool,
    arguments_state LowCardinality(String),
    arguments_bytes UInt64 CODEC(T64, ZSTD(1)),
    arguments_text String CODEC(ZSTD(1)) TTL toDateTime(recorded_at, 'UTC') + INTERVAL 30 DAY,
    arguments_hash String,
    result_state LowCardinality(String),
    result_bytes UInt64 CODEC(T64, ZSTD(1)),
    result_text String CODEC(ZSTD(1)) TTL toDateTime(recorded_at, 'UTC') + INTERVAL 30 DAY,
    result_hash String,
    hash_kid LowCardinality(String),
    pseudonym_kid LowCardinality(String),
    media_items UInt32,
    media_bytes UInt64 CODEC(T64, ZSTD(1)),
    pii Map(LowCardinality(String), UInt32),
    tokens_arguments UInt64 CODEC(T64, ZSTD(1)),
    tokens_result UInt64 CODEC(T64, ZSTD(1)),
    tokens_definitions UInt64 CODEC(T64, ZSTD(1)),
    tokens_basis LowCardinality(String),
    tokenizer LowCardinality(String),
    model LowCardinality(String),
    model_source LowCardinality(String),
    cost_usd Decimal(38, 12) CODEC(ZSTD(1)),
    cost_basis LowCardinality(String),
    cost_lines Array(Tuple(
        kind LowCardinality(String),
        quantity Decimal(38, 12),
        unit LowCardinality(String),
        unit_price_usd Decimal(38, 12),
        amount_usd Decimal(38, 12),
        price_id LowCardinality(String),
        basis LowCardinality(String)
    )) CODEC(ZSTD(1)),
    team LowCardinality(String),
    cost_center LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    attribution LowCardinality(String),
    counted Bool,
    calls UInt8,
    adjusts String,
    reason LowCardinality(String),
    trusted Bool,
    raw_offset UInt64 CODEC(Delta, ZSTD(1)),
    log_id LowCardinality(String),
    partition UInt32,
    offset UInt64 CODEC(Delta, ZSTD(1)),
    recorded_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- The cost by what it rests on, so that reports need not open the lines.
    cost_reported_usd Decimal(38, 12) MATERIALIZED arraySum(l -> if(l.basis = 'reported', l.amount_usd, toDecimal128(0, 12)), cost_lines) CODEC(ZSTD(1)),
    cost_metered_usd Decimal(38, 12) MATERIALIZED arraySum(l -> if(l.basis = 'metered', l.amount_usd, toDecimal128(0, 12)), cost_lines) CODEC(ZSTD(1)),
    cost_estimated_usd Decimal(38, 12) MATERIALIZED arraySum(l -> if(l.basis = 'estimated', l.amount_usd, toDecimal128(0, 12)), cost_lines) CODEC(ZSTD(1)),
    is_error Bool MATERIALIZED outcome NOT IN ('ok', 'interim', 'cancelled', ''),
    INDEX by_event_id event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_call_id call_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_adjusts adjusts TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_recorded_at recorded_at TYPE minmax GRANULARITY 1,
    INDEX by_offset offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (toStartOfHour(ts), team, server, tool, ts)
SETTINGS non_replicated_deduplication_window = 10000;

-- The log's own clock, per partition: every row recorded before a tick is in `calls` before the tick is here.
CREATE TABLE IF NOT EXISTS ticks
(
    log_id LowCardinality(String),
    partition UInt32,
    at DateTime64(3, 'UTC'),
    offset UInt64,
    recorded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (log_id, partition, offset)
TTL toDateTime(recorded_at, 'UTC') + INTERVAL 90 DAY;

-- The completeness ledger: of a lane the row that was recorded last.
CREATE TABLE IF NOT EXISTS completeness
(
    collector LowCardinality(String),
    instance String,
    epoch String,
    lane UInt16,
    expected UInt64,
    landed UInt64,
    dead UInt64,
    dropped UInt64,
    missing Array(Tuple(UInt64, UInt64)),
    missing_count UInt64,
    first_seen DateTime64(3, 'UTC'),
    last_seen DateTime64(3, 'UTC'),
    ended Bool,
    verdict LowCardinality(String),
    log_id LowCardinality(String),
    partition UInt32,
    offset UInt64,
    recorded_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(recorded_at)
ORDER BY (collector, instance, epoch, lane);

-- Why records became no calls. Their bytes stay in the log: they have not been scrubbed.
CREATE TABLE IF NOT EXISTS dead_letters
(
    code LowCardinality(String),
    message String CODEC(ZSTD(1)),
    hint LowCardinality(String),
    failed_at DateTime64(3, 'UTC'),
    raw_partition UInt32,
    raw_offset UInt64,
    collector LowCardinality(String),
    instance String,
    epoch String,
    lane UInt16,
    seq UInt64,
    value_bytes UInt64,
    log_id LowCardinality(String),
    partition UInt32,
    offset UInt64,
    recorded_at DateTime64(3, 'UTC'),
    INDEX by_offset offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (recorded_at, partition, offset)
SETTINGS non_replicated_deduplication_window = 10000;

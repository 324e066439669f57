-- Counted calls by recorded day and hour of the call, made once for each closed day (seal.ts). A day's marker is a
-- row of its partition, so data and seal come in one REPLACE PARTITION; markers are sorted apart, to be found at once.
CREATE TABLE IF NOT EXISTS calls_hourly
(
    day Date,
    hour DateTime('UTC'),
    team LowCardinality(String),
    cost_center LowCardinality(String),
    project LowCardinality(String),
    environment LowCardinality(String),
    caller LowCardinality(String),
    server LowCardinality(String),
    tool LowCardinality(String),
    model LowCardinality(String),
    cost_basis LowCardinality(String),
    counted_rows UInt64,
    calls UInt64,
    errors UInt64,
    duration_us UInt64,
    tokens_arguments UInt64,
    tokens_result UInt64,
    tokens_definitions UInt64,
    cost_usd Decimal(38, 12),
    cost_reported_usd Decimal(38, 12),
    cost_metered_usd Decimal(38, 12),
    cost_estimated_usd Decimal(38, 12),
    marker Bool,
    sealed_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (marker, hour, team, server, tool, caller);

-- The same, as the base has it now: what a seal writes, and what stands for days that have none.
CREATE OR REPLACE VIEW calls_live AS
SELECT
    toDate(recorded_at, 'UTC') AS day,
    toStartOfHour(ts) AS hour,
    team, cost_center, project, environment, caller, server, tool, model, cost_basis,
    count() AS counted_rows,
    sum(c.calls) AS calls,
    sum(c.calls * c.is_error) AS errors,
    sum(c.duration_us) AS duration_us,
    sum(c.tokens_arguments) AS tokens_arguments,
    sum(c.tokens_result) AS tokens_result,
    sum(c.tokens_definitions) AS tokens_definitions,
    sum(c.cost_usd) AS cost_usd,
    sum(c.cost_reported_usd) AS cost_reported_usd,
    sum(c.cost_metered_usd) AS cost_metered_usd,
    sum(c.cost_estimated_usd) AS cost_estimated_usd
FROM calls AS c
WHERE c.counted
GROUP BY day, hour, team, cost_center, project, environment, caller, server, tool, model, cost_basis;

-- The days that have a seal and no gap before them: from `first` up to, not including, `horizon`. A seal counts when it
-- is ten seconds old: by then no query can still hold a view of the table from before it. Both ways of counting a
-- closed day give the same, so nothing is missed or doubled meanwhile.
CREATE OR REPLACE VIEW seal_horizon AS
SELECT
    if(empty(days), toDate('1970-01-01'), days[1]) AS first,
    if(empty(days), toDate('1970-01-01'), days[1] + arrayCount((d, i) -> d = days[1] + (i - 1), days, arrayEnumerate(days))) AS horizon
FROM (SELECT arraySort(groupUniqArray(day)) AS days FROM calls_hourly WHERE marker = true AND sealed_at <= now64(3) - INTERVAL 10 SECOND);

-- Sealed days and, around them, the same made live from `calls`.
CREATE OR REPLACE VIEW calls_rollup AS
SELECT day, hour, team, cost_center, project, environment, caller, server, tool, model, cost_basis, counted_rows, calls,
    errors, duration_us, tokens_arguments, tokens_result, tokens_definitions, cost_usd, cost_reported_usd,
    cost_metered_usd, cost_estimated_usd
FROM calls_hourly
WHERE marker = false AND day >= (SELECT first FROM seal_horizon) AND day < (SELECT horizon FROM seal_horizon)
UNION ALL
SELECT day, hour, team, cost_center, project, environment, caller, server, tool, model, cost_basis, counted_rows, calls,
    errors, duration_us, tokens_arguments, tokens_result, tokens_definitions, cost_usd, cost_reported_usd,
    cost_metered_usd, cost_estimated_usd
FROM calls_live
WHERE day < (SELECT first FROM seal_horizon) OR day >= (SELECT horizon FROM seal_horizon);

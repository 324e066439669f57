"""Asks and fills a store over ClickHouse's HTTP interface with clickhouse-connect: connect.py HOST PORT, user and key from the environment."""
import datetime
import decimal
import os
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

host, port = sys.argv[1:]
for compress in (False, True, "lz4", "gzip", "zstd"):
    client = clickhouse_connect.get_client(
        host=host,
        port=int(port),
        username=os.environ["STORE_USER"],
        password=os.environ["STORE_KEY"],
        compress=compress,
    )
    table = f"py_{compress}".lower()
    client.command(
        f"CREATE TABLE {table} (a UInt64, b String, c Nullable(Float64), d DateTime64(3, 'UTC'),"
        " e Array(LowCardinality(String)), f Decimal(38, 12)) ENGINE = MergeTree ORDER BY a"
    )
    at = datetime.datetime(2026, 3, 1, 12, 0, 0, 500000)
    rows = [
        (n, f"row {n};'\n", n / 4 if n % 3 else None, at, ["x", str(n % 7)], decimal.Decimal(n) / 1000)
        for n in range(5000)
    ]
    utc = [(*row[:3], row[3].replace(tzinfo=datetime.timezone.utc), *row[4:]) for row in rows]
    client.insert(table, utc, column_names=["a", "b", "c", "d", "e", "f"])
    found = client.query(
        f"SELECT a, b, c, d, e, f FROM {table} WHERE a >= {{low:UInt64}} AND b != {{not:String}} ORDER BY a",
        parameters={"low": 10, "not": "it's\t\\ not"},
    ).result_rows
    assert [tuple(row) for row in found] == rows[10:], found[:1]
    try:
        client.query("SELECT x FROM nowhere")
    except DatabaseError as error:
        assert "code: 60" in str(error), error
    else:
        raise AssertionError("no error")
    print(f"{compress}: {len(found)} rows")

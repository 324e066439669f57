// Asks and fills a store over ClickHouse's HTTP interface, as Grafana's data source does: go run . ADDR COMPRESSION
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func run(addr, compression string) error {
	method := map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "br": clickhouse.CompressionBrotli, "deflate": clickhouse.CompressionDeflate,
	}[compression]
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{addr},
		Auth:        clickhouse.Auth{Database: "default", Username: os.Getenv("STORE_USER"), Password: os.Getenv("STORE_KEY")},
		Settings:    clickhouse.Settings{"max_execution_time": 30},
		Compression: &clickhouse.Compression{Method: method},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx := context.Background()
	if err := conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	table := "go_" + compression
	if err := conn.Exec(ctx, "CREATE TABLE "+table+" (a UInt64, b String, c Nullable(Float64), d DateTime64(3, 'UTC'), e Array(LowCardinality(String)), f Decimal(38, 12)) ENGINE = MergeTree ORDER BY a"); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" (a, b, c, d, e)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	for n := 0; n < 50_000; n++ {
		c := float64(n) / 4
		if err := batch.Append(uint64(n), fmt.Sprintf("row %d\x00;'\n", n), &c, at, []string{"x", fmt.Sprint(n % 7)}); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT a, b, c, d, e FROM "+table+" WHERE a >= {from:UInt64} ORDER BY a", clickhouse.Named("from", "10"))
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var (
			a uint64
			b string
			c *float64
			d time.Time
			e []string
		)
		if err := rows.Scan(&a, &b, &c, &d, &e); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if want := uint64(count + 10); a != want || b != fmt.Sprintf("row %d\x00;'\n", want) || *c != float64(want)/4 || !d.Equal(at) || e[1] != fmt.Sprint(want%7) {
			return fmt.Errorf("row %d came back as %v %q %v %v %v", want, a, b, *c, d, e)
		}
		count++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	var exception *clickhouse.Exception
	err = conn.QueryRow(ctx, "SELECT x FROM nowhere").Scan(&count)
	if !errors.As(err, &exception) || exception.Code != 60 {
		return fmt.Errorf("expected error 60, got %v", err)
	}
	fmt.Printf("read %d rows\n", count)
	return nil
}

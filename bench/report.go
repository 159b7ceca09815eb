package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figure is one thing that is compared.
type figure struct {
	title, form string
	of          func(result) float64
}

func figures() []figure {
	return []figure{
		{"CPU µs/request", "%.1f", func(r result) float64 { return micro(r.cpu) }},
		{"rate/s", "%.0f", func(r result) float64 { return r.load.rate() }},
		{"p50 ms", "%.2f", func(r result) float64 { return micro(r.load.p50) / 1e3 }},
		{"p99 ms", "%.2f", func(r result) float64 { return micro(r.load.p99) / 1e3 }},
		{"RSS MiB", "%.1f", func(r result) float64 { return float64(r.rss) / (1 << 20) }},
	}
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// report writes a table per mode: medians, and medians of the ratios to the
// yardstick within each round with their extremes.
func report(w io.Writer, s settings, results []result) error {
	out := bufio.NewWriter(w)
	for _, m := range s.modes {
		fmt.Fprintf(out, "\n### %s\n\n| |", m.title)
		for _, f := range figures() {
			fmt.Fprintf(out, " %s | × bare |", f.title)
		}
		fmt.Fprintf(out, "\n| --- |%s\n", strings.Repeat(" ---: | ---: |", len(figures())))
		base := pick(results, m.name, "bare")
		for _, target := range s.targets {
			rows := pick(results, m.name, target)
			if len(rows) == 0 {
				continue
			}
			fmt.Fprintf(out, "| %s |", titleOf(target))
			for _, f := range figures() {
				fmt.Fprintf(out, " "+f.form+" | %s |", median(each(rows, f.of)), ratio(rows, base, f.of))
			}
			if len(rows) < s.rounds {
				fmt.Fprintf(out, " (%d rounds only)", len(rows))
			}
			fmt.Fprintln(out)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func pick(results []result, mode, target string) []result {
	return slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.mode != mode || r.target != target })
}

func each(rows []result, of func(result) float64) []float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = of(r)
	}
	return values
}

// ratio compares within each round, where the machine was in the same mood.
func ratio(rows, base []result, of func(result) float64) string {
	var ratios []float64
	for _, r := range rows {
		i := slices.IndexFunc(base, func(b result) bool { return b.round == r.round })
		if i >= 0 && of(base[i]) > 0 {
			ratios = append(ratios, of(r)/of(base[i]))
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	if rows[0].target == base[0].target {
		return "1"
	}
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// describe says where and with what a run is about to be made.
func describe(ctx context.Context) string {
	said := func(name string, args ...string) string {
		out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput() // wrk -v exits with 1
		line, _, _ := strings.Cut(string(out), "\n")
		return line
	}
	nginx := strings.TrimPrefix(said(nginxBinary(), "-v"), "nginx version: ")
	wrk, _, _ := strings.Cut(said("wrk", "-v"), " [")
	return fmt.Sprintf("%s, %s, %d cores (load %s before the run), %s, %s, %s", time.Now().Format(time.DateOnly),
		cpuModel(), runtime.NumCPU(), loadAverage(), runtime.Version(), nginx, wrk)
}

// loadAverage is that of the last minute: much above 0 means company.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(b), " ")
	return minute
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is what was measured: for each peer and round some figures.
type table struct {
	title string
	// yardstick is the peer that ratios are to.
	yardstick string
	figures   []figure
	names     []string
	rows      map[string][][]float64 // by peer, one for each round
}

// figure is one thing that is compared.
type figure struct {
	title, form string
	compared    bool
}

func newTable(title, yardstick string, names []string, figures ...figure) *table {
	return &table{title: title, yardstick: yardstick, names: names, figures: figures, rows: map[string][][]float64{}}
}

func (t *table) add(name string, values ...float64) { t.rows[name] = append(t.rows[name], values) }

// write prints medians, and medians of the ratios within each round with their
// extremes.
func (t *table) write(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "\n### %s\n\n| |", t.title)
	columns := 0
	for _, f := range t.figures {
		fmt.Fprintf(out, " %s |", f.title)
		columns++
		if f.compared {
			fmt.Fprint(out, " × |")
			columns++
		}
	}
	fmt.Fprintf(out, "\n| --- |%s\n", strings.Repeat(" ---: |", columns))
	for _, name := range t.names {
		fmt.Fprintf(out, "| %s |", name)
		for i, f := range t.figures {
			fmt.Fprintf(out, " "+f.form+" |", median(column(t.rows[name], i)))
			if f.compared {
				fmt.Fprintf(out, " %s |", t.ratio(name, i))
			}
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func (t *table) ratio(name string, i int) string {
	if name == t.yardstick {
		return "1"
	}
	var ratios []float64
	for round, values := range t.rows[name] {
		ratios = append(ratios, values[i]/t.rows[t.yardstick][round][i])
	}
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
}

func column(rows [][]float64, i int) []float64 {
	values := make([]float64, len(rows))
	for n, row := range rows {
		values[n] = row[i]
	}
	return values
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

// rotated starts a round with the next one, so that none is always first.
func rotated[T any](list []T, round int) []T {
	k := round % len(list)
	return slices.Concat(list[k:], list[:k])
}

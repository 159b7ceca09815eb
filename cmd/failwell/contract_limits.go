package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
)

// allowanceRows are what plans grant besides rates.
func allowanceRows(c *contract.Contract) [][]string {
	var rows [][]string
	for _, x := range c.Plans {
		for _, q := range x.Quotas {
			rows = append(rows, []string{x.Name, q.Name, fmt.Sprintf("%d/%s", q.Amount, q.Per), string(q.Away)})
		}
		if x.Storage > 0 {
			rows = append(rows, []string{x.Name, "storage", sizeText(x.Storage), string(c.Limits.CountersAway)})
		}
		if x.Concurrency > 0 {
			rows = append(rows, []string{x.Name, "concurrency", strconv.Itoa(x.Concurrency) + " at once", string(c.Limits.Away)})
		}
	}
	return rows
}

func balanceRows(c *contract.Contract) [][]string {
	rows := make([][]string, 0, len(c.Balances))
	for _, b := range c.Balances {
		rows = append(rows, []string{b.Name, b.Title})
	}
	return rows
}

// takes is what a call takes besides rates.
func takes(o *contract.Operation) string {
	parts := make([]string, 0, len(o.Charges)+2)
	for _, charge := range o.Charges {
		parts = append(parts, fmt.Sprintf("%s: %d", charge.Name, charge.Amount))
	}
	if o.Slot {
		parts = append(parts, "slot")
	}
	if o.Stores {
		parts = append(parts, "stores")
	}
	return strings.Join(parts, ", ")
}

// sizeText writes a size as contracts do, exactly.
func sizeText(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

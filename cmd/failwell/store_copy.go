package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/failwell/failwell/store"
)

type storeCopyCmd struct {
	From   string `arg:""                                                                           help:"Store to copy, or env:NAME for a variable that holds its URL." name:"from"`
	To     string `arg:""                                                                           help:"Store to copy to, or env:NAME."                                name:"to"`
	Resume bool   `help:"Go on with an interrupted copy, and take over what changed in FROM since."`
	Merge  bool   `help:"Copy to a store that has records; those stay as they are."`
	JSON   bool   `help:"Print JSON."`
}

// Help says what a line cannot.
func (storeCopyCmd) Help() string {
	return `Copies keys, values and instants of expiry, then reads both stores and compares them. Versions are each store's own.

Nothing should write to either store until the copy says that it is verified: stop the gateways on them. Writes to FROM that come in
between are noticed; --resume takes them over. Until then gateways refuse to start on TO.`
}

type storeCopyJSON struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Verified bool   `json:"verified"`
	Error    string `json:"error,omitempty"`
	Copied   int64  `json:"copied"`
	Bytes    int64  `json:"bytes"`
	Present  int64  `json:"present"`
	Expired  int64  `json:"expired"`
	Again    int64  `json:"changed"`
	Kept     int64  `json:"kept"`
	Records  int64  `json:"records"`
	Digest   string `json:"digest,omitempty"`
	// Counters of limits that were carried over beside the records; where both
	// stores count in records they are among those.
	Counters int64    `json:"counters"`
	Shift    float64  `json:"shift_ms,omitempty"`
	Left     []string `json:"not_copied"`
	Seconds  float64  `json:"seconds"`
}

// Run copies, compares, and says what it did.
func (x *storeCopyCmd) Run(ctx context.Context, c *console) (err error) {
	from, err := namedStore(c.getenv, x.From)
	if err != nil {
		return err
	}
	to, err := namedStore(c.getenv, x.To)
	if err != nil {
		return err
	}
	if from == to {
		return usage("name another store to copy to", "%s cannot be copied to itself", storeName(from))
	}
	defer func() { err = hushed(hushed(err, from), to) }()
	logger := newLogger(c.stderr, "text", slog.LevelError)
	source, err := openAnyStore(ctx, from, true, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openStore(ctx, to, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	began := time.Now()
	k := &copier{from: source, to: target, fromName: storeName(from), progress: c.progress()}
	err = k.run(ctx, x.Resume, x.Merge)
	if ctx.Err() != nil {
		err = hinted(fmt.Errorf("interrupted after %s", count64(k.copied, "record")), "run it again with --resume; what was copied stays")
	}
	report := storeCopyJSON{
		From: k.fromName, To: storeName(to), Verified: err == nil, Copied: k.copied, Bytes: k.bytes, Present: k.present, Expired: k.expired,
		Again: k.again, Kept: k.kept, Records: k.both.count, Digest: k.both.String(), Shift: millis(k.mark.shift()),
		Counters: k.counters, Left: k.left(), Seconds: time.Since(began).Seconds(),
	}
	if err != nil {
		report.Error, report.Digest = hushed(hushed(err, from), to).Error(), ""
	}
	return errors.Join(err, x.show(c, report))
}

// left is what a copy does not hold.
func (k *copier) left() []string {
	if k.apart() || !store.Shared(k.from) {
		return []string{leftVersions, leftRates}
	}
	return []string{leftVersions}
}

const leftVersions = "versions, which are each store's own"

func (x *storeCopyCmd) show(c *console, r storeCopyJSON) error {
	if x.JSON {
		return c.json(r)
	}
	if !r.Verified && r.Copied == 0 && r.Records == 0 {
		return nil
	}
	rows := [][2]string{{"copied", fmt.Sprintf("%s, %s", count64(r.Copied, "record"), sizeWords(r.Bytes))}}
	row := func(name string, n int64, what string) {
		if n > 0 {
			rows = append(rows, [2]string{name, count64(n, "record") + what})
		}
	}
	row("present", r.Present, " had been copied before or had expired")
	row("changed", r.Again, " had changed meanwhile in the source and were copied again; later writes there are not copied")
	row("kept", r.Kept, " of the target's own stay, the source has others under their keys")
	row("expired", r.Expired, " expired before they could be compared")
	if r.Shift != 0 {
		rows = append(rows, [2]string{"clocks", fmt.Sprintf("the target's is %+.0f ms off the source's; instants of expiry were moved as much", r.Shift)})
	}
	if r.Counters > 0 {
		rows = append(rows, [2]string{"limits", count64(r.Counters, "counter") + " of quotas, balances and storage carried over, the same on both sides"})
	}
	if r.Verified {
		rows = append(rows, [2]string{"verified", fmt.Sprintf("%s read back, digest %.32s on both sides", count64(r.Records, "record"), r.Digest)})
		for _, left := range r.Left {
			rows = append(rows, [2]string{"not copied", left})
		}
	}
	rows = append(rows, [2]string{"took", time.Duration(r.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String()})
	return c.pairs(c.painterFor(c.stdout), rows)
}

func sizeWords(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	default:
		return fmt.Sprintf("%d MB", n/1_000_000)
	}
}

// refuseHalfCopy keeps gateways off a store that is being copied to: what they
// wrote there, the rest of the copy would overwrite.
func refuseHalfCopy(ctx context.Context, s store.Store) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	mark, _, err := readMark(ctx, s)
	if err != nil || mark == nil || mark.Merge {
		return nil // a store that does not answer now is not refused for that
	}
	return hinted(fmt.Errorf("the store is the target of an unfinished copy of %s", mark.From),
		"finish it with failwell store copy --resume, or empty the store")
}

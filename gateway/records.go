package gateway

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store"
)

const (
	recordsOn     = "on"
	recordsOff    = "off"
	recordsErrors = "errors"

	// nearRecords bounds records in a store that is the process's memory.
	nearRecords = 64 << 20
	// closeRecords is how long the last records have at the end.
	closeRecords = 10 * time.Second
)

// sample is what Settings.Records means: whether records are kept at all, and
// the share of those of what went well, as record.Log has it.
func sample(which string) (share float64, on bool, err error) {
	switch which {
	case recordsOff:
		return 0, false, nil
	case recordsOn:
		return 0, true, nil
	case recordsErrors:
		return -1, true, nil
	}
	number, ok := strings.CutSuffix(which, "%")
	share, err = strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(share > 0 && share <= 100) {
		return 0, false, fmt.Errorf("records cannot be %q, write on, errors, off, or a share such as 10%%", which)
	}
	return share / 100, true, nil
}

// newRecords makes the log of records; nil where none are kept.
func (g *Gateway) newRecords(s Settings) *record.Log {
	share, on, err := sample(s.Records)
	if err != nil || !on {
		return nil
	}
	l := &record.Log{
		Store: g.config.Store, Keep: s.RecordsKeep, MaxBytes: int64(s.RecordsMax), Sample: share, Logger: g.log, Clock: g.config.Clock,
	}
	if _, memory := g.config.Store.(*store.Memory); memory && s.RecordsMax == 0 {
		l.MaxBytes = nearRecords
	}
	l.Alone = !store.Shared(g.config.Store)
	if name, err := os.Hostname(); err == nil && !l.Alone {
		l.Node = name
	}
	return l
}

// Records is where the gateway's records are looked up; nil where none are kept.
func (g *Gateway) Records() *record.Log { return g.records }

// recorder is for whom the guard makes records; nil where for nobody.
func (g *Gateway) recorder() failwell.Recorder { //nolint:ireturn // it is one of several
	switch {
	case g.records == nil && g.spans == nil:
		return nil
	case g.spans == nil:
		return g.records
	case g.records == nil:
		return g.spans
	}
	return both{g.records, g.spans}
}

// both keep records.
type both struct{ one, other failwell.Recorder }

// Add implements failwell.Recorder.
func (b both) Add(r *record.Record) {
	b.one.Add(r)
	b.other.Add(r)
}

func (g *Gateway) closeRecords() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.lifetime), closeRecords)
	defer cancel()
	if g.spans != nil {
		g.spans.close(ctx)
	}
	if g.records == nil {
		return
	}
	if err := g.records.Close(ctx); err != nil {
		g.log.Warn("the last records could not be written", "err", err)
	}
}

// tried notes for the record where a request was sent and what came of it.
func (x *exchange) tried(u *upstream, began time.Time, resp *http.Response, err error) {
	took := x.proxy.pool.now().Sub(began)
	t := record.Try{To: u.name, After: began.Sub(failwell.Began(x.r.Context())), Took: took}
	if resp != nil {
		t.Status = resp.StatusCode
	}
	if err != nil {
		t.Failed = err.Error()
	}
	failwell.Tried(x.r.Context(), t)
}

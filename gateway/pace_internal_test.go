package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drip is a body that takes a while for each part, on a connection with a read
// deadline.
type drip struct {
	http.ResponseWriter
	pause    time.Duration
	last     time.Duration // before the last part, where it is set
	part     int
	parts    int
	deadline time.Time
}

func (d *drip) SetReadDeadline(t time.Time) error {
	d.deadline = t
	return nil
}

func (d *drip) Read(p []byte) (int, error) {
	if d.parts == 0 {
		return 0, io.EOF
	}
	d.parts--
	pause := d.pause
	if d.parts == 0 && d.last > 0 {
		pause = d.last
	}
	until := time.Now().Add(pause)
	if !d.deadline.IsZero() && d.deadline.Before(until) {
		time.Sleep(time.Until(d.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(pause)
	return min(d.part, len(p)), nil
}

func (*drip) Close() error { return nil }

func TestSlowBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pause time.Duration
		part  int
		parts int
		late  bool
		took  time.Duration
		last  time.Duration
	}{
		"fast":                      {time.Millisecond, 1000, 1000, false, time.Second, 0},
		"slow but steady":           {10 * time.Second, 6000, 30, false, 5 * time.Minute, 0},
		"a byte at a time":          {5 * time.Second, 1, 1000, true, bodyGrace, 0},
		"a pause":                   {40 * time.Second, 100_000, 2, true, bodyGrace, 0},
		"slower than the least":     {10 * time.Second, 2500, 100, true, time.Minute, 0},
		"a standstill after much":   {time.Millisecond, 8 << 10, 1000, true, bodyGrace, time.Hour},
		"nothing":                   {time.Hour, 1, 1, true, bodyGrace, 0},
		"long pauses, enough each":  {15 * time.Second, 8 << 10, 20, false, 5 * time.Minute, 0},
		"over before it could tell": {0, 0, 0, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &drip{ResponseWriter: httptest.NewRecorder(), pause: c.pause, last: c.last, part: c.part, parts: c.parts}
				r := httptest.NewRequest(http.MethodPost, "/", nil)
				r.Body, r.ContentLength = d, -1
				r = pace(d, r)
				began := time.Now()
				_, err := io.Copy(io.Discard, r.Body)
				took := time.Since(began)
				if c.late != errors.Is(err, os.ErrDeadlineExceeded) || !c.late && err != nil {
					t.Errorf("%v after %v", err, took)
				}
				if took < c.took*9/10 || took > c.took*11/10+time.Second {
					t.Errorf("it took %v, want about %v", took, c.took)
				}
				if err == nil && !d.deadline.IsZero() {
					t.Error("the deadline stays after the end")
				}
			})
		})
	}
}

func TestPaceLeavesTheServersRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if pace(httptest.NewRecorder(), r) != r {
		t.Error("a request without a body was wrapped")
	}
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello"))
	body := r.Body
	if paced := pace(httptest.NewRecorder(), r); r.Body != body || paced.Body == body {
		t.Error("net/http's request was changed, or not copied")
	}
}

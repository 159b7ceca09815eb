package console

import (
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/record"
)

// chart is what the script draws, and the table behind it shows.
type chart struct {
	Kind string `json:"kind"` // "stack" or "lines"
	// Times are Unix seconds.
	Times []int64 `json:"times"`
	// Series are drawn in this order, stacks from the bottom up.
	Series []line `json:"series"`
	// Step in seconds.
	Step int64 `json:"step,omitempty"`
}

// line is one series of a chart. Colour is a number of the palette, or the name
// of a class of statuses.
type line struct {
	Name   string   `json:"name"`
	Colour string   `json:"colour"`
	Values []*int64 `json:"values"`
	// Dots marks values as refusals.
	Dots []*int64 `json:"dots,omitempty"`
	// Total of the values.
	Total int64 `json:"-"`
}

// Empty reports whether there is nothing to draw.
func (c *chart) Empty() bool {
	for i := range c.Series {
		if c.Series[i].Total > 0 {
			return false
		}
	}
	return true
}

func newChart(s *record.Series) chart {
	c := chart{Kind: "stack", Times: make([]int64, len(s.Buckets)), Step: int64(s.Step / time.Second)}
	for i := range s.Buckets {
		c.Times[i] = s.Buckets[i].Start.Unix()
	}
	return c
}

func (c *chart) line(name, colour string) {
	values := make([]*int64, len(c.Times))
	for i := range values {
		values[i] = new(int64)
	}
	c.Series = append(c.Series, line{Name: name, Colour: colour, Values: values})
}

func (l *line) add(i int, n int64) {
	*l.Values[i] += n
	l.Total += n
}

// classChart counts requests by the class of their status.
func classChart(s *record.Series) chart {
	c := newChart(s)
	names := []string{"ok", "4xx", "5xx", "gone"}
	for i, colour := range []string{"ok", "s4", "s5", "s0"} {
		c.line(names[i], colour)
	}
	for i := range s.Buckets {
		for _, n := range s.Buckets[i].Counts {
			at := 0
			switch n.Class {
			case 4:
				at = 1
			case 5:
				at = 2
			case 0:
				at = 3
			}
			c.Series[at].add(i, n.N)
		}
	}
	return c
}

// mostCodes is how many codes a chart tells apart.
const mostCodes = 7

// codeName is how a count without a code of ours is called.
func codeName(code string, class int) string {
	switch {
	case code != "":
		return code
	case class == 0:
		return "caller left"
	}
	return "upstream's " + strconv.Itoa(class) + "xx"
}

// Name is the code, or what stands for it.
func (n codeCount) Name() string { return codeName(n.Code, n.Class) }

// Share is the part of all requests.
func (n codeCount) Growing() bool { return n.N-n.Before > 2*n.Before && n.N >= 10 }

// codeChart counts errors by code, the most frequent ones apart.
func codeChart(s *record.Series, codes []codeCount) chart {
	c := newChart(s)
	at := map[codeKey]int{}
	for i, n := range codes {
		if i == mostCodes {
			c.line("others", "others")
			break
		}
		at[codeKey{n.Code, n.Class}] = i
		c.line(n.Name(), strconv.Itoa(i))
	}
	for i := range s.Buckets {
		for _, n := range s.Buckets[i].Counts {
			if n.Class != 0 && n.Class < 4 {
				continue
			}
			place, apart := at[codeKey{n.Code, n.Class}]
			if !apart {
				place = len(c.Series) - 1
			}
			c.Series[place].add(i, n.N)
		}
	}
	return c
}

// heat is a table of counts: how many requests took how long, over time.
type heat struct {
	Times []int64 `json:"times"`
	Step  int64   `json:"step"`
	// Labels are upper bounds; the last one may be what took longer than all.
	Labels []string `json:"labels"`
	// Counts are by row, then by time.
	Counts [][]int64 `json:"counts"`
	Totals []int64   `json:"-"`
	All    int64     `json:"-"`
}

func boundName(d time.Duration) string {
	text := took(d)
	number, unit, _ := strings.Cut(text, " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}

// heatOf leaves out the rows above and below all that happened.
func heatOf(s *record.Series) heat {
	h := heat{Step: int64(s.Step / time.Second)}
	bounds := record.Bounds()
	rows := len(bounds) + 1
	first, last := rows, -1
	for i := range s.Buckets {
		h.Times = append(h.Times, s.Buckets[i].Start.Unix())
		for j, n := range s.Buckets[i].Latency {
			if h.All += n; n > 0 {
				first, last = min(first, j), max(last, j)
			}
		}
	}
	if h.All == 0 {
		return h
	}
	first, last = max(first-1, 0), min(last+1, rows-1)
	for j := first; j <= last; j++ {
		label := "> " + boundName(bounds[len(bounds)-1])
		if j < len(bounds) {
			label = boundName(bounds[j])
		}
		row, total := make([]int64, len(s.Buckets)), int64(0)
		for i := range s.Buckets {
			row[i] = s.Buckets[i].Latency[j]
			total += row[i]
		}
		h.Labels, h.Counts, h.Totals = append(h.Labels, label), append(h.Counts, row), append(h.Totals, total)
	}
	return h
}

// limitView is one limit of a key or an account, as its last requests left it.
type limitView struct {
	Title, Of     string
	Kind          string
	Max, Left     int64
	Refused       int
	Points        int
	Reset         time.Time
	Chart         chart
	First, Latest time.Time
}

// limitViews are the limits that records tell of, a chart for each. Records are
// the newest first.
func limitViews(records []record.Record) []limitView {
	type limitKey struct{ name, kind string }
	var views []limitView
	seen := map[limitKey]bool{}
	for i := range records {
		for j := range records[i].Limits {
			l := &records[i].Limits[j]
			k := limitKey{l.Name, l.Kind}
			if seen[k] {
				continue
			}
			seen[k] = true
			v := limitView{Title: strings.TrimPrefix(l.Title(), "the "), Of: limitOf(l), Kind: l.Kind, Max: l.Max, Left: l.After, Reset: l.Reset}
			points := record.Points(records, l.Name, l.Kind)
			v.Chart.Kind, v.Points, v.First, v.Latest = "lines", len(points), points[0].Time, points[len(points)-1].Time
			left := line{Name: "remaining", Colour: "accent", Total: 1}
			for _, p := range points {
				v.Chart.Times = append(v.Chart.Times, p.Time.UnixMilli())
				left.Values = append(left.Values, &p.Left)
				var dot *int64
				if p.Refused {
					v.Refused++
					dot = &p.Left
				}
				left.Dots = append(left.Dots, dot)
			}
			v.Chart.Series = []line{left}
			views = append(views, v)
		}
	}
	return views
}

// tableRow is a row of the table behind a chart.
type tableRow struct {
	At    string
	Cells []string
}

// mostTableRows bounds the table behind a chart; the latest rows are in it.
const mostTableRows = 120

// tableOf lists what a chart shows, without the times at which there was nothing.
func tableOf(c chart) []tableRow {
	var rows []tableRow
	for i, at := range c.Times {
		row, some := tableRow{}, c.Kind == "lines"
		for j := range c.Series {
			l := &c.Series[j]
			cell := ""
			if n := l.Values[i]; n != nil {
				cell = count(*n)
				some = some || *n != 0
			}
			if i < len(l.Dots) && l.Dots[i] != nil {
				cell += ", refused"
			}
			row.Cells = append(row.Cells, cell)
		}
		if !some {
			continue
		}
		when := time.Unix(at, 0)
		if c.Kind == "lines" {
			when = time.UnixMilli(at)
		}
		row.At = when.UTC().Format("2006-01-02 15:04:05")
		rows = append(rows, row)
	}
	return rows[max(len(rows)-mostTableRows, 0):]
}

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far long work is. It is used by one goroutine.
type progress interface {
	// phase begins a part of the work; total is 0 where nobody knows it.
	phase(name string, total int64)
	add(records int, bytes int64)
	done()
}

// progress is a bar on a terminal, and a line now and then elsewhere.
func (c *console) progress() progress { //nolint:ireturn // one of two, as the terminal has it
	if c.painterFor(c.stderr).on {
		return &progressBar{bars: mpb.New(mpb.WithOutput(c.stderr), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))}
	}
	return &progressLines{to: c.stderr, now: time.Now}
}

type progressBar struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

func (p *progressBar) phase(name string, total int64) {
	p.end()
	rate := decor.AverageSpeed(0, "% .0f/s", decor.WC{W: 12})
	label := decor.Name(name, decor.WC{W: 10, C: decor.DindentRight})
	if total == 0 {
		p.bar = p.bars.New(0, mpb.SpinnerStyle(), mpb.BarWidth(1), mpb.PrependDecorators(label),
			mpb.AppendDecorators(decor.CurrentNoUnit("%d records"), rate, decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6})))
		return
	}
	p.bar = p.bars.New(total, mpb.BarStyle(), mpb.PrependDecorators(label),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d records"), rate, decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 6})))
}

func (p *progressBar) add(records int, _ int64) { p.bar.IncrBy(records) }

// end closes the bar, wherever it is.
func (p *progressBar) end() {
	if p.bar != nil {
		p.bar.EnableTriggerComplete()
		p.bar.SetTotal(-1, true)
		p.bar.Abort(false)
		p.bar.Wait()
		p.bar = nil
	}
}

func (p *progressBar) done() {
	p.end()
	p.bars.Wait()
}

// linesEvery is how often a log is told that work goes on.
const linesEvery = 5 * time.Second

type progressLines struct {
	to             io.Writer
	now            func() time.Time
	name           string
	total          int64
	records, bytes int64
	began, told    time.Time
}

func (p *progressLines) phase(name string, total int64) {
	*p = progressLines{to: p.to, now: p.now, name: name, total: total, began: p.now(), told: p.now()}
}

func (p *progressLines) add(records int, bytes int64) {
	p.records += int64(records)
	p.bytes += bytes
	if p.records%copyPage != 0 && records == 1 {
		return
	}
	now := p.now()
	if now.Sub(p.told) < linesEvery {
		return
	}
	p.told = now
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %d", p.total)
	}
	fmt.Fprintf(p.to, "%s: %d%s records, %s, %.0f records/s\n", p.name, p.records, of, sizeWords(p.bytes),
		float64(p.records)/now.Sub(p.began).Seconds())
}

func (p *progressLines) done() {}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/store"
)

const (
	// copyPage records, or the bytes of a page of Scan, are read and written at
	// once: with one page being read ahead on each side, 40 MB at most.
	copyPage = 1000
	// saveEvery bounds what an interrupted copy does again.
	saveEvery = time.Second
)

// copier copies in key order, then walks both stores side by side and makes the
// target equal to the source. Memory is bounded by pages.
type copier struct {
	from, to store.Store
	fromName string
	progress progress

	mark        *copyMark
	markVersion store.Version
	saved       time.Time

	copied, bytes int64 // by this run
	present       int64 // were there already, or had expired
	expired       int64 // while comparing
	again         int64 // differed and were written again
	kept          int64 // differ, and stay the target's
	both          tally // of what is equal on both sides

	counters int64 // of limits, carried beside records
	counts   map[counterName]struct{}
}

func (k *copier) run(ctx context.Context, resume, merge bool) error {
	defer k.progress.done()
	if _, ok := k.to.(store.Restorer); !ok {
		return errors.New("the target takes no records as they are; this is a fault of its driver")
	}
	if err := k.begin(ctx, resume, merge); err != nil {
		return err
	}
	err := k.copy(ctx)
	if err != nil {
		// What is copied is copied, also when the user has lost patience.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return errors.Join(err, k.save(late))
	}
	if err := k.save(ctx); err != nil {
		return err
	}
	differ, err := k.compare(ctx, true)
	if err == nil && differ > 0 {
		differ, err = k.compare(ctx, false)
	}
	if err != nil {
		return err
	}
	if differ > 0 {
		return hinted(fmt.Errorf("the source is being written to: %s differ after a second round", count64(differ, "record")), stopWriters)
	}
	if err := k.carry(ctx); err != nil {
		return err
	}
	return k.finish(ctx)
}

const stopWriters = "stop the gateways that use it, then run the same command with --resume"

// copy writes what the target lacks from the mark on.
func (k *copier) copy(ctx context.Context) error {
	k.progress.phase("copying", 0)
	pages := readAhead(ctx, k.from, string(k.mark.After))
	defer pages.stop()
	target, ok := k.to.(store.Restorer)
	for ok {
		page, err := pages.next()
		if err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1].Key
		page = k.moved(page)
		written, err := target.Restore(ctx, page)
		k.copied += int64(written)
		if err != nil {
			return fmt.Errorf("writing to the target: %w", err)
		}
		k.present += int64(len(page) - written)
		size := sizeOf(page)
		if written > 0 {
			k.bytes += size * int64(written) / int64(len(page)) // exact, if all of them were
		}
		k.progress.add(len(page), size)
		k.mark.After = []byte(last)
		if time.Since(k.saved) >= saveEvery {
			if err := k.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// moved is a page as the target shall have it.
func (k *copier) moved(page []store.Record) []store.Record {
	kept := page[:0]
	for i := range page {
		if k.passed(page[i].Key) {
			continue
		}
		if !page[i].Expires.IsZero() {
			page[i].Expires = page[i].Expires.Add(k.mark.shift())
		}
		kept = append(kept, page[i])
	}
	return kept
}

func sizeOf(page []store.Record) (size int64) {
	for i := range page {
		size += int64(len(page[i].Key) + len(page[i].Value))
	}
	return size
}

// pageReader reads one page ahead, so that both stores are at work.
type pageReader struct {
	pages  chan pageRead
	cancel context.CancelFunc
}

type pageRead struct {
	records []store.Record
	err     error
}

func readAhead(ctx context.Context, s store.Store, after string) *pageReader {
	ctx, cancel := context.WithCancel(ctx)
	r := &pageReader{make(chan pageRead), cancel}
	go func() {
		defer close(r.pages)
		for {
			records, err := s.Scan(ctx, "", after, copyPage)
			if len(records) > 0 {
				after = records[len(records)-1].Key // they are the receiver's from here on
			}
			select {
			case r.pages <- pageRead{records, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || len(records) == 0 {
				return
			}
		}
	}()
	return r
}

// next gives the next page, and an empty one at the end.
func (r *pageReader) next() ([]store.Record, error) {
	page := <-r.pages
	return page.records, page.err
}

// stop waits for the reader, who may be in the middle of a page.
func (r *pageReader) stop() {
	r.cancel()
	for range r.pages { // until the reader has closed it
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
)

// recordPlace is where a command finds records: at a running gateway, or in a
// store.
type recordPlace struct {
	adminAt

	Store    string `group:"place"           help:"The store, when no gateway runs on it: pebble:DIR, redis:// or postgres://." placeholder:"URL"`
	Contract string `env:"FAILWELL_CONTRACT" group:"place"                                                                      help:"With --store: the contract, to explain errors by." placeholder:"NAME|FILE" short:"c"`
	JSON     bool   `help:"Print JSON."`
}

// records is what the commands need of either place.
type records interface {
	// Tell returns an error for which failwell.ResourceMissing holds when nobody
	// knows the id.
	Tell(ctx context.Context, id string) (*gateway.Story, error)
	SearchRecords(ctx context.Context, q record.Query) (record.Page, error)
	FollowRecords(ctx context.Context, q record.Query, after string) iter.Seq2[record.Event, error]
}

// with opens the place, lets work happen there and closes it.
func (x *recordPlace) with(ctx context.Context, c *console, work func(records) error) error {
	if x.Store == "" {
		client, err := x.openAdmin()
		if err != nil {
			return err
		}
		err = work(client)
		if why := unanswered(err); why != nil {
			return why
		}
		return err
	}
	if x.Store == memoryStore {
		return usage("name a store that lasts: pebble:DIR, redis://HOST, postgres://HOST/DATABASE, or a running gateway with --admin", "the store memory: is gone with the process that has it")
	}
	var spec *contract.Contract
	if x.Contract != "" {
		var err error
		if spec, err = loadContract(x.Contract); err != nil {
			return err
		}
	}
	logger := newLogger(c.stderr, "text", slog.LevelError)
	s, err := openStore(ctx, x.Store, logger)
	if err != nil {
		return err
	}
	l := &record.Log{Store: s, Logger: logger}
	err = work(&storedRecords{l, spec})
	return errors.Join(err, l.Close(ctx), s.Close())
}

// storedRecords are records in a store.
type storedRecords struct {
	log  *record.Log
	spec *contract.Contract
}

func (x *storedRecords) Tell(ctx context.Context, id string) (*gateway.Story, error) {
	s, err := gateway.Tell(ctx, x.log, x.spec, "http://127.0.0.1:8080", id)
	if err == nil && s == nil {
		err = failwell.FromCondition(failwell.ResourceMissing, nil)
	}
	return s, err
}

func (x *storedRecords) SearchRecords(ctx context.Context, q record.Query) (record.Page, error) {
	return x.log.Search(ctx, q)
}

func (x *storedRecords) FollowRecords(ctx context.Context, q record.Query, after string) iter.Seq2[record.Event, error] {
	return x.log.Follow(ctx, q, after)
}

// tame makes every text in a value harmless to a terminal: callers choose much
// of what is recorded, and a terminal obeys what it is shown. v is a pointer.
func tame(v any) { tameValue(reflect.ValueOf(v)) }

func tameValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			tameValue(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				tameValue(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			tameValue(v.Index(i))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(tamed(v.String()))
		}
	}
}

// tamed shows what a terminal would obey as \x1b or \u202e instead: control
// characters (ECMA-48, C1 too), and those that reorder text (Unicode UAX 9).
func tamed(s string) string {
	if !strings.ContainsFunc(s, wild) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !wild(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func wild(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// tameJSON prints a value on a line of its own. encoding/json leaves characters
// in strings that a terminal obeys; in JSON they are an escape as well.
func (c *console) tameJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return c.print(tamedJSON(string(text)) + "\n")
}

func tamedJSON(text string) string {
	if !strings.ContainsFunc(text, wild) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if wild(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

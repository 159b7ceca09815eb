//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// execution is a line of the upstream's ledger: something that it did.
type execution struct {
	Account string `json:"account"`
	Path    string `json:"path"`
	Key     string `json:"key"`
	Nonce   string `json:"nonce"`
	// At is when it was done, in nanoseconds of the machine's clock.
	At int64 `json:"at"`
	// Refused says that nothing was done but to refuse.
	Refused bool  `json:"refused,omitempty"`
	Order   order `json:"order"`
}

// scope is what an idempotency key counts for.
type scope struct{ account, path, key string }

func (e *execution) scope() scope { return scope{e.Account, e.Path, e.Key} }

// upstream is the service behind the gateways. Unlike a good one it has no
// protection of its own: what arrives is done, and written down durably before
// it is answered, so that the ledger is the truth.
type upstream struct {
	mu     sync.Mutex
	ledger *os.File
	// arrived counts executions and refusals; asked finds the last execution of
	// what can be asked about, by account and key.
	arrived map[scope]int
	asked   map[scope]*execution
	// syncing lets several lines share one fsync.
	syncing sync.Mutex
	written int64
	synced  int64
}

// runUpstream serves on an address until it is killed.
func runUpstream(ctx context.Context, address, ledger string, ready io.Writer) error {
	u := &upstream{arrived: map[scope]int{}, asked: map[scope]*execution{}}
	done, err := readLedger(ledger)
	if err != nil {
		return err
	}
	for i := range done {
		u.note(&done[i])
	}
	if u.ledger, err = os.OpenFile(ledger, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{policy}/{item}", u.execute)
	mux.HandleFunc("GET /outcomes/{key}", u.outcome)
	if _, err := io.WriteString(ready, "{}\n"); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return fmt.Errorf("upstream: %w", server.Serve(l))
}

// readLedger reads what was executed. A last line without an end was never
// answered: whoever wrote it was killed before its fsync.
func readLedger(name string) ([]execution, error) {
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var list []execution
	lines := bufio.NewScanner(bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e execution
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("ledger: %s: line %d: %w", name, len(list)+1, err)
		}
		list = append(list, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", name, err)
	}
	return list, nil
}

func (u *upstream) note(e *execution) {
	u.arrived[e.scope()]++
	if !e.Refused && strings.HasPrefix(e.Path, "/v1/"+string(reconcile)+"/") {
		u.asked[scope{account: e.Account, key: e.Key}] = e
	}
}

// record writes a line and returns when it is durable, and how many arrivals
// of its key came before.
func (u *upstream) record(e *execution) (before int, err error) {
	u.mu.Lock()
	before = u.arrived[e.scope()]
	e.Refused = e.Order.Fault == refused && before < e.Order.Faults
	line, err := json.Marshal(e)
	if err == nil {
		_, err = u.ledger.Write(append(line, '\n'))
	}
	u.note(e)
	u.written++
	mine := u.written
	u.mu.Unlock()
	if err != nil {
		return before, fmt.Errorf("ledger: %w", err)
	}
	u.syncing.Lock()
	defer u.syncing.Unlock()
	if u.synced >= mine {
		return before, nil
	}
	u.mu.Lock()
	all := u.written
	u.mu.Unlock()
	if err := u.ledger.Sync(); err != nil {
		return before, fmt.Errorf("ledger: %w", err)
	}
	u.synced = all
	return before, nil
}

func (u *upstream) execute(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it never arrived
	}
	e := &execution{
		Account: r.Header.Get(accountHeader), Path: r.URL.Path, Key: r.Header.Get("Idempotency-Key"),
		Nonce: rand.Text(), At: time.Now().UnixNano(),
	}
	if err := json.Unmarshal(body, &e.Order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.Order.Pad = ""
	before, err := u.record(e)
	if err != nil {
		// Nobody must rely on a ledger that cannot be written.
		panic(err)
	}
	time.Sleep(time.Duration(e.Order.Pause) * time.Millisecond)
	if before < e.Order.Faults {
		e.fail(w)
		return
	}
	e.answer(w)
}

// accountHeader is where gateways say who calls.
const accountHeader = "X-Failwell-Account"

// outcome tells what became of a key: its answer, or 404.
func (u *upstream) outcome(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	e := u.asked[scope{account: r.Header.Get(accountHeader), key: r.PathValue("key")}]
	u.mu.Unlock()
	if e == nil {
		http.NotFound(w, r)
		return
	}
	e.answer(w)
}

func (e *execution) fail(w http.ResponseWriter) {
	switch e.Order.Fault {
	case refused:
		w.Header().Set("Retry-After", "1")
		e.head(w, http.StatusServiceUnavailable)
		_, _ = w.Write(e.body())
	case badGateway:
		e.head(w, http.StatusBadGateway)
		_, _ = w.Write(e.body())
	case truncated:
		body := e.body()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		e.head(w, http.StatusCreated)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		panic(http.ErrAbortHandler)
	}
}

// head writes what all answers have in common. X-Kept is on the contract's list
// of headers that are kept.
func (e *execution) head(w http.ResponseWriter, status int) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Location", "/v1/items/"+e.Nonce)
	h.Set("ETag", `"`+e.Nonce+`"`)
	h.Set("X-Kept", e.Nonce)
	w.WriteHeader(status)
}

// answer is the same for an execution whenever it is asked for.
func (e *execution) answer(w http.ResponseWriter) {
	body := e.body()
	switch e.Order.Answer {
	case chunked:
		e.head(w, http.StatusOK)
		pieces(w, body, "")
	case moved:
		e.head(w, http.StatusSeeOther)
		_, _ = w.Write(body)
	case invalid:
		e.head(w, http.StatusUnprocessableEntity)
		_, _ = w.Write(body)
	case streamed:
		w.Header().Set("Content-Type", "text/event-stream")
		e.head(w, http.StatusOK)
		pieces(w, body, "\n\n")
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		e.head(w, http.StatusCreated)
		_, _ = w.Write(body)
	}
}

// pieces writes a body in four parts, each sent at once.
func pieces(w http.ResponseWriter, body []byte, after string) {
	for i := range 4 {
		part := body[i*len(body)/4 : (i+1)*len(body)/4]
		if after != "" {
			part = append(append([]byte("data: "), part...), after...)
		}
		if _, err := w.Write(part); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// body holds the nonce and then as many bytes as were asked for, which differ
// from execution to execution.
func (e *execution) body() []byte {
	b := fmt.Appendf(nil, `{"nonce":%q,"call":%d,"filler":"`, e.Nonce, e.Order.Call)
	for i := range e.Order.Bytes {
		b = append(b, e.Nonce[i%len(e.Nonce)])
	}
	return append(b, `"}`...)
}

package builtin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// tables are those of an API's own document, restated as data: what a contract
// has to promise, written down a second time and by other hands than the
// contract's structure suggests.
type tables struct {
	Statuses []struct {
		Status int
		Name   string
		// Rows: how often the table lists the status; 1 when absent.
		Rows int
	}
	Codes []struct {
		Code   string
		Status int
		Also   []int
		Retry  condition.Retry
		Type   string
		Params []string
	}
	Headers []struct {
		Name  string
		On    []int
		NotOn []int `yaml:"not_on"`
		Form  string
	}
	// Uses lists all operations that take something of the plan or of a balance.
	Uses []struct {
		Operation    string
		Charge       map[string]int64
		Slot, Stores bool
	}
	Idempotency struct {
		Header   string
		Methods  []string
		Keep     time.Duration
		Replayed string
		Value    string
	}
	Auth       []contract.Scheme
	Conditions []struct {
		Condition condition.Condition
		Code      string
		Status    int
	}
	Client struct {
		Attempts   int
		Timeout    time.Duration
		Retried    []int
		NotRetried []int `yaml:"not_retried"`
		// Waits before the retries, from the first on, between the least and
		// the greatest jitter.
		Waits        []struct{ Low, High time.Duration }
		DefaultWaits map[int]time.Duration `yaml:"default_waits"`
		Network      condition.Retry
		Classes      map[string]struct {
			Base      string
			Statuses  []int
			Languages []string
		}
		Log []string
	}
	// Friendly are groups of codes that share a text; "" is an unknown code.
	Friendly  [][]string
	Scenarios []struct {
		Method, Path, Body string
		Headers            map[string]string
		Times, Status      int
		Code               string
	}
	Plans []struct {
		Plan, Price, Credits string
		Limit                int64
		Per                  time.Duration
		Algorithm            contract.Algorithm
		Scope                string
		Storage              int64
		Concurrency          int
		Quota                map[string]int64
		Features             []string
	}
	Samples []sample
}

// sample is an answer in a shape that the document shows, and what it says.
type sample struct {
	About     string
	Status    int
	Headers   map[string]string
	Body      string
	Envelope  string
	Code      string
	Condition condition.Condition
	Message   string
	Type      string
	RequestID string `yaml:"request_id"`
	Time      time.Time
	Params    map[string]any
	Fields    []struct {
		In            string
		Path          []string
		Message, Code string
	}
	RetryAfter time.Duration `yaml:"retry_after"`
}

// documented are the contracts that stand for a document.
var documented = []string{"hume", "jobs", "heppu", "aionvision", "hebbrix"}

// walk runs one test over the tables of every documented API.
func walk(t *testing.T, test func(t *testing.T, c *contract.Contract, d *tables)) {
	t.Helper()
	for _, name := range documented {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var d tables
			decoder := yaml.NewDecoder(bytes.NewReader(data))
			decoder.KnownFields(true)
			if err := decoder.Decode(&d); err != nil {
				t.Fatal(err)
			}
			test(t, get(t, name), &d)
		})
	}
}

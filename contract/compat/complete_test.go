package compat

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/failwell/failwell/contract"
)

func everything(t *testing.T) *contract.Contract {
	t.Helper()
	data, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse("everything.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// leaf is a value without parts, and the field that it stands in.
type leaf struct {
	field string // "Type.Field"
	path  string
	set   func() (undo func()) // changes it
}

// leaves walks exported fields. Each call makes the same list, in the same order.
func leaves(v reflect.Value, field, path string, seen map[uintptr]bool, add func(leaf)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		leaves(v.Elem(), field, path, seen, add)
	case reflect.Interface: // a schema: changed as a whole
		add(leaf{field, path, put(v, reflect.ValueOf(map[string]any{"type": "null"}))})
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[contract.Position]() { // a place in the file promises nothing
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				leaves(v.Field(i), v.Type().Name()+"."+f.Name, path+"."+f.Name, seen, add)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), field, fmt.Sprintf("%s[%d]", path, i), seen, add)
		}
		if v.Len() > 0 {
			add(leaf{field, path + "[-]", put(v, reflect.Zero(v.Type()))})
		}
	case reflect.Map:
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		}) {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			at := fmt.Sprintf("%s[%v]", path, k)
			leaves(value, field, at, seen, func(l leaf) {
				set := l.set
				l.set = func() func() {
					undo := set()
					v.SetMapIndex(k, value)
					return func() { undo(); v.SetMapIndex(k, value) }
				}
				add(l)
			})
			add(leaf{field, at + "-", func() func() {
				v.SetMapIndex(k, reflect.Value{})
				return func() { v.SetMapIndex(k, value) }
			}})
		}
	default:
		other := reflect.New(v.Type()).Elem()
		other.Set(v)
		change(other)
		add(leaf{field, path, put(v, other)})
	}
}

func put(v, other reflect.Value) func() func() {
	return func() func() {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		v.Set(other)
		return func() { v.Set(was) }
	}
}

// change makes another value of the same type.
func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
		if v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(v.Int() + int64(time.Minute))
		}
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	default:
		panic("a kind that no field had so far: " + v.Kind().String())
	}
}

// fields lists the exported fields of a struct and of all that it is made of.
func fields(t reflect.Type, seen map[reflect.Type]bool, into map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		fields(t.Elem(), seen, into)
	case reflect.Struct:
		if seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			if f.IsExported() && f.Type != reflect.TypeFor[contract.Position]() {
				into[t.Name()+"."+f.Name] = true
				fields(f.Type, seen, into)
			}
		}
	}
}

// TestEveryFieldIsComparedOrExplained changes each field of a contract that
// sets all of them, and looks whether that is seen. Whoever adds a field to the contract has to
// compare it, or to say in Unpromised why it does not matter.
func TestEveryFieldIsComparedOrExplained(t *testing.T) {
	promised := Of(everything(t))
	promised.at = nil
	reasons := Unpromised()
	met, moved := map[string]bool{}, map[string]bool{}
	c := everything(t)
	var list []leaf
	leaves(reflect.ValueOf(c), "", "", map[uintptr]bool{}, func(l leaf) { list = append(list, l) })
	for _, it := range list {
		undo := it.set()
		met[it.field] = true
		now := Of(c)
		now.at = nil // functions are never equal
		if !reflect.DeepEqual(promised, now) {
			moved[it.field] = true
		}
		undo()
	}
	if diff := cmp.Diff(promised, Of(c), cmpopts.IgnoreUnexported(Promises{})); diff != "" {
		t.Fatalf("the contract was not put back: %s", diff)
	}
	all := map[string]bool{}
	fields(reflect.TypeFor[contract.Contract](), map[reflect.Type]bool{}, all)
	for _, field := range keysOf(all) {
		_, explained := reasons[field]
		of, _, _ := strings.Cut(field, ".")
		if _, whole := reasons[of]; whole {
			continue
		}
		switch {
		case explained && moved[field]:
			t.Errorf("%s is compared although Unpromised says why it is not", field)
		case !explained && met[field] && !moved[field]:
			t.Errorf("%s is not compared: take it into Promises, or give a reason in Unpromised", field)
		case !explained && !met[field] && !holds(field):
			t.Errorf("%s is nowhere in testdata/everything.yaml", field)
		}
	}
	for field := range reasons {
		if !all[field] && !slices.ContainsFunc(keysOf(all), func(f string) bool { return strings.HasPrefix(f, field+".") }) {
			t.Errorf("Unpromised explains %s, which is no field of a contract", field)
		}
	}
}

// holds reports whether a field is a pointer or a struct, whose own fields are looked at.
func holds(field string) bool {
	name := field[strings.Index(field, ".")+1:]
	for _, t := range []reflect.Type{
		reflect.TypeFor[contract.Contract](), reflect.TypeFor[contract.Code](), reflect.TypeFor[contract.Headers](), reflect.TypeFor[contract.Auth](),
		reflect.TypeFor[contract.ClientRules](), reflect.TypeFor[contract.Backoff](), reflect.TypeFor[contract.Idempotency](), reflect.TypeFor[contract.Envelope](),
		reflect.TypeFor[contract.RetryAfterHeader](), reflect.TypeFor[contract.RateLimitHeaders](), reflect.TypeFor[contract.StatusAdvice](), reflect.TypeFor[contract.StatusRow](),
	} {
		if f, ok := t.FieldByName(name); ok && t.Name()+"."+name == field {
			kind := f.Type
			return kind.Kind() == reflect.Struct || kind.Kind() == reflect.Pointer
		}
	}
	return false
}

// withoutEffect lists changes that lead to the same for callers.
var withoutEffect = map[string]string{
	".Client.Statuses[2].From":               "400 is advised against by default as well",
	".Client.Statuses[3].From":               "500 is worth a repetition by default as well",
	".Client.Statuses[3].To":                 "600 is no status",
	".Operations[GET /orders].BodyCondition": "there is no schema to break",
}

// TestEveryPromiseIsJudged changes each value of the promises: none may change
// without a finding, and nothing is found where nothing changed.
func TestEveryPromiseIsJudged(t *testing.T) {
	old := Of(everything(t))
	now := Of(everything(t))
	var list []leaf
	leaves(reflect.ValueOf(now), "", "", map[uintptr]bool{}, func(l leaf) { list = append(list, l) })
	if len(list) < 300 {
		t.Fatalf("only %d values were found", len(list))
	}
	for _, it := range list {
		undo := it.set()
		if it.field == "Promises.Version" {
			undo()
			continue // Read refuses others
		}
		if _, idle := withoutEffect[it.path]; len(Diff(old, now)) == 0 && !idle {
			t.Errorf("%s changed and nothing was found", it.path)
		}
		if found := Diff(now, now); len(found) != 0 {
			t.Errorf("%s: found against itself: %v", it.path, found)
		}
		undo()
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB) *ledger {
	t.Helper()
	l, err := openLedger(t.TempDir(), 16<<20, time.Hour)
	must(t, err)
	t.Cleanup(func() { must(t, l.close()) })
	return l
}

// ask makes a request and returns the status and the body.
func ask(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(text)
}

func TestEntriesAndTransactions(t *testing.T) {
	s := &server{ledger: open(t)}
	h := httptest.NewServer(s.handler())
	defer h.Close()
	want := func(method, path, body string, status int, answer string) {
		t.Helper()
		gotStatus, got := ask(t, method, h.URL+path, body)
		if gotStatus != status || status < 300 && got != answer {
			t.Errorf("%s %s: %d %q, want %d %q", method, path, gotStatus, got, status, answer)
		}
	}
	want("GET", "/v1/entries/block/1", "", 404, "")
	want("PUT", "/v1/entries/block/1", "header", 204, "")
	want("GET", "/v1/entries/block/1", "", 200, "header")
	text, err := json.Marshal(change{Set: map[string][]byte{"head": []byte("2"), "block/2": nil}, Delete: []string{"block/1"}})
	must(t, err)
	want("POST", "/v1/transactions", string(text), 204, "")
	want("GET", "/v1/entries/head", "", 200, "2")
	want("GET", "/v1/entries/block/2", "", 200, "")
	want("GET", "/v1/entries/block/1", "", 404, "")
	want("DELETE", "/v1/entries/head", "", 204, "")
	want("GET", "/v1/entries/head", "", 404, "")
	want("POST", "/v1/transactions", "{", 400, "")
	want("POST", "/v1/transactions", `{"sets": {"lost": "eA=="}}`, 400, "")
	want("POST", "/v1/transactions", `{"set": {"a": "eA=="}}{"set": {"lost": "eA=="}}`, 400, "")
	want("GET", "/v1/entries/a", "", 404, "")
	want("PUT", "/v1/entries/", "x", 400, "")
	want("GET", "/v1/entries/", "", 400, "")
	want("PUT", "/v1/entries/a%2F%2Fb%00", "escaped", 204, "")
	want("GET", "/v1/entries/a%2F%2Fb%00", "", 200, "escaped")
	want("PUT", "/v1/entries/"+strings.Repeat("k", 70_000), "x", 400, "")
	want("PUT", "/v1/entries/!badger!head", "x", 400, "")
	many := change{Set: map[string][]byte{}}
	for i := range 60 {
		many.Set[fmt.Sprint(i)] = make([]byte, 90_000)
	}
	text, err = json.Marshal(many)
	must(t, err)
	want("POST", "/v1/transactions", string(text), 413, "")
	want("GET", "/v1/entries/1", "", 404, "")
	want("PUT", "/v1/entries/large", strings.Repeat("x", largest+1), 413, "")
	want("GET", "/healthz", "", 200, "")
	want("GET", "/readyz", "", 200, "")
	s.leaving.Store(true)
	want("GET", "/readyz", "", 503, "")
	if status, text := ask(t, "GET", h.URL+"/metrics", ""); status != 200 || !strings.HasSuffix(text, "# EOF\n") {
		t.Errorf("metrics: %d, %q", status, text)
	}
}

func TestATimeToLiveThatNoEntryCanHaveIsRefused(t *testing.T) {
	folder := t.TempDir()
	if l, err := openLedger(folder, 16<<20, -time.Second); err == nil {
		t.Error("a ledger opened", l.close())
	}
	l, err := openLedger(folder, 16<<20, 0) // for good
	must(t, err)
	must(t, l.close())
}

func TestALoadOfNothingIsRefused(t *testing.T) {
	for _, l := range []*load{
		newLoad("http://127.0.0.1:1", 0, 1, 1, 0), newLoad("http://127.0.0.1:1", -1, 1, 1, 0), newLoad("http://127.0.0.1:1", 1, 1, 0, 0),
		newLoad("http://127.0.0.1:1", 1, 1, -1, 0), newLoad("http://127.0.0.1:1", 1, -1, 1, 0), newLoad("http://127.0.0.1:1", 1, 1, 1, 2),
	} {
		if report, err := l.run(t.Context()); err == nil || report != "" {
			t.Errorf("%d clients, %d requests, %d keys, %v writes: %q, %v", l.clients, l.requests, l.keys, l.writes, report, err)
		}
	}
}

func TestTheStoreHoldsWhatTheDatabaseHolds(t *testing.T) {
	l := open(t)
	var writers sync.WaitGroup
	for writer := range 8 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := range 200 {
				key, other := strconv.Itoa(i%10), strconv.Itoa((i+writer)%10)
				value := []byte(fmt.Sprint(writer, "/", i))
				c := &change{Set: map[string][]byte{key: value, other: value}}
				if i%7 == 0 {
					c = &change{Delete: []string{key}}
				}
				if err := l.apply(ctx, c); err != nil {
					t.Error(err)
				}
				_, _ = l.get(ctx, other)
			}
		}()
	}
	writers.Wait()
	for i := range 10 {
		key := strconv.Itoa(i)
		want, wantErr := l.load(ctx, key)
		got, err := l.get(ctx, key)
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s is %q, %v; in the database %q, %v", key, got, err, want, wantErr)
		}
	}
}

func TestWhatTheStoreCannotTakeIsReadFromTheDatabase(t *testing.T) {
	l := open(t)
	must(t, l.apply(ctx, &change{Set: map[string][]byte{"k": []byte("small")}}))
	large := strings.Repeat("x", 20<<20) // above the store's limit
	must(t, l.apply(ctx, &change{Set: map[string][]byte{"k": []byte(large)}}))
	if got, err := l.get(ctx, "k"); err != nil || string(got) != large {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What was committed is read afterwards, also when the store is busy with others for longer than it waits.
// writeMuch writes to a store that lets nobody wait, until the test is over.
func writeMuch(t *testing.T, l *ledger, write func(writer, turn int) error) {
	t.Helper()
	must(t, l.store.Reconfigure(t.Context(), "performance.lock_timeout", "0"))
	enough := make(chan struct{})
	var writers sync.WaitGroup
	for writer := range 2 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for turn := 0; ; turn++ {
				select {
				case <-enough:
					return
				default:
					_ = write(writer, turn) // which is refused now and then, as all are
				}
			}
		}()
	}
	t.Cleanup(func() {
		close(enough)
		writers.Wait()
	})
}

func wantWhatIsApplied(t *testing.T, l *ledger) {
	t.Helper()
	for round := range 2000 {
		want := strconv.Itoa(round)
		must(t, l.apply(t.Context(), &change{Set: map[string][]byte{"k": []byte(want)}}))
		if got, err := l.get(t.Context(), "k"); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestABusyStoreIsNotLeftBehindTheDatabase(t *testing.T) {
	l := open(t)
	items := [2]map[string][]byte{}
	for writer := range items {
		items[writer] = make(map[string][]byte)
		for i := range 2000 {
			items[writer][fmt.Sprint(writer, "/", i)] = make([]byte, 100)
		}
	}
	writeMuch(t, l, func(writer, _ int) error {
		begun := time.Now()
		err := l.store.SetMany(ctx, items[writer], 0)
		time.Sleep(time.Since(begun)) // so that others have their turns, too
		return err
	})
	wantWhatIsApplied(t, l)
}

// Where room is made for new entries all the time, a deletion of many finds no memory to record what it deletes.
func TestAFullStoreIsNotLeftBehindTheDatabase(t *testing.T) {
	l := open(t)
	value := make([]byte, 8<<10)
	for i := 0; l.store.GetStats().Evictions == 0; i++ {
		must(t, l.store.Set(ctx, fmt.Sprint(i), value, 0))
	}
	writeMuch(t, l, func(writer, turn int) error {
		return l.store.Set(ctx, fmt.Sprint(writer, "/", turn), value, 0)
	})
	wantWhatIsApplied(t, l)
}

func TestAClientThatHasGoneLeavesNothingHalfDone(t *testing.T) {
	l := open(t)
	must(t, l.apply(ctx, &change{Set: map[string][]byte{"k": []byte("1")}}))
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := l.apply(gone, &change{Set: map[string][]byte{"k": []byte("2")}}); err == nil {
		t.Error("a request whose client has gone is carried out")
	}
	if got, err := l.get(ctx, "k"); err != nil || string(got) != "1" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What a load reads is not taken away from under it, though the request that it was for has ended.
func TestTheDatabaseStaysOpenForALoadThatNobodyWaitsFor(t *testing.T) {
	l, err := openLedger(t.TempDir(), 16<<20, time.Hour)
	must(t, err)
	must(t, l.apply(ctx, &change{Set: map[string][]byte{"k": []byte("v")}}))
	must(t, l.store.Delete(ctx, "k"))
	begun, release, read := make(chan struct{}), make(chan struct{}), l.read
	var value []byte
	l.read = func(key string) ([]byte, error) {
		close(begun)
		<-release
		value, err = read(key)
		return value, err
	}
	asking, leave := context.WithCancel(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = l.get(asking, "k")
	}()
	<-begun
	leave()
	<-asked
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	must(t, l.close())
	if err != nil || string(value) != "v" {
		t.Errorf("it has read %q, %v when the database is closed", value, err)
	}
	if err := l.apply(ctx, &change{Set: map[string][]byte{"k": []byte("w")}}); err == nil {
		t.Error("a closed ledger takes a change")
	}
}

// A node that is told to leave while it starts leaves the snapshot as good as it was.
func TestASnapshotOutlivesASignalAtTheStart(t *testing.T) {
	data, path := t.TempDir(), filepath.Join(t.TempDir(), "snapshot")
	first, err := openLedger(data, 16<<20, time.Hour)
	must(t, err)
	for i := range 1000 {
		must(t, first.apply(ctx, &change{Set: map[string][]byte{strconv.Itoa(i): make([]byte, 1000)}}))
	}
	must(t, first.keep(ctx, path))
	must(t, first.close())

	leaving, leave := context.WithCancel(ctx)
	leave()
	must(t, (&node{listen: "127.0.0.1:0", data: data, snapshot: path, memory: 16 << 20, ttl: time.Hour}).serve(leaving))

	last, err := openLedger(data, 16<<20, time.Hour)
	must(t, err)
	last.warm(ctx, path)
	if size := last.store.Size(); size != 1000 {
		t.Errorf("%d entries are left of 1000", size)
	}
	must(t, last.close())
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAdviseTellsASettingWithTheFigureBehindIt(t *testing.T) {
	store := openForAdvice(t, Config{MemoryLimit: 1000000, LockTimeout: 10 * time.Minute, AccessSampleRatio: 1})
	ctx := context.Background()
	for i := range 60000 {
		key := fmt.Sprintf("user/%d", i*7919%20000)
		if _, found, err := store.Get(ctx, key); err != nil || !found {
			if err := store.Set(ctx, key, make([]byte, 100), 0); err != nil {
				t.Fatal(err)
			}
		}
		store.Get(ctx, "\xffhot")
	}

	advice, err := store.Advise()
	if err != nil {
		t.Fatal(err)
	}
	memory := find(advice, "more_memory")
	if memory == nil || memory.Setting != "performance.memory_limit" || memory.Current != "1000kB" || memory.Evidence == "" {
		t.Fatalf("no advice to take more memory in %+v", advice)
	}
	report, err := store.AdviseReport()
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Curve) == 0 || report.Curve[0].MissRatio <= report.Curve[len(report.Curve)-1].MissRatio {
		t.Errorf("the curve does not fall: %+v", report.Curve)
	}
	if len(report.HotKeys) == 0 || report.HotKeys[0].Key != "\xffhot" || report.HotKeys[0].KeySize != 4 {
		t.Errorf("the hot key is not the first: %+v", report.HotKeys)
	}
}

func TestAdviceIsTextForPeopleAndJSON(t *testing.T) {
	store := openForAdvice(t, Config{})
	text, err := store.AdviseText()
	if err != nil || !strings.Contains(text, "monitoring.access_sample_ratio: 0.01") {
		t.Errorf("AdviseText: %q, %v", text, err)
	}
	raw, err := store.AdviseJSON()
	if err != nil || !json.Valid(raw) {
		t.Errorf("AdviseJSON: %s, %v", raw, err)
	}
}

func TestAClosedStoreGivesNoAdvice(t *testing.T) {
	store := openForAdvice(t, Config{})
	store.Close()
	if _, err := store.Advise(); !errors.Is(err, ErrCacheClosed) {
		t.Errorf("Advise: %v", err)
	}
}

func find(advice []Advice, name string) *Advice {
	for i := range advice {
		if advice[i].Name == name {
			return &advice[i]
		}
	}
	return nil
}

func openForAdvice(t *testing.T, config Config) *Store {
	t.Helper()
	store, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

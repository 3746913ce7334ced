// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// TestAgainstAModel runs random operations on a store and on a map, and compares every result. The
// store is large enough to evict nothing. Entries either live long or have run out before the next
// operation.
func TestAgainstAModel(t *testing.T) {
	start := seed(t)
	rounds := uint64(20)
	if underRace() {
		rounds = 5
	}
	for round := range rounds {
		m := &model{t: t, store: open(t, memstore.Config{MemoryLimit: 64 << 20}), entries: map[string]modelEntry{},
			random: rand.New(rand.NewPCG(start, round))}
		for range 2000 {
			m.step()
		}
		m.compareAll()
		if t.Failed() {
			t.Fatalf("round %d of seed %d", round, start)
		}
		must(t, m.store.Close())
	}
}

type modelEntry struct {
	value   string
	expires bool
	version uint64 // the store's, when it was asked for since the last write
}

type model struct {
	t       *testing.T
	store   *memstore.Store
	entries map[string]modelEntry
	random  *rand.Rand
}

func (m *model) step() {
	steps := []func(){m.set, m.set, m.set, m.get, m.get, m.get, m.has, m.delete, m.add, m.replace,
		m.compareAndSet, m.increment, m.ttl, m.updateTTL, m.setMany, m.getMany, m.hasMany, m.deleteMany}
	// What costs a sleep or empties the store is rare.
	switch pick := m.random.IntN(1000); {
	case pick == 0:
		must(m.t, m.store.Clear(ctx))
		clear(m.entries)
	case pick < 980:
		steps[m.random.IntN(len(steps))]()
	case pick < 995:
		m.patterns()
	default:
		m.runOut()
	}
	if got := m.store.Size(); got != len(m.entries) {
		m.t.Fatalf("Size = %d, the model has %d", got, len(m.entries))
	}
}

func (m *model) key() string {
	return fmt.Sprintf("%c/%d", 'a'+m.random.IntN(3), m.random.IntN(40))
}

func (m *model) keys() []string {
	keys := make([]string, m.random.IntN(20))
	for i := range keys {
		keys[i] = m.key()
	}
	return keys
}

func (m *model) value() string {
	size := m.random.IntN(40)
	switch m.random.IntN(40) {
	case 0:
		size = m.random.IntN(100_000)
	case 1, 2:
		size = m.random.IntN(2000)
	}
	value := make([]byte, size)
	for i := range value {
		value[i] = byte(m.random.Uint32())
	}
	return string(value)
}

func (m *model) randomTTL() (time.Duration, bool) {
	if m.random.IntN(2) == 0 {
		return 0, false
	}
	return time.Hour + time.Duration(m.random.Int64N(int64(time.Hour))), true
}

func (m *model) expect(what, key string, err, want error) bool {
	m.t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		m.t.Errorf("%s(%q): %v, want %v", what, key, err, want)
	}
	return want == nil
}

func (m *model) set() {
	key, value := m.key(), m.value()
	ttl, expires := m.randomTTL()
	var err error
	if expires && m.random.IntN(3) == 0 {
		err = m.store.SetUntil(ctx, key, []byte(value), time.Now().Add(ttl))
	} else {
		err = m.store.Set(ctx, key, []byte(value), ttl)
	}
	m.expect("Set", key, err, nil)
	m.entries[key] = modelEntry{value: value, expires: expires}
}

func (m *model) get() {
	key := m.key()
	want, there := m.entries[key]
	if m.random.IntN(3) == 0 {
		value, version, found, err := m.store.GetVersioned(ctx, key)
		if err != nil || found != there || string(value) != want.value || (version != 0) != there {
			m.t.Errorf("GetVersioned(%q) = %.30q, %d, %v, %v; want %.30q, %v", key, value, version, found, err,
				want.value, there)
		}
		if there {
			if want.version != 0 && want.version != version {
				m.t.Errorf("the version of %q changed with no write", key)
			}
			want.version = version
			m.entries[key] = want
		}
		return
	}
	value, found, err := m.store.Get(ctx, key)
	if err != nil || found != there || string(value) != want.value {
		m.t.Errorf("Get(%q) = %.30q, %v, %v; want %.30q, %v", key, value, found, err, want.value, there)
	}
}

func (m *model) has() {
	key := m.key()
	_, there := m.entries[key]
	if found, err := m.store.Has(ctx, key); found != there || err != nil {
		m.t.Errorf("Has(%q) = %v, %v; want %v", key, found, err, there)
	}
}

func (m *model) delete() {
	key := m.key()
	m.expect("Delete", key, m.store.Delete(ctx, key), nil)
	delete(m.entries, key)
}

func (m *model) add() {
	key, value := m.key(), m.value()
	_, there := m.entries[key]
	ttl, expires := m.randomTTL()
	if m.expect("Add", key, m.store.Add(ctx, key, []byte(value), ttl), when(there, memstore.ErrKeyExists)) {
		m.entries[key] = modelEntry{value: value, expires: expires}
	}
}

func (m *model) replace() {
	key, value := m.key(), m.value()
	_, there := m.entries[key]
	ttl, expires := m.randomTTL()
	err := m.store.Replace(ctx, key, []byte(value), ttl)
	if m.expect("Replace", key, err, when(!there, memstore.ErrKeyNotFound)) {
		m.entries[key] = modelEntry{value: value, expires: expires}
	}
}

func (m *model) compareAndSet() {
	key, value := m.key(), m.value()
	entry, there := m.entries[key]
	if there && entry.version == 0 {
		entry.version = 1 << 63 // not asked for: expect a version that no entry has
	}
	ttl, expires := m.randomTTL()
	err := m.store.CompareAndSet(ctx, key, []byte(value), ttl, entry.version)
	if m.expect("CompareAndSet", key, err, when(entry.version == 1<<63, memstore.ErrVersionMismatch)) {
		m.entries[key] = modelEntry{value: value, expires: expires}
	}
}

func (m *model) increment() {
	key := m.key()
	entry, there := m.entries[key]
	count, notNumber := int64(7), false
	if there {
		var err error
		count, err = strconv.ParseInt(entry.value, 10, 64)
		notNumber = err != nil || entry.value[0] == '+' || len(entry.value) > 20
	}
	if notNumber && m.random.IntN(2) == 0 { // else counters would hardly ever be met
		m.expect("Set", key, m.store.Set(ctx, key, []byte("41"), 0), nil)
		m.entries[key] = modelEntry{value: "41"}
		return
	}
	delta := m.random.Int64N(200) - 100
	sum, err := m.store.Increment(ctx, key, delta, 7, 0)
	if m.expect("Increment", key, err, when(notNumber, memstore.ErrNotANumber)) {
		if sum != count+delta {
			m.t.Errorf("Increment(%q, %d) = %d, want %d", key, delta, sum, count+delta)
		}
		m.entries[key] = modelEntry{value: strconv.FormatInt(sum, 10), expires: entry.expires}
	}
}

func (m *model) ttl() {
	key := m.key()
	entry, there := m.entries[key]
	ttl, err := m.store.GetTTL(ctx, key)
	at, errAt := m.store.GetExpiration(ctx, key)
	want := when(!there, memstore.ErrKeyNotFound)
	if there && !entry.expires {
		want = memstore.ErrTTLNotSet
	}
	m.expect("GetExpiration", key, errAt, want)
	if m.expect("GetTTL", key, err, want) {
		until := time.Until(at)
		if ttl < 50*time.Minute || ttl > 2*time.Hour || until < 50*time.Minute || until > 2*time.Hour+time.Second {
			m.t.Errorf("GetTTL(%q) = %v, GetExpiration = %v", key, ttl, at)
		}
	}
}

func (m *model) updateTTL() {
	key := m.key()
	entry, there := m.entries[key]
	ttl, expires := m.randomTTL()
	if m.expect("UpdateTTL", key, m.store.UpdateTTL(ctx, key, ttl), when(!there, memstore.ErrKeyNotFound)) {
		entry.expires = expires
		m.entries[key] = entry
	}
}

func (m *model) setMany() {
	items := map[string][]byte{}
	for _, key := range m.keys() {
		items[key] = []byte(m.value())
	}
	ttl, expires := m.randomTTL()
	m.expect("SetMany", "", m.store.SetMany(ctx, items, ttl), nil)
	for key, value := range items {
		m.entries[key] = modelEntry{value: string(value), expires: expires}
	}
}

func (m *model) getMany() {
	keys := m.keys()
	values, err := m.store.GetMany(ctx, keys)
	m.expect("GetMany", "", err, nil)
	for _, key := range keys {
		value, found := values[key]
		if want, there := m.entries[key]; found != there || string(value) != want.value {
			m.t.Errorf("GetMany: %q is %.30q, %v; want %.30q, %v", key, value, found, want.value, there)
		}
	}
}

func (m *model) hasMany() {
	keys := m.keys()
	answers, err := m.store.HasMany(ctx, keys)
	m.expect("HasMany", "", err, nil)
	for _, key := range keys {
		if _, there := m.entries[key]; answers[key] != there {
			m.t.Errorf("HasMany: %q is %v, want %v", key, answers[key], there)
		}
	}
}

func (m *model) deleteMany() {
	keys := m.keys()
	m.expect("DeleteMany", "", m.store.DeleteMany(ctx, keys), nil)
	for _, key := range keys {
		delete(m.entries, key)
	}
}

func (m *model) patterns() {
	prefix := string(rune('a' + m.random.IntN(3)))
	var want []string
	for key := range m.entries {
		if key[:1] == prefix {
			want = append(want, key)
		}
	}
	keys, err := m.store.Keys(ctx, prefix+"/*")
	m.expect("Keys", prefix, err, nil)
	slices.Sort(keys)
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		m.t.Errorf("Keys(%q) = %q, want %q", prefix, keys, want)
	}
	if count, err := m.store.CountByPattern(ctx, prefix+"*"); count != len(want) || err != nil {
		m.t.Errorf("CountByPattern(%q) = %d, %v; want %d", prefix, count, err, len(want))
	}
	if m.random.IntN(4) == 0 {
		deleted, err := m.store.DeleteByPattern(ctx, prefix+"*")
		if deleted != len(want) || err != nil {
			m.t.Errorf("DeleteByPattern(%q) = %d, %v; want %d", prefix, deleted, err, len(want))
		}
		maps.DeleteFunc(m.entries, func(key string, _ modelEntry) bool { return key[:1] == prefix })
	}
}

// runOut gives some entries a millisecond to live, and waits for longer.
func (m *model) runOut() {
	keys := m.keys()
	for _, key := range keys {
		if _, there := m.entries[key]; there && m.random.IntN(2) == 0 {
			err := m.store.UpdateTTL(ctx, key, time.Millisecond)
			if err != nil && !errors.Is(err, memstore.ErrKeyNotFound) { // a key that comes twice may be over already
				m.t.Errorf("UpdateTTL(%q): %v", key, err)
			}
		} else {
			m.expect("Set", key, m.store.Set(ctx, key, []byte(m.value()), time.Microsecond), nil)
		}
	}
	for _, key := range keys {
		delete(m.entries, key)
	}
	time.Sleep(3 * time.Millisecond)
}

func (m *model) compareAll() {
	keys, err := m.store.Keys(ctx, "")
	m.expect("Keys", "", err, nil)
	slices.Sort(keys)
	if want := slices.Sorted(maps.Keys(m.entries)); !slices.Equal(keys, want) {
		m.t.Errorf("at the end the keys are %q, want %q", keys, want)
	}
	for key, entry := range m.entries {
		wantValue(m.t, m.store, key, entry.value)
	}
}

func when(condition bool, err error) error {
	if condition {
		return err
	}
	return nil
}

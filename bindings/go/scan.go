// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"iter"
	"strings"
)

// Scan is a pass over the entries that match a pattern; see [Store.Scan]. It is for one goroutine.
type Scan struct {
	store   *Store
	ctx     context.Context
	pattern string
	err     error
}

// Scan makes passes over the entries whose keys match a pattern as [Store.Keys] takes it. Nobody waits
// for a pass: each entry that is there throughout comes exactly once, one that comes or goes meanwhile
// once or not at all, and the store may be changed in the loop.
//
//	scan := store.Scan(ctx, "block/*")
//	for key, value := range scan.All() {
//		…
//	}
//	if err := scan.Err(); err != nil {
func (s *Store) Scan(ctx context.Context, pattern string) *Scan {
	return &Scan{store: s, ctx: ctx, pattern: pattern}
}

// All ranges over all entries: Scan for the empty pattern, without its error, which can only be that the
// store is or was closed.
func (s *Store) All() iter.Seq2[string, []byte] { return s.Scan(context.Background(), "").All() }

// Prefix ranges over the entries whose keys begin with a prefix, as All does.
func (s *Store) Prefix(prefix string) iter.Seq2[string, []byte] {
	return s.Scan(context.Background(), QuotePattern(prefix)+"*").All()
}

var quoter = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// QuotePattern returns the pattern that matches just this text.
func QuotePattern(text string) string { return quoter.Replace(text) }

// Err is why the last pass ended early, nil when it did not or the loop was left.
func (s *Scan) Err() error { return s.err }

// Keys ranges over the keys alone, which counts as no read.
func (s *Scan) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		s.err = nil
		var keys []string
		for packed, err := range s.store.keyChunks(s.ctx, "Scan", s.pattern) {
			if err != nil {
				s.err = err
				return
			}
			keys = appendKeys(keys[:0], packed)
			for _, key := range keys {
				if !yield(key) {
					return
				}
			}
		}
	}
}

// How many values are read at a time: so many that they come to about this many bytes.
const (
	scanFewest = 8
	scanMost   = 1024
	scanBytes  = 256 << 10
)

// All ranges over keys and values. The values are the caller's; those that were read together share an
// allocation of some hundred kB. Each counts as a read, as by GetMany.
func (s *Scan) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.err = nil
		var keys []string
		some := scanFewest
		for packed, err := range s.store.keyChunks(s.ctx, "Scan", s.pattern) {
			if err != nil {
				s.err = err
				return
			}
			keys = appendKeys(keys[:0], packed)
			for from := 0; from < len(keys); {
				group := keys[from:min(from+some, len(keys))]
				from += len(group)
				values := new(Values)
				if s.err = s.store.getManyInto(s.ctx, "Scan", group, values); s.err != nil {
					return
				}
				for i, value := range values.All() {
					if !yield(group[i], value) {
						return
					}
				}
				some = nextGroup(some, len(values.bytes))
			}
		}
	}
}

// nextGroup is how many values to read when so many came to so many bytes.
func nextGroup(some, bytes int) int {
	switch {
	case bytes < scanBytes/2:
		return min(2*some, scanMost)
	case bytes > scanBytes:
		return max(some/2, 1)
	}
	return some
}

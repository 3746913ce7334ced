// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"sync"
)

// flight is one call of a loader, for one key or many.
type flight struct {
	// waitsFor has the flights that the loader waits for, by how many goroutines; circles guards it.
	waitsFor map[*flight]int
	place    *place // constant, as is nested: who joins the load looks at it before the load begins
	nested   bool   // a loader has made it, whose place it has
}

// newFlight is one that begins with a caller who has this context. One that only refreshes has a place of its own in any
// case: the loader that begins it does not wait for it, and may return long before. So has that of a goroutine which its
// loader has left behind.
func newFlight(ctx context.Context, store *Store, refreshes bool) *flight {
	if outer, nested := ctx.Value(flightKey{}).(*flight); nested && !refreshes && outer.place.isCalling() {
		return &flight{place: outer.place, nested: true}
	}
	return &flight{place: &place{store: store}}
}

// flights are those that one caller begins: one for all keys; but what a loader refreshes has no part in its place, and
// so a flight beside that of what it waits for.
type flights struct{ loads, refreshes *flight }

// of is the flight of a key, made for the first that needs it.
func (f *flights) of(ctx context.Context, store *Store, refreshes bool) *flight {
	flight := &f.loads
	if refreshes && ctx.Value(flightKey{}) != nil {
		flight = &f.refreshes
	}
	if *flight == nil {
		*flight = newFlight(ctx, store, refreshes)
	}
	return *flight
}

// begin has what the loader is called with: the values of its first caller's context, but not its end, and that of
// loader.timeout.
func (f *flight) begin(ctx context.Context, store *Store) (context.Context, context.CancelFunc) {
	loadCtx, cancel := store.withLoadTimeout(context.WithoutCancel(ctx))
	return context.WithValue(loadCtx, flightKey{}, f), cancel
}

// flightKey finds in the context of a load its flight.
type flightKey struct{}

// circles guards which load waits for which, of all stores.
var circles sync.Mutex

// waitsForIt says whether a flight waits for another, be it through further ones. circles is locked. Each flight is
// looked at once: where many wait for the same ones there are far more ways than flights.
func waitsForIt(from, to *flight) bool {
	if from == to {
		return true
	}
	if len(from.waitsFor) == 0 {
		return false
	}
	seen, next := map[*flight]bool{from: true}, []*flight{from}
	for len(next) != 0 {
		last := len(next) - 1
		at := next[last]
		next = next[:last]
		for further := range at.waitsFor {
			if further == to {
				return true
			}
			if !seen[further] {
				seen[further] = true
				next = append(next, further)
			}
		}
	}
	return false
}

// beginToWait notes that the load that the context belongs to waits for another; false when that waits
// for it in turn.
func beginToWait(ctx context.Context, call *loadCall) bool {
	mine, nested := ctx.Value(flightKey{}).(*flight)
	if !nested {
		return true
	}
	circles.Lock()
	defer circles.Unlock()
	if waitsForIt(call.flight, mine) {
		return false
	}
	if mine.waitsFor == nil {
		mine.waitsFor = make(map[*flight]int)
	}
	mine.waitsFor[call.flight]++
	return true
}

func endToWait(ctx context.Context, call *loadCall) {
	mine, nested := ctx.Value(flightKey{}).(*flight)
	if !nested {
		return
	}
	circles.Lock()
	defer circles.Unlock()
	if mine.waitsFor[call.flight]--; mine.waitsFor[call.flight] == 0 {
		delete(mine.waitsFor, call.flight)
	}
}

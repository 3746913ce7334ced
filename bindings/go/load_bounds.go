// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
)

// loadBounds is what bounds the loads of a store together; a gate is nil without such a bound.
type loadBounds struct {
	loads *gate // loader.max_loads
	bytes *gate // loader.max_load_bytes
	mean  atomic.Int64
}

// size is how many bytes n values are expected to take, none of them known yet: by the mean of those before.
func (b *loadBounds) size(n int) int64 {
	if b.bytes == nil {
		return 0
	}
	most, each := b.bytes.places, b.mean.Load()+1
	if each > most/int64(n) {
		return most
	}
	return each * int64(n)
}

// noteSize counts a value for the mean: one of eight parts is what has come now.
func (b *loadBounds) noteSize(size int) {
	if mean := b.mean.Load(); mean == 0 {
		b.mean.Store(int64(size))
	} else {
		b.mean.Store(mean - mean/8 + int64(size)/8)
	}
}

func (b *loadBounds) noteSizes(values map[string][]byte) {
	for _, value := range values {
		b.noteSize(len(value))
	}
}

// gate lets in as many as there are places, in the order in which they came.
type gate struct {
	places int64
	mutex  sync.Mutex
	taken  int64
	line   list.List // of *inLine
}

// inLine is somebody who waits for n places; let is closed when he has them.
type inLine struct {
	n   int64
	let chan struct{}
}

func newGate(places int64) *gate {
	if places == 0 {
		return nil
	}
	return &gate{places: places}
}

// enter takes n places, waiting for them; false when the context or the store has ended first.
func (g *gate) enter(ctx context.Context, ended <-chan struct{}, n int64) bool {
	g.mutex.Lock()
	if g.line.Len() == 0 && g.taken+n <= g.places {
		g.taken += n
		g.mutex.Unlock()
		return true
	}
	waits := &inLine{n, make(chan struct{})}
	at := g.line.PushBack(waits)
	g.mutex.Unlock()
	select {
	case <-waits.let:
		return true
	case <-ctx.Done():
	case <-ended:
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	select {
	case <-waits.let: // at the same time
		g.taken -= n
	default:
		g.line.Remove(at)
	}
	g.letIn()
	return false
}

func (g *gate) leave(n int64) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.taken -= n
	g.letIn()
}

// letIn lets those in who are at the head of the line and fit. The mutex is held.
func (g *gate) letIn() {
	for at := g.line.Front(); at != nil; at = g.line.Front() {
		waits := at.Value.(*inLine)
		if g.taken+waits.n > g.places {
			return
		}
		g.taken += waits.n
		g.line.Remove(at)
		close(waits.let)
	}
}

// place is what a load holds of the bounds of its store, for the loads, too, that its loader makes in turn: were
// they to wait for places of their own, that might be for this one.
type place struct {
	store *Store
	mutex sync.Mutex
	loads int64 // held of bounds.loads
	bytes int64 // held of bounds.bytes
	calls bool  // the loader is being called
	waits int   // goroutines of the loader that wait for the loads of others
	// What was held when the first of them began to wait, who may be waiting for it,
	lentLoads, lentBytes int64 // and has not been taken back
}

// setCalls says whether the loader is being called.
func (p *place) setCalls(calls bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.calls = calls
}

func (p *place) isCalling() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.calls
}

// take has a place hold n of a gate more; false when the context or the store ends first.
func (p *place) take(ctx context.Context, gate *gate, held *int64, n int64) bool {
	if gate == nil {
		return true
	}
	if !gate.enter(ctx, p.store.library.ended, n) {
		return false
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	*held += n
	return true
}

// give gives back all that is held of a gate, and what is lent of it is not taken back.
func (p *place) give(gate *gate, held, lent *int64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if *held != 0 {
		gate.leave(*held)
	}
	*held, *lent = 0, 0
}

func (p *place) giveLoads() { p.give(p.store.bounds.loads, &p.loads, &p.lentLoads) }
func (p *place) giveBytes() { p.give(p.store.bounds.bytes, &p.bytes, &p.lentBytes) }

// lend lets others have the place while the loader waits for a load that may be one of theirs.
func (p *place) lend() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.waits++; p.waits > 1 {
		return
	}
	p.lentLoads += p.loads
	p.lentBytes += p.bytes
	if p.loads != 0 {
		p.store.bounds.loads.leave(p.loads)
	}
	if p.bytes != 0 {
		p.store.bounds.bytes.leave(p.bytes)
	}
	p.loads, p.bytes = 0, 0
}

// takeBack is the end of lend. Who does not get in again within loader.timeout, or before his context ends, goes on
// without.
func (p *place) takeBack(ctx context.Context) {
	p.mutex.Lock()
	p.waits--
	last, loads, bytes := p.waits == 0, p.lentLoads, p.lentBytes
	p.mutex.Unlock()
	if !last || loads == 0 && bytes == 0 {
		return
	}
	ctx, cancel := p.store.withLoadTimeout(ctx)
	defer cancel()
	if bytes != 0 {
		p.retake(ctx, p.store.bounds.bytes, &p.bytes, &p.lentBytes, bytes)
	}
	if loads != 0 {
		p.retake(ctx, p.store.bounds.loads, &p.loads, &p.lentLoads, loads)
	}
}

// retake is to hold n of a gate again, unless the load has ended, or another goroutine of the loader lends or has
// taken it meanwhile.
func (p *place) retake(ctx context.Context, gate *gate, held, lent *int64, n int64) {
	if !gate.enter(ctx, p.store.library.ended, n) {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if *lent == 0 || *held != 0 || p.waits != 0 {
		gate.leave(n)
		return
	}
	*held, *lent = n, 0
}

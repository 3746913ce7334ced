// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// EventKind says what happened; as a mask, which events are wanted. The kind of a removal is its
// cause.
type EventKind uint32

// The kinds of events.
const (
	// EventExpired says that an entry's time was over.
	EventExpired EventKind = 1 << iota
	// EventEvicted says that an entry was removed to make room.
	EventEvicted
	// EventDeleted says that an entry was deleted.
	EventDeleted
	// EventReplaced says that an entry was overwritten; the value told is the old one.
	EventReplaced
	// EventCleared says that an entry was removed by Clear.
	EventCleared
	// EventAlert says that something went over its threshold, or is back: see Event.Alert.
	EventAlert
)

// EventRemovals stands for all kinds of removals: each entry that goes has exactly one of them.
const EventRemovals = EventExpired | EventEvicted | EventDeleted | EventReplaced | EventCleared

var eventNames = []string{"expired", "evicted", "deleted", "replaced", "cleared", "alert"}

// String names the kinds: "expired", "deleted|replaced".
func (k EventKind) String() string {
	return bitNames(k, eventNames)
}

// bitNames names the bits of a set.
func bitNames[T ~uint32 | ~uint64](set T, all []string) string {
	var names []string
	for bit, name := range all {
		if set>>bit&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// Event is something that happened to an entry.
type Event struct {
	Kind      EventKind
	Key       string
	Value     []byte // the value that went
	Version   uint64
	ExpiresAt time.Time // when the entry was to expire; zero when never
	At        time.Time // when it happened
	Dropped   uint64    // events that this subscription lost right before this one

	// Of an EventAlert, which has no key and no value.
	Alert          Alert   // which
	Raised         bool    // whether it is over its threshold, or back
	AlertValue     float64 // what was found, a share from 0 to 1
	AlertThreshold float64 // what it is held against; 0 when there is no threshold any more
}

// EventStats is what the events of a store come to: memstore_event_stats in the library's header, in
// its order.
type EventStats struct {
	Subscriptions uint64 // there are now
	Waiting       uint64 // events in all queues
	Bytes         uint64 // bytes of events that wait
	Memory        uint64 // bytes set aside for events, which count against the limit
	Queued        uint64 // events that were ever put into a queue, counted in each
	Dropped       uint64 // events that were not, for want of room
}

// GetEventStats returns what the events come to; all is zero when the store is closed.
func (s *Store) GetEventStats() *EventStats {
	stats := new(EventStats)
	native.GlueGetEventStats(s.handle, pointerTo(stats), int(unsafe.Sizeof(*stats)/word))
	runtime.KeepAlive(s)
	return stats
}

const (
	// eventBuffer is how many bytes of events cross at a time.
	eventBuffer = 32 << 10
	// eventBufferKeep is the largest buffer that is used again, lest one large event holds its memory for good.
	eventBufferKeep = 1 << 20
)

// eventHead is how many numbers stand before the key and the value of an event.
const eventHead = 10

// Subscription is a queue of events; see [Store.Subscribe]. Its methods may be called by any number
// of goroutines: each event goes to one of them.
type Subscription struct {
	closed atomic.Bool
	queue  *eventQueue
	// turn is full while somebody takes events, be it that he waits for one, and guards what follows.
	turn   chan struct{}
	buffer []byte
	unread []byte // of the buffer
	// pollers are waiting for the turn, which who waits for an event then lets go of.
	pollers atomic.Int32
	ended   chan struct{} // closed with the subscription
}

// eventQueue is the library's side of a subscription, which outlives an unreachable Subscription.
type eventQueue struct {
	handle  uintptr
	library *library
	once    sync.Once
	dropped atomic.Uint64 // as of when it was freed
	freed   atomic.Bool
	use     sync.RWMutex // held by calls that do not wait
}

func (q *eventQueue) free() {
	q.once.Do(func() {
		q.use.Lock()
		defer q.use.Unlock()
		q.dropped.Store(native.GlueEventsDropped(q.handle))
		q.freed.Store(true)
		native.GlueEventsFree(q.handle)
		q.library.release()
	})
}

func (q *eventQueue) wake() {
	q.use.RLock()
	defer q.use.RUnlock()
	if !q.freed.Load() {
		native.GlueEventsWake(q.handle)
	}
}

// Subscribe asks for the events of some kinds, from now on, to be taken from a queue: with Next, by
// ranging over All or Events, or from a Channel. At most queueSize events wait, 0 = as many as there is
// memory for (the setting events.queue_memory). Nobody waits for a subscriber: what finds the queue
// full is dropped and counted, and the next event says how many were lost before it. Close the
// subscription when it is not needed any more. It does not keep the store from being found dropped,
// which closes it.
func (s *Store) Subscribe(kinds EventKind, queueSize int) (*Subscription, error) {
	return s.subscribe("Subscribe", kinds, queueSize)
}

func (s *Store) subscribe(op string, kinds EventKind, queueSize int) (*Subscription, error) {
	if queueSize < 0 {
		return nil, s.refuse(op, "", explained{"the queue's size is negative", ErrInvalidArgument})
	}
	if kinds == 0 || kinds&^(EventRemovals|EventAlert) != 0 {
		return nil, s.refuse(op, "", explained{"kinds are some of the EventKinds", ErrInvalidArgument})
	}
	var handle uintptr
	status := native.GlueEventsNew(s.handle, uint32(kinds), queueSize, pointerTo(&handle))
	runtime.KeepAlive(s)
	if status != 0 {
		return nil, fail(op, "", status)
	}
	s.library.retain()
	subscription := &Subscription{
		queue: &eventQueue{handle: handle, library: s.library},
		turn:  make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
	runtime.AddCleanup(subscription, (*eventQueue).free, subscription.queue)
	return subscription, nil
}

// OnEvent calls a function for each event of some kinds, from now on, on a goroutine of its own. It
// may call every method of the store, Close included. It ends when the subscription is closed, or when
// the store is and it was called for all that had happened. A function that refers to the store keeps it
// reachable: such a store is never found dropped, and has to be closed. A panic in it is nobody's to recover: it ends
// the program, as in every goroutine.
func (s *Store) OnEvent(kinds EventKind, call func(Event)) (*Subscription, error) {
	if call == nil {
		return nil, s.refuse("OnEvent", "", errNoFunction)
	}
	subscription, err := s.subscribe("OnEvent", kinds, 0)
	if err != nil {
		return nil, err
	}
	go func() {
		defer subscription.Close()
		for event := range subscription.Events(context.Background()) {
			call(event)
		}
	}()
	return subscription, nil
}

// Next takes the next event, waiting for one. When no more will come, because the subscription is
// closed, or the store is and all that had happened is taken, it returns ErrCacheClosed. Of those who
// wait for a subscription's events one holds an operating system thread.
func (s *Subscription) Next(ctx context.Context) (Event, error) { return s.next(ctx, "Next") }

// made says that a Subscription was not made by Subscribe, or nil.
func (s *Subscription) made(op string) error {
	if s.queue == nil {
		return &Error{op, "", explained{"the Subscription was not made by Subscribe", ErrInvalidArgument}}
	}
	return nil
}

func (s *Subscription) next(ctx context.Context, op string) (Event, error) {
	if err := s.made(op); err != nil {
		return Event{}, err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	wait := &eventWait{Subscription: s, ctx: ctx, op: op}
	defer wait.end()
	for {
		event, found, err := wait.once()
		if found || err != nil {
			return event, err
		}
		runtime.Gosched() // somebody polls
	}
}

// eventWait is one call that waits for an event.
type eventWait struct {
	*Subscription
	ctx  context.Context
	op   string
	stop func() bool // nil until it waits
}

func (w *eventWait) end() {
	if w.stop != nil {
		w.stop()
	}
}

// once waits for an event or for somebody to poll.
func (w *eventWait) once() (Event, bool, error) {
	if err := live(w.ctx, w.op, ""); err != nil {
		return Event{}, false, err
	}
	select {
	case w.turn <- struct{}{}:
		defer w.endTurn()
	case <-w.ctx.Done():
		return Event{}, false, live(w.ctx, w.op, "")
	}
	event, found, err := w.takeWithin(0, w.op)
	if found || err != nil || w.pollers.Load() != 0 {
		return event, found, err
	}
	// The wake of an end before this may have gone to another who had the turn; that of a later one comes to this wait.
	if err := live(w.ctx, w.op, ""); err != nil {
		return Event{}, false, err
	}
	if w.stop == nil {
		w.stop = context.AfterFunc(w.ctx, w.queue.wake)
	}
	if event, found, err = w.takeWithin(-1, w.op); !found && err == nil {
		err = live(w.ctx, w.op, "")
	}
	return event, found, err
}

func (s *Subscription) endTurn() { <-s.turn }

// Poll takes the next event if there is one now, and says whether there was.
func (s *Subscription) Poll() (Event, bool, error) {
	if err := s.made("Poll"); err != nil {
		return Event{}, false, err
	}
	select {
	case s.turn <- struct{}{}:
	default:
		s.interrupt()
	}
	defer s.endTurn()
	return s.takeWithin(0, "Poll")
}

// interrupt takes the turn from somebody who may be waiting for an event.
func (s *Subscription) interrupt() {
	s.pollers.Add(1)
	defer s.pollers.Add(-1)
	s.queue.wake()
	s.turn <- struct{}{}
}

// takeWithin takes an event that comes within so many milliseconds, if one does; with the turn.
func (s *Subscription) takeWithin(timeout int64, op string) (Event, bool, error) {
	if len(s.unread) == 0 {
		if err := s.fill(timeout, op); err != nil || len(s.unread) == 0 {
			return Event{}, false, err
		}
	}
	return s.take(), true, nil
}

// fill reads what waits into the buffer; that nothing came in time is no error.
func (s *Subscription) fill(timeout int64, op string) error {
	if s.closed.Load() {
		return fail(op, "", int32(native.MEMSTORE_ERR_CACHE_CLOSED))
	}
	if s.buffer == nil || len(s.buffer) > eventBufferKeep {
		s.buffer = make([]byte, eventBuffer)
	}
	used := native.GlueEventsFill(s.queue.handle, timeout, &s.buffer[0], len(s.buffer))
	if used > int64(len(s.buffer)) {
		s.buffer = make([]byte, used)
		used = native.GlueEventsFill(s.queue.handle, timeout, &s.buffer[0], len(s.buffer))
	}
	runtime.KeepAlive(s)
	switch {
	case used >= 0:
		s.unread = s.buffer[:used]
		return nil
	case int32(used) == statusLockTimeout:
		return nil
	}
	return fail(op, "", int32(used))
}

// take cuts the first event off the buffer, as glue_events_fill writes it.
func (s *Subscription) take() Event {
	var head [eventHead]uint64
	for i := range head {
		head[i] = binary.NativeEndian.Uint64(s.unread[i*8:])
	}
	keyEnd := eventHead*8 + int(head[1])
	valueEnd := keyEnd + int(head[2])
	event := Event{
		Kind:    EventKind(head[0]),
		Key:     string(s.unread[eventHead*8 : keyEnd]),
		Value:   append([]byte{}, s.unread[keyEnd:valueEnd]...),
		Version: head[3],
		At:      time.UnixMilli(int64(head[5])),
		Dropped: head[6],

		Alert:          Alert(uint32(head[7])),
		Raised:         head[7]>>32 != 0,
		AlertValue:     math.Float64frombits(head[8]),
		AlertThreshold: math.Float64frombits(head[9]),
	}
	if head[4] != 0 {
		event.ExpiresAt = time.UnixMilli(int64(head[4]))
	}
	s.unread = s.unread[(valueEnd+7)&^7:]
	return event
}

// All ranges over the events, waiting for them, until no more will come or the context is done. The
// error is nil but for the last pair, whose event is empty then; that no more will come is no error.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := s.next(ctx, "All")
			if errors.Is(err, ErrCacheClosed) {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Events is All without the error: it ends when the context is done.
func (s *Subscription) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for event, err := range s.All(ctx) {
			if err != nil || !yield(event) {
				return
			}
		}
	}
}

// Channel gives the events through a channel with this much room, which is closed when no more will
// come or the context is done. What is on its way into a full channel when the context is done or the
// subscription is closed is lost. Who does not receive any more ends the context or closes the
// subscription: else a goroutine waits for room.
func (s *Subscription) Channel(ctx context.Context, room int) <-chan Event {
	if ctx == nil {
		ctx = context.Background()
	}
	events := make(chan Event, max(room, 0))
	go func() {
		defer close(events)
		for event := range s.Events(ctx) {
			select {
			case events <- event:
			case <-ctx.Done():
				return
			case <-s.ended:
				return
			}
		}
	}()
	return events
}

// Dropped is how many events the subscription has lost, because its queue or the memory for events
// was full.
func (s *Subscription) Dropped() uint64 {
	if s.queue == nil {
		return 0
	}
	s.queue.use.RLock()
	defer s.queue.use.RUnlock()
	if s.queue.freed.Load() {
		return s.queue.dropped.Load()
	}
	dropped := native.GlueEventsDropped(s.queue.handle)
	runtime.KeepAlive(s)
	return dropped
}

// Close ends the subscription: whoever waits for an event of it gets ErrCacheClosed. Closing again
// does nothing.
func (s *Subscription) Close() error {
	if s.queue == nil || s.closed.Swap(true) {
		return nil
	}
	close(s.ended)
	s.interrupt() // others wait for the turn and find the subscription closed
	defer s.endTurn()
	s.unread = nil
	s.queue.free()
	runtime.KeepAlive(s)
	return nil
}

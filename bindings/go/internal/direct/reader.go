// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64 && !go1.27 && !memstore_nodirect

package direct

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Available says whether this build has a reader. It needs three names of Go's runtime, which the runtime
// lets others link to but does not promise; so releases of Go that were not tried yet have none.
const Available = true

// A goroutine between pin and unpin is the only one on its processor and stays on it: nothing else runs
// there, no collection begins. pin returns the processor's number.
//
//go:linkname pin runtime.procPin
func pin() int

//go:linkname unpin runtime.procUnpin
func unpin()

// asmcgocall calls a C function on the stack that the thread has for C. The scheduler is not told, so this is for what is
// brief.
//
//go:noescape
//go:linkname asmcgocall runtime.asmcgocall
func asmcgocall(function, argument unsafe.Pointer) int32

const (
	usual     = 1 << 16
	never     = 0xffffffff
	otherwise = 0xfffffffe // an expiry that stands elsewhere
	mostUses  = 3
	tagLanes  = 0x0001000100010001
	tagHighs  = 0x8000800080008000
	clockLag  = 100 // MEMSTORE_CLOCK_LAG_MS
)

// lanes are the process': one for each processor of Go's, since a pinned goroutine has it to itself.
type lanes struct {
	words  [LanesWords]uint64
	turns  unsafe.Pointer
	stride uintptr
	count  uint
}

var claimed = struct {
	once sync.Once
	lanes
}{}

// lane is the lane of a processor.
func (l *lanes) lane(processor uint) *uint64 {
	return (*uint64)(unsafe.Add(l.turns, uintptr(processor)*l.stride))
}

// Reader reads one store. The store must not be destroyed while it is in use.
type Reader struct {
	hot                    *uint64
	base, tables, segments unsafe.Pointer
	segmentShift           uint64
	pagesOffset            uint64
	reads, misses          unsafe.Pointer
	stripe                 uintptr
	hasher                 hasher
	lanes                  *lanes
	clock                  unsafe.Pointer
	batches                unsafe.Pointer
	granuleShift           uint64
}

// New makes the reader of a store, or nil when it has to be read through the library. claim asks the library
// for lanes, layout for where the store is, by what claim gave.
func New(claim func(count uint32, out *[LanesWords]uint64) bool,
	layout func(lanes *[LanesWords]uint64, out *[LayoutWords]uint64) bool) *Reader {
	claimed.once.Do(func() {
		var words [LanesWords]uint64
		if claim(uint32(min(max(runtime.GOMAXPROCS(0), runtime.NumCPU()), 64)), &words) {
			claimed.lanes = lanes{words, pointer(words[0]), uintptr(words[1]), uint(words[2])}
		}
	})
	var words [LayoutWords]uint64
	if claimed.count == 0 || !layout(&claimed.words, &words) || words[0] != layoutVersion {
		return nil
	}
	return &Reader{
		hot: (*uint64)(pointer(words[1])), base: pointer(words[2]), tables: pointer(words[3]),
		segments: pointer(words[4]), segmentShift: words[5], pagesOffset: words[6],
		reads: pointer(words[7]), misses: pointer(words[8]), stripe: uintptr(words[9]),
		hasher: newHasher(words[10]), lanes: &claimed.lanes, clock: pointer(words[11]), batches: pointer(words[12]),
		granuleShift: words[13],
	}
}

// pointer is an address in the library's memory.
func pointer(address uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// Get copies the value under a key to dst and returns its size. A size above len(dst) says that nothing was
// copied, and nothing counted.
func (r *Reader) Get(key string, dst []byte) int {
	if uint(len(key)-1) >= longestKey {
		return Elsewhere
	}
	name := unsafe.Pointer(unsafe.StringData(key))
	hash := r.hasher.hash(name, len(key))
	processor := uint(pin())
	if processor >= r.lanes.count {
		unpin()
		return Elsewhere
	}
	// The section, see LA-1 in lib/platform/lanes.h: a plain store, which the compiler keeps before the
	// atomic load in find and the processor drains at the library's barrier.
	lane := r.lanes.lane(processor)
	turn := begin(lane)
	var now int64
	entry, size := r.find(hash, name, len(key), &now)
	if size >= 0 && size <= len(dst) {
		copy(dst, unsafe.Slice((*byte)(unsafe.Add(entry, 8+len(key))), size))
		r.use(entry)
		*r.count(r.reads, processor)++
	} else if size == Absent {
		*r.count(r.reads, processor)++
		*r.count(r.misses, processor)++
	}
	end(lane, turn)
	unpin()
	return size
}

// A lane is its processor's, of which the race detector does not know; it looks where the library is part of the program.

// begin says in a processor's lane that something is read.
//
//go:norace
func begin(lane *uint64) (turn uint64) {
	turn = *lane
	*lane = turn + 1
	return turn
}

// end says that it no longer is.
//
//go:norace
func end(lane *uint64, turn uint64) { *lane = turn + 2 }

// Has says whether there is an entry: 0 or more, Absent or Elsewhere. It counts nothing.
func (r *Reader) Has(key string) int {
	if uint(len(key)-1) >= longestKey {
		return Elsewhere
	}
	name := unsafe.Pointer(unsafe.StringData(key))
	hash := r.hasher.hash(name, len(key))
	processor := uint(pin())
	if processor >= r.lanes.count {
		unpin()
		return Elsewhere
	}
	lane := r.lanes.lane(processor)
	turn := begin(lane)
	var now int64
	_, size := r.find(hash, name, len(key), &now)
	end(lane, turn)
	unpin()
	return size
}

func (r *Reader) count(first unsafe.Pointer, processor uint) *uint64 {
	return (*uint64)(unsafe.Add(first, -int(uintptr(processor)*r.stripe)))
}

// Answered is how many reads by Get and GetMany the library was not asked for, since the store was opened.
func (r *Reader) Answered() uint64 {
	sum := uint64(0)
	for processor := range r.lanes.count {
		sum += atomic.LoadUint64(r.count(r.reads, processor))
	}
	return sum
}

// find returns the live entry of a key and the size of its value, or Absent or Elsewhere. In a section. The time is read
// when it is needed first, and 0 before.
func (r *Reader) find(hash uint64, key unsafe.Pointer, n int, now *int64) (unsafe.Pointer, int) {
	hot := atomic.LoadUint64(r.hot)
	if hot&usual == 0 {
		return nil, Elsewhere
	}
	table := atomic.LoadUint64((*uint64)(unsafe.Add(r.tables, hash>>48&hot&0xffff<<3)))
	buckets, number := unsafe.Add(r.base, table>>32<<6), uint64(uint32(table))
	at := uint64(uint32(hash)) * number >> 32
	for left := number; left != 0; left-- {
		bucket := unsafe.Add(buckets, at<<6)
		if entry, size := r.findIn(bucket, uint16(hash>>32), key, n, now); size != Absent {
			return entry, size
		}
		if atomic.LoadUint32((*uint32)(unsafe.Add(bucket, 20))) == 0 {
			return nil, Absent
		}
		if at++; at == number {
			at = 0
		}
	}
	return nil, Absent
}

// findIn looks in one bucket. A tag may be reported that is not equal, which costs a look.
func (r *Reader) findIn(bucket unsafe.Pointer, tag uint16, key unsafe.Pointer, n int, now *int64) (unsafe.Pointer, int) {
	lanes := uint64(tag) * tagLanes
	for i := range 3 {
		var equal uint64
		if i < 2 {
			equal = equalTags(atomic.LoadUint64((*uint64)(unsafe.Add(bucket, 8*i))) ^ lanes)
		} else {
			equal = equalTags(uint64(atomic.LoadUint32((*uint32)(unsafe.Add(bucket, 16)))) ^ lanes&0xffffffff)
			equal &= 0xffffffff
		}
		for ; equal != 0; equal &= equal - 1 {
			slot := 4*i + bits.TrailingZeros64(equal)>>4
			place := atomic.LoadUint32((*uint32)(unsafe.Add(bucket, 24+4*slot)))
			if place == 0 {
				continue
			}
			if entry, size := r.look(uint64(place)<<(r.granuleShift&63), key, n, now); size != Absent {
				return entry, size
			}
		}
	}
	return nil, Absent
}

func equalTags(x uint64) uint64 { return (x - tagLanes) &^ x & tagHighs }

// look is findIn's look at an entry.
func (r *Reader) look(offset uint64, key unsafe.Pointer, n int, now *int64) (unsafe.Pointer, int) {
	entry := unsafe.Add(r.base, offset)
	size := int(*(*uint8)(unsafe.Add(entry, 5)))
	if size == 0 {
		return nil, Elsewhere
	}
	if size != n || !equalKeys(unsafe.Add(entry, 8), key, n) {
		return nil, Absent
	}
	expiry := atomic.LoadUint32((*uint32)(entry))
	if expiry != never && !r.lives(offset, expiry, now) {
		return nil, Elsewhere
	}
	return entry, int(*(*uint16)(unsafe.Add(entry, 6)))
}

// lives says whether an entry is certain not to have expired: by the coarse clock, since at an exact one the processor
// waits for all the loads before.
func (r *Reader) lives(offset uint64, expiry uint32, now *int64) bool {
	if expiry == otherwise || offset >= r.pagesOffset {
		return false
	}
	base := *(*int64)(unsafe.Add(r.segments, offset>>r.segmentShift<<7+16))
	if *now == 0 {
		asmcgocall(r.clock, unsafe.Pointer(now))
	}
	return base+int64(expiry) > *now+clockLag
}

func equalKeys(a, b unsafe.Pointer, n int) bool {
	if n < 8 {
		return unsafe.String((*byte)(a), n) == unsafe.String((*byte)(b), n)
	}
	for i := 0; i+8 < n; i += 8 {
		if word(a, i) != word(b, i) {
			return false
		}
	}
	return word(a, n-8) == word(b, n-8)
}

// use notes a use of an entry, in its mark, which is the lowest byte of a word whose others never change. When another changes the
// mark at the same time the use is not noted: what others have set there stays, as that somebody was told the version.
func (r *Reader) use(entry unsafe.Pointer) {
	marked := (*uint32)(unsafe.Add(entry, 4))
	if before := atomic.LoadUint32(marked); before&0x1f < mostUses {
		atomic.CompareAndSwapUint32(marked, before, before+1)
	}
}

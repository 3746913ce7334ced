// SPDX-License-Identifier: Apache-2.0

// Package direct reads a store's memory from Go code, without a call of the library; what it reads and by
// which rules is said in <memstore/direct.h>, and why that is safe in docs/design/go-reads.md. What is
// not the usual case it leaves to its caller, who calls the library.
package direct

// What Get and Has return instead of a size.
const (
	// Absent: the store has no such entry.
	Absent = -1
	// Elsewhere: ask the library.
	Elsewhere = -2
)

// MostKeys is how many keys GetMany takes. More are read in less time by the library, which prefetches, unless all are in the
// processor's caches.
const MostKeys = 4

// LayoutWords is how many members of memstore_layout there are, LanesWords of memstore_lanes.
const (
	LayoutWords = 14
	LanesWords  = 4
)

// layoutVersion is the MEMSTORE_LAYOUT_VERSION that this package knows.
const layoutVersion = 4

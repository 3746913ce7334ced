// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"hash/maphash"
	"strconv"

	"github.com/weisyn/memstore/bindings/go/internal/direct"
)

// WaitingFor is how many wait for the load of a key.
func (s *Store) WaitingFor(key string) int {
	shard := &s.loads[maphash.String(loadSeed, key)%uint64(len(s.loads))]
	shard.mutex.Lock()
	defer shard.mutex.Unlock()
	if call := shard.calls[key]; call != nil {
		return call.waiters
	}
	return 0
}

// WaitingForPlaces is how many loads wait in line to be called.
func (s *Store) WaitingForPlaces() int {
	gate := s.bounds.loads
	gate.mutex.Lock()
	defer gate.mutex.Unlock()
	return gate.line.Len()
}

// DirectAvailable says whether this build can read a store's memory itself.
const DirectAvailable = direct.Available

// DirectAnswers is how many Gets were answered without the library, and whether the store is one that is
// read so.
func (s *Store) DirectAnswers() (uint64, bool) {
	if s.direct == nil {
		return 0, false
	}
	return s.direct.Answered(), true
}

// NotesTheSettings says whether what is kept of the settings on this side is what is in force. Nobody
// reconfigures meanwhile.
func (s *Store) NotesTheSettings() bool {
	after, _ := s.Setting("loader.refresh_after")
	rate, _ := s.Setting("loader.warm_rate")
	return s.refreshes.Load() == (after != "0") && strconv.FormatInt(s.warmRate.Load(), 10) == rate
}

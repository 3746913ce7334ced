// SPDX-License-Identifier: Apache-2.0

package memstore

import "github.com/weisyn/memstore/bindings/go/internal/direct"

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

// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !amd64 || go1.27 || memstore_nodirect

package direct

// Available says whether this build has a reader.
const Available = false

// Reader reads one store; here there is none.
type Reader struct{}

// New returns nil.
func New(func(uint32, *[LanesWords]uint64) bool, func(*[LanesWords]uint64, *[LayoutWords]uint64) bool) *Reader {
	return nil
}

// Get is never called.
func (*Reader) Get(string, []byte) int { return Elsewhere }

// GetMany is never called.
func (*Reader) GetMany([]string, []byte, []int64) int { return Elsewhere }

// Answered is never called.
func (*Reader) Answered() uint64 { return 0 }

// Has is never called.
func (*Reader) Has(string) int { return Elsewhere }

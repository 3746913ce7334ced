// SPDX-License-Identifier: Apache-2.0

package rueidis

import (
	"encoding/binary"
	"time"
)

// mostTogether is how many bytes the responses to the commands on one key may come to in one entry, which is copied with
// each of them. Those to more commands lie apart: as fields of a large hash that are asked for one by one do.
const mostTogether = 4 << 10

// What is under a key then is partedMark and a number, and each response has an entry under the number and its command.
// The number is never given again: without the entry under the key, whose removal is an invalidation, nothing leads to
// the others, and they go when their time is over or room is needed.
const partedMark = 0 // where records have the length of a command

// apart returns the number, if the responses lie apart.
func apart(packed []byte) (number uint64, are bool) {
	if len(packed) != 9 || packed[0] != partedMark {
		return 0, false
	}
	return binary.LittleEndian.Uint64(packed[1:]), true
}

// find returns the response to a command that an entry has or leads to, nil when there is none.
func (c *cache) find(packed []byte, command string) []byte {
	number, are := apart(packed)
	if !are {
		return records(packed).find(command)
	}
	data, found, err := c.store.Get(ctx, c.nameApart(number, command))
	if !found || err != nil {
		return nil
	}
	return data
}

func (c *cache) nameApart(number uint64, command string) string {
	name := make([]byte, 0, len(c.secret)+8+len(command))
	name = append(name, c.secret[:]...)
	name = binary.LittleEndian.AppendUint64(name, number)
	return string(append(name, command...))
}

// part gives each of the records an entry of its own, and returns what is to be under the key; the mutex is held.
func (c *cache) part(together records, left time.Duration) []byte {
	c.parted++
	for rest := together; len(rest) != 0; {
		command, message, after := rest.cut()
		c.writeApart(c.parted, string(command), message, left)
		rest = after
	}
	return binary.LittleEndian.AppendUint64([]byte{partedMark}, c.parted)
}

// writeApart writes a response; what the store does not take is not cached.
func (c *cache) writeApart(number uint64, command string, data []byte, left time.Duration) {
	_ = c.store.Set(ctx, c.nameApart(number, command), data, left)
}

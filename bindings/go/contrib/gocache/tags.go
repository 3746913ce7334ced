// SPDX-License-Identifier: Apache-2.0

package gocache

import (
	"encoding/binary"
	"errors"
	"slices"
)

// tags are the names that a value can be invalidated by, each behind its length.
type tags []byte

var errNotOurs = errors.New("it was not stored through gocache")

// pack puts a value behind its tags, and these behind their length.
func pack[T []byte | string](names []string, value T) []byte {
	var all tags
	for _, name := range names {
		all = binary.AppendUvarint(all, uint64(len(name)))
		all = append(all, name...)
	}
	packed := make([]byte, 0, binary.MaxVarintLen64+len(all)+len(value))
	packed = binary.AppendUvarint(packed, uint64(len(all)))
	packed = append(packed, all...)
	return append(packed, value...)
}

func unpack(packed []byte) (tags, []byte, error) {
	all, value, is := cut(packed)
	if !is {
		return nil, nil, errNotOurs
	}
	return tags(all), value, nil
}

func (t tags) anyOf(wanted []string) bool {
	for len(t) != 0 {
		name, rest, is := cut(t)
		if !is {
			return false
		}
		if slices.Contains(wanted, string(name)) {
			return true
		}
		t = rest
	}
	return false
}

// cut takes what lies behind its length off the front.
func cut(data []byte) (first, rest []byte, is bool) {
	size, used := binary.Uvarint(data)
	if used <= 0 || size > uint64(len(data)-used) {
		return nil, nil, false
	}
	end := used + int(size)
	return data[used:end:end], data[end:], true
}

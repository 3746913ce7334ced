// SPDX-License-Identifier: Apache-2.0

package rueidis

import "encoding/binary"

// records are the responses to the commands on one key: for each the command and the message, both behind
// their length.
type records []byte

// find returns the message to a command, nil when there is none.
func (r records) find(command string) []byte {
	for len(r) != 0 {
		name, message, rest := r.cut()
		if string(name) == command {
			return message
		}
		r = rest
	}
	return nil
}

// with returns records with another message in the place of, or beside, the one there was.
func (r records) with(command string, message []byte) []byte {
	packed := make([]byte, 0, len(r)+len(command)+len(message)+2*binary.MaxVarintLen64)
	for rest := r; len(rest) != 0; {
		name, _, after := rest.cut()
		if string(name) != command {
			packed = append(packed, rest[:len(rest)-len(after)]...)
		}
		rest = after
	}
	packed = binary.AppendUvarint(packed, uint64(len(command)))
	packed = append(packed, command...)
	packed = binary.AppendUvarint(packed, uint64(len(message)))
	return append(packed, message...)
}

// cut takes the first record off.
func (r records) cut() (command, message []byte, rest records) {
	command, rest = r.part()
	message, rest = rest.part()
	return command, message, rest
}

func (r records) part() (part []byte, rest records) {
	size, used := binary.Uvarint(r)
	end := used + int(size)
	return r[used:end:end], r[end:]
}

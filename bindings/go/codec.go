// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"strconv"
)

// ErrCodec says that a codec could not encode or decode a key or a value of a [Typed].
var ErrCodec = errors.New("the codec failed")

// Codec makes bytes of values of a type, and values of bytes.
type Codec[T any] interface {
	// Append appends the bytes of a value to dst.
	Append(dst []byte, value T) ([]byte, error)
	// Decode makes the value of these bytes, which it may keep.
	Decode(data []byte) (T, error)
}

// CodecOf is a codec made of two functions. One that is nil makes a codec for one direction: the other is an error.
func CodecOf[T any](encode func(T) ([]byte, error), decode func([]byte) (T, error)) Codec[T] {
	return functions[T]{encode, decode}
}

type functions[T any] struct {
	encode func(T) ([]byte, error)
	decode func([]byte) (T, error)
}

func (f functions[T]) Append(dst []byte, value T) ([]byte, error) {
	if f.encode == nil {
		return dst, errNoFunction
	}
	data, err := f.encode(value)
	return append(dst, data...), err
}

func (f functions[T]) Decode(data []byte) (value T, err error) {
	if f.decode == nil {
		return value, errNoFunction
	}
	return f.decode(data)
}

// Text keeps strings as they are.
func Text[T ~string]() Codec[T] { return text[T]{} }

type text[T ~string] struct{}

func (text[T]) Append(dst []byte, value T) ([]byte, error) { return append(dst, value...), nil }
func (text[T]) Decode(data []byte) (T, error)              { return T(data), nil }

// Bytes keeps byte slices as they are. No slice and an empty one are the same.
func Bytes[T ~[]byte]() Codec[T] { return raw[T]{} }

type raw[T ~[]byte] struct{}

func (raw[T]) Append(dst []byte, value T) ([]byte, error) { return append(dst, value...), nil }
func (raw[T]) Decode(data []byte) (T, error)              { return T(data), nil }

// Integer is what Decimal writes.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Decimal writes integers as decimal numbers, which patterns can match and, up to the largest int64, Increment understands.
func Decimal[T Integer]() Codec[T] { return decimal[T]{} }

type decimal[T Integer] struct{}

func (decimal[T]) Append(dst []byte, value T) ([]byte, error) {
	if value < 0 {
		return strconv.AppendInt(dst, int64(value), 10), nil
	}
	return strconv.AppendUint(dst, uint64(value), 10), nil
}

func (decimal[T]) Decode(data []byte) (T, error) {
	var zero T
	if zero-1 > zero {
		number, err := strconv.ParseUint(string(data), 10, 64)
		return inRange(T(number), uint64(T(number)) == number, err)
	}
	number, err := strconv.ParseInt(string(data), 10, 64)
	return inRange(T(number), int64(T(number)) == number, err)
}

// inRange is a number that was read, whose type may be too small for it.
func inRange[T Integer](number T, fits bool, err error) (T, error) {
	if err == nil && !fits {
		err = strconv.ErrRange
	}
	return number, err
}

// JSON writes values as encoding/json does.
func JSON[T any]() Codec[T] {
	return CodecOf(
		func(value T) ([]byte, error) { return json.Marshal(value) },
		func(data []byte) (T, error) {
			var value T
			err := json.Unmarshal(data, &value)
			return value, err
		})
}

// Gob writes values as encoding/gob does. Each carries the description of its type, which makes small
// values several times as large.
func Gob[T any]() Codec[T] {
	return CodecOf(
		func(value T) ([]byte, error) {
			var buf bytes.Buffer
			err := gob.NewEncoder(&buf).Encode(&value)
			return buf.Bytes(), err
		},
		func(data []byte) (T, error) {
			var value T
			err := gob.NewDecoder(bytes.NewReader(data)).Decode(&value)
			return value, err
		})
}

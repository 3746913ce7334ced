// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// The failures of the library, for [errors.Is].
var (
	// ErrKeyNotFound says that no live entry has the key.
	ErrKeyNotFound = sentinel(native.MEMSTORE_ERR_KEY_NOT_FOUND)
	// ErrCacheFull says that eviction is off and the limit is reached.
	ErrCacheFull = sentinel(native.MEMSTORE_ERR_CACHE_FULL)
	// ErrEntryTooLarge says that key and value are above the largest size allowed, or could never
	// fit the limit.
	ErrEntryTooLarge = sentinel(native.MEMSTORE_ERR_ENTRY_TOO_LARGE)
	// ErrCacheClosed says that the store is closed.
	ErrCacheClosed = sentinel(native.MEMSTORE_ERR_CACHE_CLOSED)
	// ErrInvalidTTL says that a ttl is negative or outside the configured bounds.
	ErrInvalidTTL = sentinel(native.MEMSTORE_ERR_INVALID_TTL)
	// ErrTTLExpired says that a point in time to expire at has passed already, or that GetTTL,
	// GetExpiration or UpdateTTL met an entry that has just run out. In the latter case the error
	// matches ErrKeyNotFound as well.
	ErrTTLExpired error = &ttlExpired{sentinel(native.MEMSTORE_ERR_TTL_EXPIRED)}
	// ErrTTLNotSet says that the entry never expires.
	ErrTTLNotSet = sentinel(native.MEMSTORE_ERR_TTL_NOT_SET)
	// ErrTTLUpdateFailed says that a change of ttl lost a race against another write of the key.
	ErrTTLUpdateFailed = sentinel(native.MEMSTORE_ERR_TTL_UPDATE_FAILED)
	// ErrMemoryExhausted says that the system gave no memory, or that views pin all of the store's.
	ErrMemoryExhausted = sentinel(native.MEMSTORE_ERR_MEMORY_EXHAUSTED)
	// ErrMemoryFragmentation says that compaction could not bring dead bytes under the bound asked
	// for.
	ErrMemoryFragmentation = sentinel(native.MEMSTORE_ERR_MEMORY_FRAGMENTATION)
	// ErrShardOverflow says that the index of one shard cannot grow within the limit.
	ErrShardOverflow = sentinel(native.MEMSTORE_ERR_SHARD_OVERFLOW)
	// ErrGCPressure says that a write waited for reclaimed memory as long as it may and got none.
	ErrGCPressure = sentinel(native.MEMSTORE_ERR_GC_PRESSURE)
	// ErrInvalidArgument says that an argument is empty where that is not allowed, or outside its
	// range.
	ErrInvalidArgument = sentinel(native.MEMSTORE_ERR_INVALID_ARGUMENT)
	// ErrInvalidConfig says that a setting or a combination of settings is not valid.
	ErrInvalidConfig = sentinel(native.MEMSTORE_ERR_INVALID_CONFIG)
	// ErrInvalidPattern says that a pattern is malformed.
	ErrInvalidPattern = sentinel(native.MEMSTORE_ERR_INVALID_PATTERN)
	// ErrBufferTooSmall says that a value does not fit the buffer given for it.
	ErrBufferTooSmall = sentinel(native.MEMSTORE_ERR_BUFFER_TOO_SMALL)
	// ErrLockTimeout says that a lock was not had in time.
	ErrLockTimeout = sentinel(native.MEMSTORE_ERR_LOCK_TIMEOUT)
	// ErrKeyExists says that a live entry has the key already.
	ErrKeyExists = sentinel(native.MEMSTORE_ERR_KEY_EXISTS)
	// ErrVersionMismatch says that the entry was written since its version was read, or is gone.
	ErrVersionMismatch = sentinel(native.MEMSTORE_ERR_VERSION_MISMATCH)
	// ErrNotANumber says that a value to be incremented is not a decimal 64-bit integer, or that
	// the sum is not.
	ErrNotANumber = sentinel(native.MEMSTORE_ERR_NOT_A_NUMBER)
	// ErrLoaderFailed says that a loader failed and no value could be served in its place.
	ErrLoaderFailed = sentinel(native.MEMSTORE_ERR_LOADER_FAILED)
	// ErrIO says that reading or writing a file failed.
	ErrIO = sentinel(native.MEMSTORE_ERR_IO)
	// ErrCorruptSnapshot says that a snapshot is damaged, cut off, or none.
	ErrCorruptSnapshot = sentinel(native.MEMSTORE_ERR_CORRUPT_SNAPSHOT)
	// ErrUnsupported says that this store cannot do what was asked for.
	ErrUnsupported = sentinel(native.MEMSTORE_ERR_UNSUPPORTED)
	// ErrCancelled says that the caller stopped it. Calls that are given a context return its error.
	ErrCancelled = sentinel(native.MEMSTORE_ERR_CANCELLED)
)

// Error is what every method returns that fails.
type Error struct {
	// Op is the method that failed, such as "Set".
	Op string
	// Key is the key, pattern, setting or path it was about; empty when that is none or several. Calls with
	// several keys tell which one they were refused for, if only one of them can be.
	Key string
	// Err is the cause: a sentinel of this package or the error of a context.
	Err error
}

// maxKeyInMessage bounds what a message shows of a key, because keys can be long and binary. The end of a path
// matters.
const maxKeyInMessage = 64

func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString("memstore: ")
	text.WriteString(e.Op)
	cause := e.Err.Error()
	if e.Key != "" && !strings.HasPrefix(cause, e.Key+": ") { // what is said of settings begins with their names
		key := e.Key
		if isPath := e.Op == "Save" || e.Op == "Load"; len(key) > maxKeyInMessage && !isPath {
			key = key[:maxKeyInMessage] + "…"
		}
		text.WriteByte(' ')
		text.WriteString(strconv.Quote(key))
	}
	text.WriteString(": ")
	text.WriteString(cause)
	return text.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// statusError is a status of the library as an error; there is one for each status.
type statusError struct {
	status int32
	text   string
}

func (e *statusError) Error() string { return e.text }

// ttlExpired is ErrTTLExpired. It wraps ErrKeyNotFound: an entry that has run out is an entry that
// is not there.
type ttlExpired struct{ error }

func (*ttlExpired) Unwrap() error { return ErrKeyNotFound }

// expiryPassed is the cause when a point in time given by the caller has passed, which says nothing
// about the key.
type expiryPassed struct{}

func (expiryPassed) Error() string        { return ErrTTLExpired.Error() }
func (expiryPassed) Is(target error) bool { return target == ErrTTLExpired }

// explained is a sentinel with the library's own words in the place of its general ones.
type explained struct {
	text  string
	cause error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.cause }

// byStatus finds the sentinel of a status; statuses are small negative numbers.
var byStatus = func() map[int32]error {
	all := []error{
		ErrKeyNotFound, ErrCacheFull, ErrEntryTooLarge, ErrCacheClosed, ErrInvalidTTL, ErrTTLNotSet, ErrTTLUpdateFailed,
		ErrMemoryExhausted, ErrMemoryFragmentation, ErrShardOverflow, ErrGCPressure, ErrInvalidArgument,
		ErrInvalidConfig,
		ErrInvalidPattern, ErrBufferTooSmall, ErrLockTimeout, ErrKeyExists, ErrVersionMismatch, ErrNotANumber,
		ErrLoaderFailed, ErrIO, ErrCorruptSnapshot, ErrUnsupported, ErrCancelled,
	}
	table := map[int32]error{int32(native.MEMSTORE_ERR_TTL_EXPIRED): ErrTTLExpired}
	for _, err := range all {
		table[err.(*statusError).status] = err
	}
	return table
}()

func sentinel(status native.Memstore_status) error {
	code := int32(status)
	return &statusError{code, nativeText(native.MemstoreStrerror(code))}
}

// The statuses that are outcomes of ordinary calls, as plain numbers.
var (
	statusKeyNotFound = int32(native.MEMSTORE_ERR_KEY_NOT_FOUND)
	statusTTLExpired  = int32(native.MEMSTORE_ERR_TTL_EXPIRED)
	statusLockTimeout = int32(native.MEMSTORE_ERR_LOCK_TIMEOUT)
	statusInvalidTTL  = int32(native.MEMSTORE_ERR_INVALID_TTL)
	statusCancelled   = int32(native.MEMSTORE_ERR_CANCELLED)

	statusVersionMismatch = int32(native.MEMSTORE_ERR_VERSION_MISMATCH)

	statusGCPressure      = int32(native.MEMSTORE_ERR_GC_PRESSURE)
	statusMemoryExhausted = int32(native.MEMSTORE_ERR_MEMORY_EXHAUSTED)
	statusCacheFull       = int32(native.MEMSTORE_ERR_CACHE_FULL)
	statusShardOverflow   = int32(native.MEMSTORE_ERR_SHARD_OVERFLOW)

	statusEntryTooLarge = int32(native.MEMSTORE_ERR_ENTRY_TOO_LARGE)
	statusInvalidConfig = int32(native.MEMSTORE_ERR_INVALID_CONFIG)
)

// needing tells which setting a call needs that this store does not do.
func needing(setting string, err error) error {
	if failure, is := err.(*Error); is && failure.Err == ErrUnsupported {
		return &Error{failure.Op, failure.Key, explained{"this needs the setting " + setting, ErrUnsupported}}
	}
	return err
}

// unusable is ErrIO with what the system has against a file.
type unusable struct {
	text   string
	reason error
}

func (u unusable) Error() string   { return u.text }
func (u unusable) Unwrap() []error { return []error{ErrIO, u.reason} }

// withReason adds to an ErrIO what the system has against a file, if that is known: errors.Is(err,
// fs.ErrNotExist) holds where there is none.
func withReason(err error, reason error) error {
	failure, is := err.(*Error)
	if !is || reason == nil || !errors.Is(err, ErrIO) {
		return err
	}
	text := failure.Err.Error()
	if text == ErrIO.Error() {
		text = reason.Error()
	}
	return &Error{failure.Op, failure.Key, unusable{text, reason}}
}

// reasonAgainst is why a file cannot be read, or nil: what the library says of settings is for people.
func reasonAgainst(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return syscall.EISDIR
	}
	var failure *fs.PathError
	if errors.As(err, &failure) {
		return failure.Err
	}
	return syscall.Access(path, 4) // R_OK
}

// check turns the status of a call into its error; nil for success.
func check(op, key string, status int32) error {
	if status >= 0 {
		return nil
	}
	return fail(op, key, status)
}

func fail(op, key string, status int32) error {
	cause, known := byStatus[status]
	if !known {
		cause = &statusError{status, nativeText(native.MemstoreStrerror(status))}
	}
	if cause == ErrInvalidArgument {
		// What else can be wrong is found before the library is asked.
		text := "the Store was not made by Open"
		if key == "" && !keyless[op] {
			text = "a key is empty, or " + text
		}
		cause = explained{text, cause}
	}
	return &Error{op, key, cause}
}

// keyless has the methods that are given no key, nor any name in the place of one that must not be empty.
var keyless = map[string]bool{
	"Close": true, "Clear": true, "Flush": true, "Compact": true, "Maintain": true, "ReconfigureAll": true,
	"Keys": true, "Scan": true, "CountByPattern": true, "DeleteByPattern": true, "Count": true,
	"Subscribe": true, "OnEvent": true, "GetLatency": true, "GetRates": true, "MetricsText": true,
	"Advise": true, "AdviseReport": true, "AdviseText": true, "AdviseJSON": true,
}

// refuse is the error of a call that is given an argument which it cannot take. To a closed store nothing
// else matters.
func (s *Store) refuse(op, key string, cause error) error {
	if s.library != nil && s.library.closed.Load() {
		cause = ErrCacheClosed
	}
	return &Error{op, key, cause}
}

// errNoFunction is the cause where nil was given for a function and that is to be called.
var errNoFunction error = explained{"there is no function to call", ErrInvalidArgument}

// live says why a call may not start, or nil.
func live(ctx context.Context, op, key string) error {
	if ctx == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return &Error{op, key, err}
	}
	return nil
}

// nativeText copies a text that the library owns.
func nativeText(text uintptr) string {
	buf := make([]byte, 256)
	for {
		size := int(native.GlueCopyText(text, &buf[0], len(buf)))
		if size <= len(buf) {
			return string(buf[:size])
		}
		buf = make([]byte, size)
	}
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"errors"
	"testing"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

func TestEveryStatusHasItsSentinel(t *testing.T) {
	for status, want := range []error{
		1: ErrKeyNotFound, ErrCacheFull, ErrEntryTooLarge, ErrCacheClosed, ErrInvalidTTL, ErrTTLExpired, ErrTTLNotSet,
		ErrTTLUpdateFailed, ErrMemoryExhausted, ErrMemoryFragmentation, ErrShardOverflow, ErrGCPressure,
		ErrInvalidArgument, ErrInvalidConfig, ErrInvalidPattern, ErrBufferTooSmall, ErrLockTimeout, ErrKeyExists,
		ErrVersionMismatch, ErrNotANumber, ErrLoaderFailed, ErrIO, ErrCorruptSnapshot, ErrUnsupported, ErrCancelled,
	} {
		if status == 0 {
			continue
		}
		err := fail("Op", "key", int32(-status))
		if !errors.Is(err, want) {
			t.Errorf("status %d is %v, want %v", -status, err, want)
		}
		if text := nativeText(native.MemstoreStrerror(int32(-status))); want.Error() != text {
			t.Errorf("status %d says %q, the library %q", -status, want, text)
		}
		matches := 0
		for _, other := range byStatus {
			if errors.Is(err, other) {
				matches++
			}
		}
		if matches != 1 && want != ErrTTLExpired {
			t.Errorf("status %d matches %d sentinels", -status, matches)
		}
	}
	if !errors.Is(ErrTTLExpired, ErrKeyNotFound) || errors.Is(ErrKeyNotFound, ErrTTLExpired) {
		t.Error("an entry that ran out is an absent one, not the other way round")
	}
	if len(byStatus) != 25 {
		t.Errorf("%d statuses are known, the header has 25", len(byStatus))
	}
}

func TestAnUnknownStatusIsStillAnError(t *testing.T) {
	if err := check("Op", "", -12345); err == nil || err.Error() == "" {
		t.Errorf("check(-12345) = %v", err)
	}
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWhoWaitsToWarmSeesTheRateAndTheStoreChange(t *testing.T) {
	for name, change := range map[string]struct {
		call func(*Store) error
		want error
	}{
		"rate":  {func(s *Store) error { return s.Reconfigure(context.Background(), "loader.warm_rate", "0") }, nil},
		"store": {(*Store).Close, ErrCacheClosed},
	} {
		store, err := Open(Config{WarmRate: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		waiting := warming{store: store, turn: time.Now().Add(time.Hour)}
		changed := make(chan error)
		go func() { changed <- change.call(store) }()
		if err := waiting.awaitTurn(ctx); !errors.Is(err, change.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := <-changed; err != nil {
			t.Error(err)
		}
		cancel()
		_ = store.Close()
	}
}

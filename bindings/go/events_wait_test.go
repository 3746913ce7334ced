// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"testing"
	"time"
)

// endsMeanwhile is a context that ends once it was looked at.
type endsMeanwhile struct {
	context.Context
	asked int
}

func (e *endsMeanwhile) Err() error {
	e.asked++
	if e.asked == 1 {
		return nil
	}
	return context.Canceled
}

func TestAWaitSeesTheEndOfItsContextThoughAnotherTookItsWake(t *testing.T) {
	store, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	subscription, err := store.Subscribe(EventRemovals, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer subscription.Close()
	tooLong := time.AfterFunc(10*time.Second, func() { _ = subscription.Close() })
	wait := &eventWait{
		Subscription: subscription,
		ctx:          &endsMeanwhile{Context: context.Background()},
		op:           "Next",
		stop:         func() bool { return false }, // the wake has been, and is gone
	}
	if _, found, err := wait.once(); found || !errors.Is(err, context.Canceled) {
		t.Errorf("found %v, %v", found, err)
	}
	if !tooLong.Stop() {
		t.Error("it waits though its context has ended")
	}
}

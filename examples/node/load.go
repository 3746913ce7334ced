// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests to a node, as clients of a ledger do: most read, few keys get most of it. It also
// watches what it reads: a client that has read a value of a key reads no older one afterwards.
type load struct {
	url      string
	clients  int
	requests int // of each client
	keys     int
	writes   float64 // share

	client  http.Client
	reads   atomic.Int64
	written atomic.Int64
	version []atomic.Int64 // of each key, the next to be written
	newest  []atomic.Int64 // of each key, the newest that was read or is written for sure
	writing []sync.Mutex
}

func newLoad(url string, clients, requests, keys int, writes float64) *load {
	return &load{
		url: url, clients: clients, requests: requests, keys: keys, writes: writes,
		client: http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
	}
}

// run sends all requests and returns a line about them.
func (l *load) run(ctx context.Context) (string, error) {
	if l.clients < 1 || l.keys < 1 || l.requests < 0 || !(l.writes >= 0 && l.writes <= 1) {
		return "", errors.New("a load has clients and keys, and its share of writes is from 0 to 1")
	}
	l.version, l.newest = make([]atomic.Int64, l.keys), make([]atomic.Int64, l.keys)
	l.writing = make([]sync.Mutex, l.keys)
	begun := time.Now()
	failures := make(chan error, l.clients)
	for client := range l.clients {
		go func() { failures <- l.work(ctx, rand.New(rand.NewPCG(uint64(client), 1))) }()
	}
	var failure error
	for range l.clients {
		if err := <-failures; err != nil {
			failure = err
		}
	}
	l.client.CloseIdleConnections()
	total := l.reads.Load() + l.written.Load()
	return fmt.Sprintf("%d reads, %d writes, %.0f requests/s", l.reads.Load(), l.written.Load(),
		float64(total)/time.Since(begun).Seconds()), failure
}

func (l *load) work(ctx context.Context, random *rand.Rand) error {
	popular := rand.NewZipf(random, 1.1, 1, uint64(l.keys-1))
	for range l.requests {
		key := int(popular.Uint64())
		var err error
		if random.Float64() < l.writes {
			err = l.write(ctx, key)
		} else {
			err = l.read(ctx, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes the next version of a key; one at a time, so that it is known which is the newest.
func (l *load) write(ctx context.Context, key int) error {
	l.writing[key].Lock()
	defer l.writing[key].Unlock()
	version := l.version[key].Add(1)
	if _, err := l.request(ctx, http.MethodPut, key, strconv.FormatInt(version, 10)); err != nil {
		return err
	}
	l.written.Add(1)
	raise(&l.newest[key], version)
	return nil
}

func (l *load) read(ctx context.Context, key int) error {
	atLeast := l.newest[key].Load()
	text, err := l.request(ctx, http.MethodGet, key, "")
	if err != nil {
		return err
	}
	l.reads.Add(1)
	version := int64(0)
	if text != "" {
		if version, err = strconv.ParseInt(text, 10, 64); err != nil {
			return err
		}
	}
	if version < atLeast {
		return fmt.Errorf("key %d was read as version %d after version %d was there", key, version, atLeast)
	}
	raise(&l.newest[key], version)
	return nil
}

// raise sets a number to one that is not smaller.
func raise(number *atomic.Int64, to int64) {
	for now := number.Load(); now < to && !number.CompareAndSwap(now, to); now = number.Load() {
	}
}

// request returns the body; nothing when there is no such key.
func (l *load) request(ctx context.Context, method string, key int, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%s/v1/entries/load/%d", l.url, key),
		bytes.NewBufferString(body))
	if err != nil {
		return "", err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", err
	case response.StatusCode == http.StatusNotFound:
		return "", nil
	case response.StatusCode >= 300:
		return "", fmt.Errorf("%s of key %d: %s: %s", method, key, response.Status, text)
	}
	return string(text), nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// largest is the most bytes that a request may have; longestKey is what the database takes.
const (
	largest    = 8 << 20
	longestKey = 65_000
)

// server answers requests:
//
//	GET, PUT, DELETE /v1/entries/KEY     one entry, as bytes; // in a key is written %2F%2F
//	POST /v1/transactions                {"set": {KEY: BASE64}, "delete": [KEY]}, all or nothing
//	GET /metrics                         OpenMetrics
//	GET /healthz, /readyz                alive; to be sent requests
type server struct {
	ledger *ledger
	// leaving is set when the process is about to end: it finishes what it has and wants no more.
	leaving atomic.Bool
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/entries/{key...}", s.get)
	mux.HandleFunc("PUT /v1/entries/{key...}", s.put)
	mux.HandleFunc("DELETE /v1/entries/{key...}", s.delete)
	mux.HandleFunc("POST /v1/transactions", s.transaction)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", s.ready)
	return mux
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("key") == "" {
		fail(w, errBadRequest)
		return
	}
	value, err := s.ledger.get(r.Context(), r.PathValue("key"))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	_, _ = w.Write(value)
}

func (s *server) put(w http.ResponseWriter, r *http.Request) {
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		fail(w, err)
		return
	}
	s.apply(w, r, &change{Set: map[string][]byte{r.PathValue("key"): value}})
}

func (s *server) delete(w http.ResponseWriter, r *http.Request) {
	s.apply(w, r, &change{Delete: []string{r.PathValue("key")}})
}

func (s *server) transaction(w http.ResponseWriter, r *http.Request) {
	c, err := readChange(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		fail(w, errors.Join(errBadRequest, err))
		return
	}
	s.apply(w, r, c)
}

// readChange reads a change and nothing else: what is not understood is not to be answered as if it were done.
func readChange(body io.Reader) (*change, error) {
	var c change
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.Join(errors.New("something follows the transaction"), err)
	}
	return &c, nil
}

func (s *server) apply(w http.ResponseWriter, r *http.Request, c *change) {
	for _, key := range c.keys() {
		if key == "" || len(key) > longestKey {
			fail(w, errBadRequest)
			return
		}
	}
	if err := s.ledger.apply(r.Context(), c); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) metrics(w http.ResponseWriter, _ *http.Request) {
	text, err := s.ledger.store.MetricsText()
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	_, _ = w.Write(text)
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.leaving.Load() {
		http.Error(w, "leaving", http.StatusServiceUnavailable)
	}
}

var errBadRequest = errors.New("this is no request that can be carried out")

// fail answers with what an error means.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errAbsent):
		status = http.StatusNotFound
	case errors.As(err, &tooLarge), errors.Is(err, badger.ErrTxnTooBig):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errBadRequest), errors.Is(err, badger.ErrInvalidKey): // a name of the database's own
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}

// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"encoding/json"
	"runtime"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Advice is one piece of advice: memstore_advice in the library's header. docs/advice.md says what
// each means and how its figures are come by.
type Advice struct {
	Name      string `json:"name"`      // what it is about: "more_memory", "ttl_too_long", …
	Severity  string `json:"severity"`  // "warning", "suggestion" or "info"
	What      string `json:"what"`      // a sentence for people
	Evidence  string `json:"evidence"`  // the figures behind it
	Setting   string `json:"setting"`   // the setting to change, "performance.memory_limit"; "" = none
	Current   string `json:"current"`   // its value
	Suggested string `json:"suggested"` // the value to give it
	Expected  string `json:"expected"`  // what is to be expected of the change
}

// CurvePoint is a point of a miss-ratio curve.
type CurvePoint struct {
	Bytes     uint64  `json:"bytes"`      // a memory limit
	Entries   uint64  `json:"entries"`    // about how many entries fit it
	MissRatio float64 `json:"miss_ratio"` // the share of reads that would have missed
}

// HotKey is a key that is read often.
type HotKey struct {
	Key     string  // or the first 64 bytes of a longer one
	KeySize int     // how many bytes all of it has
	Share   float64 // its share of reads, at most
	Error   float64 // by how much that may be too large
}

// UnmarshalJSON takes a key in the form of memstore_advise_json, where each byte is the character of
// its number.
func (k *HotKey) UnmarshalJSON(text []byte) error {
	var form struct {
		Key     string  `json:"key"`
		KeySize int     `json:"key_size"`
		Share   float64 `json:"share"`
		Error   float64 `json:"error"`
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	key := make([]byte, 0, len(form.Key))
	for _, char := range form.Key {
		key = append(key, byte(char))
	}
	*k = HotKey{string(key), form.KeySize, form.Share, form.Error}
	return nil
}

// AdviceReport is all that AdviceJSON tells that advice is judged by most often; the other figures
// are in the JSON.
type AdviceReport struct {
	Advice  []Advice     `json:"advice"`   // what matters most first
	Curve   []CurvePoint `json:"curve"`    // empty unless keys are followed
	HotKeys []HotKey     `json:"hot_keys"` // likewise
}

func (s *Store) adviceText(call string, forPeople int32) ([]byte, error) {
	var kept unsafe.Pointer
	size := native.GlueAdvise(s.handle, forPeople, pointerTo(&kept))
	runtime.KeepAlive(s)
	if err := check(call, "", int32(min(size, 0))); err != nil {
		return nil, err
	}
	return s.take(uintptr(kept), size), nil
}

// Advise tells which settings to change, each with the figure behind it, what matters most first.
// Some of it needs AccessSampleRatio not to be 0, which can be changed in a store in use.
func (s *Store) Advise() ([]Advice, error) {
	report, err := s.adviseReport("Advise")
	if err != nil {
		return nil, err
	}
	return report.Advice, nil
}

// AdviseReport is Advise with the miss-ratio curve and the keys that are read most.
func (s *Store) AdviseReport() (*AdviceReport, error) { return s.adviseReport("AdviseReport") }

func (s *Store) adviseReport(call string) (*AdviceReport, error) {
	text, err := s.adviceText(call, 0)
	if err != nil {
		return nil, err
	}
	report := new(AdviceReport)
	if err := json.Unmarshal(text, report); err != nil {
		return nil, &Error{call, "", err}
	}
	return report, nil
}

// AdviseText is the advice and the figures behind it for people.
func (s *Store) AdviseText() (string, error) {
	text, err := s.adviceText("AdviseText", 1)
	return string(text), err
}

// AdviseJSON is the same as JSON, in the form that docs/advice.md describes.
func (s *Store) AdviseJSON() ([]byte, error) {
	return s.adviceText("AdviseJSON", 0)
}

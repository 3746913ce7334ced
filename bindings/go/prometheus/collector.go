// SPDX-License-Identifier: Apache-2.0

// Package prometheus hands the metrics of memstore's stores to Prometheus. It is a module of its
// own, so that memstore's has no dependencies.
//
//	prometheus.MustRegister(memstoreprometheus.NewCollector(store, prometheus.Labels{"store": "blocks"}))
package prometheus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// Collector collects the metrics of a store, all that its MetricsText has. Each collection reads the
// store once; a store that is closed has none. What cannot be read fails the collection.
type Collector struct {
	store  *memstore.Store
	labels prometheus.Labels
}

// NewCollector makes a collector of a store's metrics. The labels are added to each; they tell the
// stores of a program apart.
func NewCollector(store *memstore.Store, labels prometheus.Labels) *Collector {
	return &Collector{store, labels}
}

// Describe sends nothing: which metrics there are depends on the store's settings, which may change.
// A registry takes such a collector for unchecked.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics as they are now.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	text, err := c.store.MetricsText()
	if errors.Is(err, memstore.ErrCacheClosed) {
		return
	}
	var families []*family
	if err == nil {
		families, err = parse(text)
	}
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	for _, family := range families {
		family.send(metrics, c.labels)
	}
}

// family is what one # TYPE line begins.
type family struct {
	name, kind, help string
	samples          []sample
}

type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// parse reads the library's text.
func parse(text []byte) ([]*family, error) {
	var families []*family
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch fields := strings.SplitN(line, " ", 4); {
		case line == "# EOF":
			return families, nil
		case strings.HasPrefix(line, "# TYPE "):
			families = append(families, &family{name: fields[2], kind: fields[3]})
		case len(families) == 0:
			return nil, fmt.Errorf("memstore: a metric before its type: %q", line)
		case strings.HasPrefix(line, "# HELP "):
			families[len(families)-1].help = fields[3]
		default:
			read, err := parseSample(line)
			if err != nil {
				return nil, err
			}
			last := families[len(families)-1]
			last.samples = append(last.samples, read)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("memstore: the metrics cannot be read: %w", err)
	}
	return nil, fmt.Errorf("memstore: the metrics have no end")
}

func parseSample(line string) (sample, error) {
	space := strings.LastIndexByte(line, ' ')
	if space < 0 {
		return sample{}, fmt.Errorf("memstore: no metric: %q", line)
	}
	value, err := strconv.ParseFloat(line[space+1:], 64)
	if err != nil {
		return sample{}, fmt.Errorf("memstore: no metric: %q: %w", line, err)
	}
	name, inside, _ := strings.Cut(line[:space], "{")
	return sample{name, parseLabels(inside), value}, nil
}

// parseLabels reads key="value" pairs with commas between them and a brace behind them.
func parseLabels(text string) map[string]string {
	labels := make(map[string]string)
	for {
		key, rest, found := strings.Cut(text, `="`)
		if !found {
			return labels
		}
		var value strings.Builder
		for rest != "" && rest[0] != '"' {
			char := rest[0]
			rest = rest[1:]
			if char == '\\' && rest != "" {
				char, rest = rest[0], rest[1:]
				if char == 'n' {
					char = '\n'
				}
			}
			value.WriteByte(char)
		}
		labels[key] = value.String()
		text = strings.TrimPrefix(strings.TrimPrefix(rest, `"`), ",")
	}
}

func (f *family) send(metrics chan<- prometheus.Metric, labels prometheus.Labels) {
	if f.kind == "histogram" {
		f.sendHistograms(metrics, labels)
		return
	}
	kind := prometheus.GaugeValue
	if f.kind == "counter" {
		kind = prometheus.CounterValue
	}
	for _, s := range f.samples {
		desc := prometheus.NewDesc(s.name, f.help, nil, merge(labels, s.labels))
		metric, err := prometheus.NewConstMetric(desc, kind, s.value)
		if err != nil {
			metric = prometheus.NewInvalidMetric(desc, err)
		}
		metrics <- metric
	}
}

// sendHistograms puts together the samples of each operation, which end with its sum.
func (f *family) sendHistograms(metrics chan<- prometheus.Metric, labels prometheus.Labels) {
	buckets := make(map[float64]uint64)
	var count uint64
	for _, s := range f.samples {
		switch strings.TrimPrefix(s.name, f.name) {
		case "_bucket":
			if bound, err := strconv.ParseFloat(s.labels["le"], 64); err == nil && !math.IsInf(bound, 1) {
				buckets[bound] = uint64(s.value)
			}
		case "_count":
			count = uint64(s.value)
		case "_sum":
			desc := prometheus.NewDesc(f.name, f.help, nil, merge(labels, s.labels))
			metric, err := prometheus.NewConstHistogram(desc, count, s.value, buckets)
			if err != nil {
				metric = prometheus.NewInvalidMetric(desc, err)
			}
			metrics <- metric
			buckets = make(map[float64]uint64)
		}
	}
}

func merge(labels prometheus.Labels, more map[string]string) prometheus.Labels {
	merged := make(prometheus.Labels, len(labels)+len(more))
	for key, value := range labels {
		merged[key] = value
	}
	for key, value := range more {
		merged[key] = value
	}
	return merged
}

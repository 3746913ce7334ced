// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

func TestWhatCannotBeParsedSaysWhy(t *testing.T) {
	const begin = "# TYPE memstore_hits counter\n# HELP memstore_hits Reads.\n"
	if families, err := parse([]byte(begin + "memstore_hits_total 3\n# EOF\n")); err != nil || len(families) != 1 {
		t.Errorf("got %v, %v", families, err)
	}
	long := begin + `memstore_hits_total{key="` + strings.Repeat("x", bufio.MaxScanTokenSize) + "\"} 1\n# EOF\n"
	if _, err := parse([]byte(long)); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line that is too long: %v", err)
	}
	for text, want := range map[string]string{
		begin + "memstore_hits_total 3\n":           "no end",
		"memstore_hits_total 3\n# EOF\n":            "before its type",
		begin + "memstore_hits_total many\n# EOF\n": "no metric",
		begin + "memstore_hits_total\n# EOF\n":      "no metric",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package gocache

import (
	"testing"

	"github.com/weisyn/memstore/bindings/go/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// SPDX-License-Identifier: Apache-2.0

//go:build memstore_vendored

package native

// #cgo CFLAGS: -I${SRCDIR}/../vendored
import "C"

import _ "github.com/weisyn/memstore/bindings/go/internal/vendored" // the library

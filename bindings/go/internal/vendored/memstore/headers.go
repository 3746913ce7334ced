// SPDX-License-Identifier: Apache-2.0

// Package memstore has the headers of the library beside it and nothing in itself: the go command copies
// folders of packages only.
package memstore

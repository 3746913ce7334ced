// SPDX-License-Identifier: Apache-2.0

// Package documents has the Go code that is printed in documents compiled, and run where it is a program. It is a module of
// its own, since documents show other modules, too.
package documents

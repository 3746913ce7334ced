// SPDX-License-Identifier: Apache-2.0

// Package lineartest checks with Porcupine that what goroutines see of a store through the Go
// binding is linearizable. It is a module of its own, so that the binding depends on nothing.
package lineartest

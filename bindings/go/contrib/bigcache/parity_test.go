// SPDX-License-Identifier: Apache-2.0

package bigcache

import (
	"reflect"
	"strings"
	"testing"

	original "github.com/allegro/bigcache/v3"
)

// A program compiles with the other import: every exported field and method of the original is there, of the same type.
func TestEveryFieldAndMethodOfTheOriginalIsThere(t *testing.T) {
	for _, pair := range [][2]any{
		{original.Config{}, Config{}}, {original.Stats{}, Stats{}}, {original.Response{}, Response{}},
		{original.Metadata{}, Metadata{}}, {original.EntryInfo{}, EntryInfo{}},
		{&original.BigCache{}, &BigCache{}}, {&original.EntryInfoIterator{}, &EntryInfoIterator{}},
	} {
		theirs, ours := reflect.TypeOf(pair[0]), reflect.TypeOf(pair[1])
		for i := range theirs.NumMethod() {
			want := theirs.Method(i)
			got, there := ours.MethodByName(want.Name)
			if !there || methodType(got) != methodType(want) {
				t.Errorf("%v.%s: %v, want %v", ours, want.Name, got.Type, want.Type)
			}
		}
		if theirs.Kind() != reflect.Struct {
			continue
		}
		for i := range theirs.NumField() {
			want := theirs.Field(i)
			got, there := ours.FieldByName(want.Name)
			if want.IsExported() && (!there || got.Type.String() != want.Type.String() || got.Tag != want.Tag) {
				t.Errorf("%v.%s: %v, want %v", ours, want.Name, got.Type, want.Type)
			}
		}
	}
}

func TestFunctionsErrorsAndDefaultsAreThoseOfTheOriginal(t *testing.T) {
	var (
		_ Hasher = original.Hasher(nil)
		_ Logger = original.Logger(nil)
		_ error  = ErrCannotRetrieveEntry
	)
	for _, pair := range [][2]error{
		{original.ErrEntryNotFound, ErrEntryNotFound}, {original.ErrInvalidIteratorState, ErrInvalidIteratorState},
		{original.ErrCannotRetrieveEntry, ErrCannotRetrieveEntry},
	} {
		if pair[0].Error() != pair[1].Error() {
			t.Errorf("%q, want %q", pair[1], pair[0])
		}
	}
	theirs, ours := original.DefaultConfig(7), DefaultConfig(7)
	for i := range reflect.TypeOf(theirs).NumField() {
		field := reflect.TypeOf(theirs).Field(i)
		if !field.IsExported() {
			continue
		}
		want, got := reflect.ValueOf(theirs).Field(i), reflect.ValueOf(ours).FieldByName(field.Name)
		if want.Comparable() && field.Type == got.Type() && field.Type.Kind() != reflect.Interface && !want.Equal(got) {
			t.Errorf("by default %s is %v, want %v", field.Name, got, want)
		}
	}
	for _, key := range []string{"", "a", "a longer key"} {
		if want, got := theirs.Hasher.Sum64(key), ours.Hasher.Sum64(key); got != want {
			t.Errorf("the hash of %q is %d, want %d", key, got, want)
		}
	}
}

// methodType is what a method takes, but for its receiver, and returns.
func methodType(method reflect.Method) string {
	if method.Type == nil {
		return ""
	}
	_, rest, _ := strings.Cut(method.Type.String(), "bigcache.")
	return rest
}

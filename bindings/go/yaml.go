// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// pathPrefix is where settings stand in a file; their paths may begin with it.
const pathPrefix = "storage.memory."

// UnmarshalYAML makes a Config a part of an application's own configuration: it takes what could
// stand under storage.memory in a file for [OpenYAML], nested or with dots, and refuses what OpenYAML
// refuses, but for how the package reads a scalar: a number is taken in any spelling that it knows, such as
// 0x10 or 1_000. YAML packages that look for this method call it, such as gopkg.in/yaml.v3.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	var tree map[string]any
	if err := unmarshal(&tree); err != nil {
		return err
	}
	given := make(givenSettings)
	if err := flatten("", tree, given); err != nil {
		return err
	}
	next := *c
	next.Settings = maps.Clone(c.Settings)
	if err := next.take(given); err != nil {
		return err
	}
	*c = next
	return nil
}

// MarshalYAML is the counterpart of UnmarshalYAML: the settings that the Config has other than by default,
// in sections, as UnmarshalYAML and OpenYAML take them. What is no setting is left out: File, Environment,
// LibraryReads and Logger.
func (c Config) MarshalYAML() (any, error) {
	config := native.MemstoreConfigNew()
	if config == 0 {
		return nil, &Error{"MarshalYAML", "", ErrMemoryExhausted}
	}
	defer native.MemstoreConfigFree(config)
	tree := make(map[string]any)
	for _, setting := range c.settings() {
		if err := setting.apply("MarshalYAML", config); err != nil {
			return nil, err
		}
		text, err := canonical("MarshalYAML", config, setting.key)
		if err != nil {
			return nil, err
		}
		under, name := tree, strings.TrimPrefix(setting.key, pathPrefix)
		if section, inner, nested := strings.Cut(name, "."); nested {
			if tree[section] == nil {
				tree[section] = make(map[string]any)
			}
			under, name = tree[section].(map[string]any), inner
		}
		under[name] = plain(text)
	}
	return tree, nil
}

// plain is a canonical text as YAML has it without quotes, where what reads it gives the same text back: a number
// becomes a float64 in some packages, so one that is not the same there stays a text.
func plain(text string) any {
	if text == "true" || text == "false" {
		return text == "true"
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(share, 0) || math.IsNaN(share) || strconv.FormatFloat(share, 'f', -1, 64) != text {
		return text
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && number != 0 {
		return number
	}
	return share
}

// givenSettings are those of a document, by their paths without the prefix.
type givenSettings map[string]setting

func (g givenSettings) add(path, text string) error {
	name := strings.TrimPrefix(path, pathPrefix)
	if _, is := g[name]; is {
		return &Error{"UnmarshalYAML", path, explained{name + ": duplicate key", ErrInvalidConfig}}
	}
	for _, other := range g {
		if strings.HasPrefix(other.key, pathPrefix) != strings.HasPrefix(path, pathPrefix) {
			return &Error{"UnmarshalYAML", path, explained{
				name + ": settings stand either all under storage.memory or all outside of it", ErrInvalidConfig}}
		}
	}
	g[name] = setting{path, text}
	return nil
}

// flatten turns nested settings into paths and texts.
func flatten(prefix string, tree map[string]any, out givenSettings) error {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if err := flattenOne(prefix+name, tree[name], out); err != nil {
			return err
		}
	}
	return nil
}

func flattenOne(path string, value any, out givenSettings) error {
	switch value := value.(type) {
	case map[string]any:
		return flatten(path+".", value, out)
	case map[any]any:
		inner := make(map[string]any, len(value))
		for key, item := range value {
			inner[fmt.Sprint(key)] = item
		}
		return flatten(path+".", inner, out)
	case nil:
		if isSection(path) {
			return nil // as in a section whose every line is a comment
		}
		return out.add(path, "")
	case float64:
		return out.add(path, strconv.FormatFloat(value, 'f', -1, 64))
	case time.Time:
		return &Error{"UnmarshalYAML", path, explained{"a date: put it in quotes", ErrInvalidConfig}}
	case []any:
		return &Error{"UnmarshalYAML", path, explained{"a list is no value for a setting", ErrInvalidConfig}}
	}
	return out.add(path, fmt.Sprint(value))
}

func isSection(path string) bool {
	name := strings.TrimPrefix(path+".", pathPrefix)
	if name == "" || path == "storage" {
		return true
	}
	for path := range fieldPaths {
		if strings.HasPrefix(path, name) {
			return true
		}
	}
	return false
}

// take checks settings and puts them into the fields; what a field cannot tell from "not given", and
// what has no field, into Settings.
func (c *Config) take(given givenSettings) error {
	config := native.MemstoreConfigNew()
	if config == 0 {
		return &Error{"UnmarshalYAML", "", ErrMemoryExhausted}
	}
	defer native.MemstoreConfigFree(config)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		setting := given[name]
		if err := setting.apply("UnmarshalYAML", config); err != nil {
			return err
		}
		text, err := canonical("UnmarshalYAML", config, setting.key)
		if err != nil {
			return err
		}
		// What was given before may have either of its names.
		delete(c.Settings, name)
		delete(c.Settings, pathPrefix+name)
		number, known := fieldPaths[name]
		if known && setField(reflect.ValueOf(c).Elem().Field(number), text) {
			continue
		}
		if c.Settings == nil {
			c.Settings = make(map[string]string)
		}
		c.Settings[name] = text
	}
	return nil
}

// longestSetting is room for the text of any setting, a path at most, and its NUL.
const longestSetting = 4097

// canonical reads a setting back as the library writes it: whole numbers with the largest unit.
func canonical(op string, config uintptr, path string) (string, error) {
	key, _ := cText(path)
	buf := make([]byte, longestSetting)
	var size int
	if status := native.MemstoreConfigGet(config, &key[0], &buf[0], len(buf), pointerTo(&size)); status != 0 {
		return "", configFailure(op, config, path, status)
	}
	return string(buf[:size]), nil
}

var units = map[string]int64{
	"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"TiB": 1 << 40,
	"ms":  int64(time.Millisecond), "s": int64(time.Second), "m": int64(time.Minute), "h": int64(time.Hour),
	"d": 24 * int64(time.Hour),
}

// amount reads a whole number with its unit.
func amount(text string) (number int64, ok bool) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	number, err := strconv.ParseInt(text[:digits], 10, 64)
	unit, known := units[text[digits:]]
	if err != nil || !known || number*unit/unit != number {
		return 0, false
	}
	return number * unit, true
}

// setField sets a field from a canonical text; false when that is the field's zero, or none it can
// hold.
func setField(field reflect.Value, text string) bool {
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Bool:
		field.SetBool(text == "true")
	case reflect.Float64:
		share, err := strconv.ParseFloat(text, 64)
		if err != nil {
			field.SetZero()
			return false
		}
		field.SetFloat(share)
	case reflect.Pointer:
		value := text == "true"
		field.Set(reflect.ValueOf(&value))
	default:
		number, ok := amount(text)
		if !ok || field.OverflowInt(number) {
			field.SetZero()
			return false
		}
		field.SetInt(number)
	}
	return !field.IsZero()
}

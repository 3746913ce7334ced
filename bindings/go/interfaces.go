// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"time"
)

// BasicCacheOperations is reading and writing one key at a time.
type BasicCacheOperations interface {
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, key string) ([]byte, bool, error)
	Delete(ctx context.Context, key string) error
	Has(ctx context.Context, key string) (bool, error)
}

// TTLOperations is asking for and changing how long entries live.
type TTLOperations interface {
	GetTTL(ctx context.Context, key string) (time.Duration, error)
	UpdateTTL(ctx context.Context, key string, ttl time.Duration) error
	SetWithTTL(ctx context.Context, key string, value []byte, ttl time.Duration) error
	GetExpiration(ctx context.Context, key string) (time.Time, error)
}

// BatchOperations is reading and writing several keys at one instant.
type BatchOperations interface {
	SetMany(ctx context.Context, items map[string][]byte, ttl time.Duration) error
	GetMany(ctx context.Context, keys []string) (map[string][]byte, error)
	DeleteMany(ctx context.Context, keys []string) error
	HasMany(ctx context.Context, keys []string) (map[string]bool, error)
}

// CacheManagement is what concerns the store as a whole.
type CacheManagement interface {
	Clear(ctx context.Context) error
	Size() int
	Capacity() int
	Close() error
}

// StatisticsMonitoring is counts and bytes.
type StatisticsMonitoring interface {
	GetStats() *CacheStats
	GetHitRate() float64
	GetMemoryUsage() *MemoryStats
	ResetStats()
}

// PatternMatching is working on all keys that match a pattern.
type PatternMatching interface {
	Keys(ctx context.Context, pattern string) ([]string, error)
	DeleteByPattern(ctx context.Context, pattern string) (int, error)
	CountByPattern(ctx context.Context, pattern string) (int, error)
}

var (
	_ BasicCacheOperations = (*Store)(nil)
	_ TTLOperations        = (*Store)(nil)
	_ BatchOperations      = (*Store)(nil)
	_ CacheManagement      = (*Store)(nil)
	_ StatisticsMonitoring = (*Store)(nil)
	_ PatternMatching      = (*Store)(nil)
)

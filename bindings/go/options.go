// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"log/slog"
	"maps"
	"time"
)

// Option is one choice of how a store behaves, for [New]. Every option is also a field of [Config],
// whose comment says more.
type Option func(*Config)

// New makes a new, empty store by options, where [Open] takes a [Config]. Options are applied in
// their order; of two for the same setting the later one counts. A nil option is ErrInvalidArgument.
func New(options ...Option) (*Store, error) {
	var config Config
	for _, option := range options {
		if option == nil {
			return nil, &Error{"New", "", explained{"an option is nil", ErrInvalidArgument}}
		}
		option(&config)
	}
	return open("New", config)
}

// WithConfig begins with a whole configuration, in place of all options before it.
func WithConfig(config Config) Option { return func(c *Config) { *c = config } }

// WithFile begins with the settings of a YAML file; see [OpenYAML].
func WithFile(path string) Option { return func(c *Config) { c.File = path } }

// WithEnvironment lets variables such as MEMSTORE_PERFORMANCE_MEMORY_LIMIT change settings.
func WithEnvironment() Option { return func(c *Config) { c.Environment = true } }

// WithMemoryLimit bounds the bytes of the store, index and bookkeeping included.
func WithMemoryLimit(bytes int64) Option { return func(c *Config) { c.MemoryLimit = bytes } }

// WithLibraryReads lets every read call the library; see [Config.LibraryReads].
func WithLibraryReads() Option { return func(c *Config) { c.LibraryReads = true } }

// WithMaxEntrySize bounds key and value together, in bytes.
func WithMaxEntrySize(bytes int64) Option { return func(c *Config) { c.MaxEntrySize = bytes } }

// WithExpectedEntries sizes the index for so many entries at open.
func WithExpectedEntries(n int) Option { return func(c *Config) { c.MaxEntriesInWindow = n } }

// WithShards sets the number of writer locks, a power of two.
func WithShards(n int) Option { return func(c *Config) { c.Shards = n } }

// WithEviction sets the policy when the limit is reached; [Config.Eviction] lists them.
func WithEviction(policy string) Option { return func(c *Config) { c.Eviction = policy } }

// WithEvictionGoal sets what the policy "adaptive" saves; see [Config.EvictionGoal].
func WithEvictionGoal(goal string) Option { return func(c *Config) { c.EvictionGoal = goal } }

// WithDefaultTTL sets what [DefaultTTL] stands for.
func WithDefaultTTL(ttl time.Duration) Option { return func(c *Config) { c.DefaultTTL = ttl } }

// WithTTLBounds refuses ttls outside of two bounds; 0 is no bound.
func WithTTLBounds(shortest, longest time.Duration) Option {
	return func(c *Config) { c.MinTTL, c.MaxTTL = shortest, longest }
}

// WithTTLJitter shortens each ttl by a random share of up to so many percent.
func WithTTLJitter(percent int) Option { return func(c *Config) { c.TTLJitter = percent } }

// WithLifeWindow sets the age that no entry outlives.
func WithLifeWindow(age time.Duration) Option { return func(c *Config) { c.LifeWindow = age } }

// WithLockTimeout bounds how long a write waits for a lock or for memory.
func WithLockTimeout(longest time.Duration) Option {
	return func(c *Config) { c.LockTimeout = longest }
}

// WithNegativeTTL has GetOrLoad remember for so long that a key does not exist.
func WithNegativeTTL(ttl time.Duration) Option { return func(c *Config) { c.NegativeTTL = ttl } }

// WithLatencies has calls measured, for GetLatency.
func WithLatencies() Option { return func(c *Config) { c.TrackOperationLatency = true } }

// WithManualMaintenance leaves the work of the maintenance thread to Maintain.
func WithManualMaintenance() Option { return func(c *Config) { c.Maintenance = "manual" } }

// WithLogger sets where warnings go; see [Config.Logger].
func WithLogger(logger *slog.Logger) Option { return func(c *Config) { c.Logger = logger } }

// WithSetting sets any setting by the name and the text that it has in YAML, such as
// "ttl.default_ttl" and "90m".
func WithSetting(key, value string) Option {
	return func(c *Config) {
		settings := make(map[string]string, len(c.Settings)+1)
		maps.Copy(settings, c.Settings) // which may be somebody's own
		settings[key] = value
		c.Settings = settings
	}
}

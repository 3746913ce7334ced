// SPDX-License-Identifier: Apache-2.0

package rueidis

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

const slots = 16384

// node is a server of a cluster: a client of it alone, which caches nothing, and keys that it has.
type node struct {
	rueidis.Client
	address string
	keys    []string
}

func (n *node) command(t *testing.T, words ...string) rueidis.RedisResult {
	t.Helper()
	result := n.Do(ctx, n.B().Arbitrary(words...).Build())
	must(t, result.Error())
	return result
}

// cluster starts three servers that share the slots, with what says which keys are whose.
func (s software) cluster(t *testing.T) []*node {
	t.Helper()
	nodes := make([]*node, 3)
	for i := range nodes {
		bus := freePort(t)
		address := s.server(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		alone, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{address}, ForceSingleClient: true, DisableCache: true,
		})
		must(t, err)
		t.Cleanup(alone.Close)
		nodes[i] = &node{Client: alone, address: address}
		first, after := i*slots/len(nodes), (i+1)*slots/len(nodes)
		nodes[i].command(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(after-1))
		host, port, _ := net.SplitHostPort(address)
		nodes[0].command(t, "CLUSTER", "MEET", host, port, bus)
	}
	for i, n := range nodes {
		eventually(t, fmt.Sprintf("node %d knows the others", i), func() bool {
			info, err := n.command(t, "CLUSTER", "INFO").ToString()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_slots_assigned:"+strconv.Itoa(slots)) && strings.Contains(info, "cluster_size:3")
		})
	}
	for i := range 300 {
		key := fmt.Sprint("key ", i)
		slot, err := nodes[0].command(t, "CLUSTER", "KEYSLOT", key).AsInt64()
		must(t, err)
		owner := nodes[slot*int64(len(nodes))/slots]
		owner.keys = append(owner.keys, key)
	}
	return nodes
}

// clusterClient is a client of all the nodes, with one connection to each, and so one cache for each.
func clusterClient(t *testing.T, nodes []*node) rueidis.Client {
	t.Helper()
	var addresses []string
	for _, n := range nodes {
		addresses = append(addresses, n.address)
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: addresses, NewCacheStoreFn: NewCacheStore(), CacheSizeEachConn: 16 << 20, PipelineMultiplex: -1,
	})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// fill has every node's first keys cached by a reader.
func fill(t *testing.T, nodes []*node, reader rueidis.Client, value string) {
	t.Helper()
	for _, n := range nodes {
		for _, key := range n.keys[:10] {
			set(t, n, key, value)
			eventually(t, "it is cached", func() bool { got, hit := cached(t, reader, key); return hit && got == value })
		}
	}
}

// hits counts a node's first keys that are read from the cache.
func hits(t *testing.T, n *node, reader rueidis.Client) (count int) {
	t.Helper()
	for _, key := range n.keys[:10] {
		if _, hit := cached(t, reader, key); hit {
			count++
		}
	}
	return count
}

func TestAChangeOnAnyNodeOfAClusterInvalidates(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		nodes := software.cluster(t)
		reader := clusterClient(t, nodes)
		for i, n := range nodes {
			var took []time.Duration
			for round := range 21 {
				key, newer := n.keys[round], fmt.Sprint("newer ", round)
				set(t, n, key, "older")
				eventually(t, "it is cached", func() bool { got, hit := cached(t, reader, key); return hit && got == "older" })
				set(t, n, key, newer)
				begun := time.Now()
				eventually(t, "it is invalidated", func() bool { got, _ := cached(t, reader, key); return got == newer })
				took = append(took, time.Since(begun))
			}
			t.Logf("node %d", i)
			checkInvalidations(t, took)
		}
	})
}

// The server tells of a flush by an invalidation without keys.
func TestFlushingANodeInvalidatesWhatIsCachedOfItAlone(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		nodes := software.cluster(t)
		reader := clusterClient(t, nodes)
		for i, flushed := range nodes {
			fill(t, nodes, reader, fmt.Sprint("v", i))
			flushed.command(t, "FLUSHALL")
			for _, key := range flushed.keys[:10] {
				eventually(t, "it is gone", func() bool { got, _ := cached(t, reader, key); return got == "" })
			}
			for j, n := range nodes {
				if count := hits(t, n, reader); j != i && count != 10 {
					t.Errorf("node %d was flushed: %d of 10 keys of node %d are still cached", i, count, j)
				}
			}
		}
	})
}

func TestWhatWasCachedOfANodeDoesNotOutliveTheConnectionToIt(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		nodes := software.cluster(t)
		reader := clusterClient(t, nodes)
		for i, lost := range nodes {
			fill(t, nodes, reader, fmt.Sprint("old ", i))
			lost.command(t, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			for _, key := range lost.keys[:10] {
				// Of which the server tells nobody. The test's own connection may be among those that are gone.
				write := lost.B().Set().Key(key).Value("new").Build().Pin()
				eventually(t, "it is written", func() bool { return lost.Do(ctx, write).Error() == nil })
			}
			for _, key := range lost.keys[:10] {
				eventually(t, "the new value is read", func() bool {
					got, err := reader.DoCache(ctx, reader.B().Get().Key(key).Cache(), time.Minute).ToString()
					return err == nil && got == "new"
				})
			}
			for j, n := range nodes {
				if count := hits(t, n, reader); j != i && count != 10 {
					t.Errorf("the connection to node %d was lost: %d of 10 keys of node %d are still cached", i, count, j)
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package rueidis_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/redis/rueidis"
	memstore "github.com/weisyn/memstore/bindings/go"
	memstorerueidis "github.com/weisyn/memstore/bindings/go/contrib/rueidis"
)

// A client of a Redis server whose cache is outside of the Go heap. The second read does not ask the server.
func ExampleNewCacheStore() {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{"127.0.0.1:6379"},
		CacheSizeEachConn: 64 << 20,
		NewCacheStoreFn:   memstorerueidis.NewCacheStore(memstore.WithEviction("adaptive")),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	for range 2 {
		result := client.DoCache(ctx, client.B().Get().Key("block/42").Cache(), time.Minute)
		value, err := result.ToString()
		fmt.Println(value, err, result.IsCacheHit())
	}
}

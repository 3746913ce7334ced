module github.com/weisyn/memstore/bindings/go/contrib/fastcache

go 1.24.0

require (
	github.com/VictoriaMetrics/fastcache v1.13.2
	github.com/weisyn/memstore/bindings/go v0.1.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/golang/snappy v1.0.0 // indirect
	golang.org/x/sys v0.34.0 // indirect
)

replace github.com/weisyn/memstore/bindings/go => ../..

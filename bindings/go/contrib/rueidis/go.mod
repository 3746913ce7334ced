module github.com/weisyn/memstore/bindings/go/contrib/rueidis

go 1.25.0

require (
	github.com/redis/rueidis v1.0.79
	github.com/weisyn/memstore/bindings/go v0.1.0
)

require golang.org/x/sys v0.47.0 // indirect

replace github.com/weisyn/memstore/bindings/go => ../..

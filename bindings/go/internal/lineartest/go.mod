module github.com/weisyn/memstore/bindings/go/internal/lineartest

go 1.24

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/weisyn/memstore/bindings/go v0.0.0
)

replace github.com/weisyn/memstore/bindings/go => ../..

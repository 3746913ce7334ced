module github.com/weisyn/memstore/bindings/go/internal/yamltest

go 1.24

require (
	github.com/weisyn/memstore/bindings/go v0.0.0
	go.yaml.in/yaml/v3 v3.0.5
	gopkg.in/yaml.v3 v3.0.1
)

replace github.com/weisyn/memstore/bindings/go => ../..

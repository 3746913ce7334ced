module github.com/weisyn/memstore/bindings/go

go 1.24

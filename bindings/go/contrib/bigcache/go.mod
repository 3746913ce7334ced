module github.com/weisyn/memstore/bindings/go/contrib/bigcache

go 1.24

require github.com/weisyn/memstore/bindings/go v0.1.0

require github.com/allegro/bigcache/v3 v3.1.0

replace github.com/weisyn/memstore/bindings/go => ../..

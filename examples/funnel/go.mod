module github.com/go-databuffer/databuffer/examples/funnel

go 1.26.0

replace github.com/go-databuffer/databuffer => ../..

require github.com/go-databuffer/databuffer v0.0.0 // indirect
